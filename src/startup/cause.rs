//! Whether what went wrong may be otherwise in a moment.

use super::error::StartupError;
use crate::postgres::{RunError, RunErrorKind};

/// Of which kind the cause of a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It may pass by itself: no server yet, no slot free, a lock that others have, somebody else who still has to migrate.
    Transient,
    /// It stays until a person does something: a script that fails, a file that was edited, a wrong password, a missing database, a
    /// script that would lose data.
    Permanent,
}

impl Cause {
    /// The cause of an error.
    pub fn of(error: &StartupError) -> Self {
        match error {
            StartupError::Run(error) => Self::of_run(error),
            // Whoever runs the migrations elsewhere may be at it; a thread may be free in a moment.
            StartupError::Pending { .. } | StartupError::Spawn(_) => Self::Transient,
            StartupError::Conflict(_) | StartupError::Stopped => Self::Permanent,
        }
    }

    fn of_run(error: &RunError) -> Self {
        match &error.kind {
            RunErrorKind::Connect(error) if error.is_passing() => Self::Transient,
            RunErrorKind::Locked { .. } | RunErrorKind::Interrupted(_) => Self::Transient,
            RunErrorKind::Script(failure) => Self::of_code(failure.sqlstate()),
            RunErrorKind::Server { sqlstate, .. } => Self::of_code(sqlstate),
            _ => Self::Permanent,
        }
    }

    /// By the server's code ([Error Codes](https://www.postgresql.org/docs/current/errcodes-appendix.html)): classes 08 connection,
    /// 40 rollback, 53 resources (disk, memory, connections), 55P03 a lock, 57P0x shutdown.
    pub(super) fn of_code(sqlstate: &str) -> Self {
        let passes = ["08", "40", "53", "55P03", "57P01", "57P02", "57P03", "57P05"];
        if passes.iter().any(|code| sqlstate.starts_with(code)) { Self::Transient } else { Self::Permanent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_by_the_servers_code() {
        for code in ["08006", "40001", "40P01", "53100", "53300", "55P03", "57P01", "57P03"] {
            assert_eq!(Cause::of_code(code), Cause::Transient, "{code}");
        }
        for code in ["", "23505", "25006", "28P01", "3D000", "42501", "42601", "42P07", "57014", "XX000"] {
            assert_eq!(Cause::of_code(code), Cause::Permanent, "{code}");
        }
    }
}
