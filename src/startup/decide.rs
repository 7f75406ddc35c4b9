//! What a failure leads to. Nothing here waits, logs or connects.

use std::time::Duration;

use super::cause::Cause;
use super::policy::OnFailure;

/// How long the app waits between two tries: a random time up to `first`, then up to twice as long each time, up to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure; 1 s by default.
    pub first: Duration,
    /// At most; 60 s by default.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(60) }
    }
}

/// Whether the app has been told already how the start went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for that before it serves.
    Starting,
    /// It serves.
    Serving,
}

/// What comes after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The start fails.
    Abort,
    /// The app serves, degraded; another try comes.
    Degrade,
    /// The app does not serve yet; another try comes.
    Wait,
}

/// What comes after a failure with this cause, when the start has taken this long, of the time that it may wait for what passes.
pub(super) fn after(on_failure: OnFailure, cause: Cause, phase: Phase, waited: Duration, patience: Duration) -> Next {
    match (phase, on_failure, cause) {
        // Whoever serves already is not taken down by what comes later.
        (Phase::Serving, _, _) | (_, OnFailure::Degrade, _) | (_, OnFailure::DegradeTransient, Cause::Transient) => {
            Next::Degrade
        }
        (_, OnFailure::Abort, Cause::Transient) if waited < patience => Next::Wait,
        (_, OnFailure::Abort, _) | (_, OnFailure::DegradeTransient, Cause::Permanent) => Next::Abort,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_decides_what_a_failure_leads_to() {
        use Cause::{Permanent, Transient};
        use Next::{Abort, Degrade, Wait};
        use Phase::{Serving, Starting};
        let table = [
            (OnFailure::Abort, Permanent, Starting, 0, Abort),
            (OnFailure::Abort, Transient, Starting, 0, Wait),
            (OnFailure::Abort, Transient, Starting, 59, Wait),
            (OnFailure::Abort, Transient, Starting, 60, Abort),
            (OnFailure::Degrade, Permanent, Starting, 0, Degrade),
            (OnFailure::Degrade, Transient, Starting, 0, Degrade),
            (OnFailure::DegradeTransient, Permanent, Starting, 0, Abort),
            (OnFailure::DegradeTransient, Transient, Starting, 0, Degrade),
            (OnFailure::DegradeTransient, Transient, Starting, 600, Degrade),
            // The server was away at first; now that it is there, the script fails. The app serves already.
            (OnFailure::DegradeTransient, Permanent, Serving, 600, Degrade),
        ];
        for (on_failure, cause, phase, waited, next) in table {
            let found = after(on_failure, cause, phase, Duration::from_secs(waited), Duration::from_secs(60));
            assert_eq!(found, next, "{on_failure} {cause:?} {phase:?} {waited}");
        }
    }
}
