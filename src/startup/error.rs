//! Why an app cannot start, or is degraded.

use std::sync::Arc;

use super::cause::Cause;
use crate::plan::PlanError;
use crate::postgres::{RunError, RunErrorKind, SpawnError};
use crate::set::Findings;

/// Why the database is not as the app needs it. `Display` is for a log: several lines, without passwords, and without what the server says
/// about rows (DETAIL, HINT and CONTEXT of an error).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// The run ended early, or there was no connection.
    #[error("{0}")]
    Run(Arc<RunError>),
    /// The database has something that contradicts the app's migrations.
    #[error("{0}")]
    Conflict(Findings),
    /// Nothing is applied under this policy, and something is to be.
    #[error(
        "{}, up to {expected}, and this app only verifies\n  = help: apply them elsewhere (`cargo xtask db up`, or a job that runs the app's migrations), or set STAIRWELL_MIGRATIONS=run",
        counted(*.pending)
    )]
    Pending {
        /// How many.
        pending: usize,
        /// The newest of them.
        expected: String,
    },
    /// The system is out of threads.
    #[error("{0}")]
    Spawn(Arc<SpawnError>),
    /// It was stopped before it came to an end.
    #[error("the start was stopped before the migrations were done")]
    Stopped,
}

impl From<RunError> for StartupError {
    fn from(error: RunError) -> Self {
        match error.kind {
            RunErrorKind::Plan(PlanError::Conflicts(findings)) if error.done == 0 => Self::Conflict(findings),
            _ => Self::Run(Arc::new(error)),
        }
    }
}

impl From<SpawnError> for StartupError {
    fn from(error: SpawnError) -> Self {
        Self::Spawn(Arc::new(error))
    }
}

impl StartupError {
    /// Whether it may pass by itself.
    pub fn cause(&self) -> Cause {
        Cause::of(self)
    }

    /// It in one line, for a health endpoint.
    pub fn brief(&self) -> String {
        match self {
            Self::Run(error) => match &error.kind {
                RunErrorKind::Script(failure) => {
                    let code = match failure.sqlstate() {
                        "" => String::new(),
                        code => format!(" (SQLSTATE {code})"),
                    };
                    let position = failure.position();
                    let place = format!("{}:{}:{}", failure.path(), position.line, position.column);
                    format!("{} failed: {}{code}, at {place}", failure.id(), first_line(failure.message()))
                }
                kind => first_line(&kind.to_string()),
            },
            Self::Conflict(findings) => match findings.0.as_slice() {
                [] => String::new(),
                [one] => one.message.clone(),
                [first, others @ ..] => format!("{}, and {} more", first.message, others.len()),
            },
            other => first_line(&other.to_string()),
        }
    }
}

fn counted(pending: usize) -> String {
    if pending == 1 { "1 migration is pending".to_owned() } else { format!("{pending} migrations are pending") }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
