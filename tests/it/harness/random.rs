//! How many random cases a test runs, and which; and random moments.

use std::time::SystemTime;

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestRunner};

use super::shared::checkout;

/// A runner of `usual` cases, the same ones in each run, so that a change is blamed for what it did and not for what was drawn. With `PROPTEST_CASES` it is
/// that many others each time, unless `PROPTEST_RNG_SEED` says which. What fails is kept in `proptest-regressions/<name>.txt` and tried first the next time.
pub(crate) fn runner(name: &str, usual: u32, max_shrink_iters: u32) -> TestRunner {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let mut config = Config::default();
    if asked.is_none() && config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    // It wants a text that lives as long as the program.
    let seeds = checkout(&format!("proptest-regressions/{name}.txt")).display().to_string().leak();
    config.failure_persistence = Some(Box::new(FileFailurePersistence::Direct(seeds)));
    TestRunner::new(Config { cases: asked.unwrap_or(usual), max_shrink_iters, ..config })
}

/// What `PROPTEST_RNG_SEED` says, or the time: for what cannot be the same each time, since it depends on moments.
pub(crate) fn seed() -> u64 {
    let asked = std::env::var("PROPTEST_RNG_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = || {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
    };
    asked.unwrap_or_else(now)
}

/// Numbers that a seed tells. (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.)
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Less than `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// From 0 to `most`.
    pub(crate) fn upto(&mut self, most: usize) -> usize {
        usize::try_from(self.below(most as u64 + 1)).unwrap_or(most)
    }
}
