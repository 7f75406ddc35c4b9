//! The library's own handle, without an app around it.

use std::time::Duration;

use stairwell::postgres::Database;
use stairwell::startup::{Backoff, Cause, Condition, OnFailure, Policy, Startup, StartupError};
use tokio::runtime::Builder;

use super::troubles::failing_script;
use crate::harness::Outcome;

crate::trials!(
    the_library_starts_degrades_and_recovers_in_any_runtime,
    what_goes_on_in_the_background_ends_when_it_is_told_to,
);

fn the_library_starts_degrades_and_recovers_in_any_runtime() -> Outcome {
    let quick = Backoff { first: Duration::from_millis(10), most: Duration::from_millis(50) };
    for runtime in [Builder::new_multi_thread().worker_threads(1).build(), Builder::new_current_thread().build()] {
        let runtime = runtime.unwrap();
        let mut trouble = failing_script()?;
        let database = Database::parse(&trouble.url).unwrap();
        let start = || Startup::new(trouble.workspace.set()).retry(quick).program("shop 7");
        let abort = Policy { on_failure: OnFailure::Abort, ..Policy::default() };
        let error = runtime.block_on(start().policy(abort).start(&database)).unwrap_err();
        assert!(error.cause() == Cause::Permanent && error.to_string().contains("error[42P07]"), "{error}");

        let migrations = runtime.block_on(start().start(&database)).unwrap();
        assert_eq!((migrations.health().condition, migrations.has_started()), (Condition::Degraded, true));
        let since = migrations.health().since;
        (trouble.mend)();
        runtime.block_on(migrations.wait_ready()).unwrap();
        let health = migrations.health();
        assert_eq!((health.condition, health.pending, health.current.as_deref()), (Condition::Ready, 0, Some("2_b")));
        assert!(health.since >= since && health.attempts > 1, "{health:?}");
    }
    Ok(())
}

fn what_goes_on_in_the_background_ends_when_it_is_told_to() -> Outcome {
    let trouble = failing_script()?;
    let database = Database::parse(&trouble.url).unwrap();
    let hours = Backoff { first: Duration::from_secs(36_000), most: Duration::from_secs(36_000) };
    let runtime = Builder::new_current_thread().build().unwrap();
    // It needs no runtime to begin.
    let migrations = Startup::new(trouble.workspace.set()).retry(hours).begin(&database);
    runtime.block_on(migrations.started()).unwrap();
    let other = migrations.clone();
    migrations.shutdown();
    assert!(matches!(runtime.block_on(other.wait_ready()), Err(StartupError::Stopped)));
    assert_eq!(other.health().condition, Condition::Degraded);
    Ok(())
}
