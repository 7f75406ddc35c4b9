//! What the tests stand on.

pub(crate) mod account;
pub(crate) mod alembic;
pub(crate) mod app;
pub(crate) mod cluster;
pub(crate) mod database;
pub(crate) mod dump;
pub(crate) mod files;
pub(crate) mod pgbouncer;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod report;
pub(crate) mod server;
pub(crate) mod shared;
pub(crate) mod xtask;

use libtest_mimic::{Completion, Failed, Trial};

/// Why a test could not run on this machine.
pub(crate) struct Skip(pub(crate) String);

/// What a test returns: `Err(Skip)` is counted as ignored and printed with its reason; a panic is a failure.
pub(crate) type Outcome = Result<(), Skip>;

/// Makes trials of test functions, named `module::function`.
#[macro_export]
macro_rules! trials {
    ($($function:ident),* $(,)?) => {
        /// Adds this module's tests.
        pub(crate) fn add(trials: &mut Vec<libtest_mimic::Trial>) {
            $(trials.push($crate::harness::trial(module_path!(), stringify!($function), $function));)*
        }
    };
}

/// One test.
pub(crate) fn trial(module: &str, name: &str, test: impl FnOnce() -> Outcome + Send + 'static) -> Trial {
    let module = module.split_once("::").map_or(module, |(_, rest)| rest);
    let name = format!("{module}::{name}");
    Trial::ignorable_test(name.clone(), move || {
        let note = report::Note::begin(name);
        let outcome = test();
        note.end(&outcome);
        match outcome {
            Ok(()) => Ok::<_, Failed>(Completion::Completed),
            Err(Skip(reason)) => Ok(Completion::ignored_with(format!("skipped: {reason}"))),
        }
    })
}
