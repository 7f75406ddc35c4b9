//! The way in from async code.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use super::migrator::Migrator;
use crate::set::MigrationSet;

/// The system has no thread for it.
#[derive(Debug, thiserror::Error)]
#[error("no thread could be started for the migrations: {0}")]
pub struct SpawnError(#[from] std::io::Error);

/// Runs `work` with a [`Migrator`] of this set where it may block, and returns what it returned. Everything that a migrator does works
/// there. A panic of `work` goes on in the caller.
///
/// The thread is one of its own. Those of `tokio::task::spawn_blocking` belong to the runtime, which would wait for them when it is dropped:
/// a program that is told to stop could not, as long as a script waits for a lock. This one ends with the process, and the server then
/// rolls back what was under way. Nor does it matter which runtime this is, or of which kind.
///
/// Dropping the future does not stop the work; it only stops the waiting for it.
///
/// ```no_run
/// use stairwell::{MigrationSet, Target, postgres::{self, Database}};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let set = MigrationSet::from_directory("migrations")?;
/// let database = Database::parse("postgresql://localhost/shop")?;
/// let report = postgres::spawn(set, move |migrator| migrator.program("shop 1.4.2").up(&database, Target::Head)).await??;
/// println!("{} applied", report.done.len());
/// # Ok(())
/// # }
/// ```
pub async fn spawn<R: Send + 'static>(
    set: impl Into<Arc<MigrationSet>>,
    work: impl FnOnce(Migrator<'_>) -> R + Send + 'static,
) -> Result<R, SpawnError> {
    let set = set.into();
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // Whoever does not wait for it any more does not get it.
        drop(sender.send(catch_unwind(AssertUnwindSafe(|| work(Migrator::new(&set))))));
    };
    thread::Builder::new().name("stairwell".to_owned()).spawn(run)?;
    match receiver.await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(panic)) => resume_unwind(panic),
        // The sender is gone without a word only where the process ends.
        Err(_) => Err(SpawnError(std::io::Error::other("it ended early"))),
    }
}
