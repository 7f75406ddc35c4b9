//! Work that blocks, from wherever a test calls.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use tokio::sync::oneshot;

/// Runs it on a thread of its own and waits: the caller may be on a thread of an async runtime, where nothing that blocks may begin.
pub(super) fn blocking<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    })
}

/// The same, while other tasks of the runtime go on.
pub(super) async fn off_the_runtime<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = oneshot::channel();
    // Who does not wait any more does not get it.
    thread::spawn(move || drop(sender.send(catch_unwind(AssertUnwindSafe(work)))));
    let Ok(outcome) = receiver.await else { panic!("the thread that makes a test's database ended without a word") };
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}
