//! What a health endpoint says.

use std::time::SystemTime;

/// Whether the app may be sent requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The first try is under way, or is waited for.
    Starting,
    /// The database has what the app needs, as far as the policy has it looked at.
    Ready,
    /// It has not; the app serves what it can, and tries again in the background.
    Degraded,
}

impl Condition {
    /// It in one lower-case word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
        }
    }
}

/// How the migrations of an app stand. No text in it has a password, nor what the server says about rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether the app may be sent requests.
    pub condition: Condition,
    /// Why it is so, in one line; `None` where there is nothing to say: everything is applied.
    pub reason: Option<String>,
    /// The newest migration that is applied, as its files are called; `None` if there is none, or nobody could look yet.
    pub current: Option<String>,
    /// The newest migration that the app has.
    pub expected: Option<String>,
    /// How many of the app's migrations are not applied; all of them as long as nobody could look.
    pub pending: usize,
    /// How many newer ones the database has, which the app does not know.
    pub ahead: usize,
    /// What went wrong last, in one line; `None` when it is over.
    pub last_error: Option<String>,
    /// Since when the condition is what it is.
    pub since: SystemTime,
    /// How many tries have begun.
    pub attempts: u32,
}

impl Health {
    /// Whether the app may be sent requests.
    pub fn is_ready(&self) -> bool {
        self.condition == Condition::Ready
    }

    /// Another condition, with the time from which on it holds if it is another one.
    pub(super) fn turn(&mut self, condition: Condition, now: SystemTime) {
        if self.condition != condition {
            (self.condition, self.since) = (condition, now);
        }
    }
}
