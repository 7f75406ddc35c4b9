//! How many random cases a test runs, and which.

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestRunner};

/// A runner of `usual` cases, the same ones in each run, so that a change is blamed for what it did and not for what was drawn. With `PROPTEST_CASES` it is
/// that many others each time, unless `PROPTEST_RNG_SEED` says which. What fails is kept in `proptest-regressions/<name>.txt` and tried first the next time.
pub(crate) fn runner(name: &str, usual: u32, max_shrink_iters: u32) -> TestRunner {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let mut config = Config::default();
    if asked.is_none() && config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    // It wants a text that lives as long as the program.
    let seeds = format!("{}/proptest-regressions/{name}.txt", env!("CARGO_MANIFEST_DIR")).leak();
    config.failure_persistence = Some(Box::new(FileFailurePersistence::Direct(seeds)));
    TestRunner::new(Config { cases: asked.unwrap_or(usual), max_shrink_iters, ..config })
}
