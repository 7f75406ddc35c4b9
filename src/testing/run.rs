//! What `#[stairwell::test]` calls.

use std::sync::Arc;

use super::database::{Builder, TestDatabase};

/// What a test returns.
pub trait Outcome {
    /// Whether it failed.
    fn is_failure(&self) -> bool;
}

impl Outcome for () {
    fn is_failure(&self) -> bool {
        false
    }
}

impl<T, E> Outcome for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

/// Runs a test with a database, which is kept if the test fails, by a panic or by what it returns.
#[track_caller]
pub fn run<R: Outcome>(builder: Builder, test: impl FnOnce(TestDatabase) -> R) -> R {
    let database = builder.create();
    // It goes last, whoever drops the other one.
    let held = Arc::clone(database.held());
    let outcome = test(database);
    if outcome.is_failure() {
        held.fail();
    }
    outcome
}

/// The same for an async test, on a runtime of one thread.
#[track_caller]
pub fn run_async<R: Outcome>(builder: Builder, test: impl AsyncFnOnce(TestDatabase) -> R) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        // What the test spawned has ended when the database goes, since the runtime has.
        Ok(runtime) => run(builder, |database| runtime.block_on(test(database))),
        Err(error) => panic!("no async runtime can be made for the test: {error}"),
    }
}
