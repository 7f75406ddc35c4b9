//! What a run says while it is under way, and at its end.

use std::fmt;
use std::time::Duration;

use super::error::Holder;
use super::losses::Losses;
use super::recovery::RecoveryPoint;
use crate::migration::Direction;
use crate::version::Version;

/// One migration that a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Forward or back.
    pub direction: Direction,
    /// Its version.
    pub version: Version,
    /// As its files are called.
    pub id: String,
    /// How long its script took, by the server's clock (by this process' for one outside of a transaction); `None` for what another
    /// runner did in the meantime.
    pub elapsed: Option<Duration>,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The migrations, in the order in which they were done.
    pub done: Vec<Done>,
    /// The newest applied migration now.
    pub head: Option<String>,
}

/// What a run is doing. `Display` is a line for a log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The plan has been made, and something is to be done.
    Planned {
        /// Forward or back.
        direction: Direction,
        /// How many migrations.
        total: usize,
    },
    /// What is about to be applied loses data, and has leave to.
    Losing {
        /// What each migration loses.
        losses: &'a [Losses],
        /// Where the server's log is before that, or why it does not tell.
        point: &'a Result<RecoveryPoint, String>,
    },
    /// A script is about to be sent, perhaps with others behind it.
    Started {
        /// Forward or back.
        direction: Direction,
        /// As its files are called.
        id: &'a str,
        /// Which one it is, from 1.
        position: usize,
        /// How many there are.
        total: usize,
    },
    /// A migration has been committed.
    Done {
        /// Which, and how long it took.
        done: &'a Done,
        /// Which one it is, from 1.
        position: usize,
        /// How many there are.
        total: usize,
    },
    /// The server crashed before these were on its disk, and took them back with their rows in the ledger; they are done again.
    TakenBack {
        /// Which, in the order in which they had been done.
        done: &'a [Done],
    },
    /// Another runner has the lock; this one asks again in a moment.
    Waiting {
        /// Who has it.
        holder: Option<&'a Holder>,
        /// Since when this one waits.
        waited: Duration,
    },
    /// A script outside of a transaction waits for another session, for as long as it takes: a lock, or for `CONCURRENTLY` the end of a
    /// transaction that is older.
    Blocked {
        /// As its files are called.
        id: &'a str,
        /// Who is waited for.
        blocker: &'a Holder,
    },
    /// A script was rolled back for a passing cause and will be tried again.
    Retrying {
        /// As its files are called.
        id: &'a str,
        /// The SQLSTATE: 55P03 lock time-out, 40P01 deadlock, 40001 serialization failure.
        reason: &'a str,
        /// Who was seen to have the lock.
        blocker: Option<&'a Holder>,
        /// Which try comes now, from 1.
        attempt: u32,
        /// After this time.
        pause: Duration,
    },
    /// The server is there and takes no connection yet, or cannot be reached; this one tries again.
    Connecting {
        /// What was said.
        reason: &'a str,
        /// After this time.
        pause: Duration,
    },
    /// The connection broke; the ledger will tell what had been done.
    Reconnecting {
        /// What was said.
        reason: &'a str,
        /// After this time.
        pause: Duration,
    },
    /// Something worth knowing: a notice of the server, or of the plan.
    Notice {
        /// What.
        text: &'a str,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = |direction: Direction| {
            if direction == Direction::Up { "apply" } else { "undo" }
        };
        match self {
            Self::Planned { direction, total } => write!(f, "{total} to {}", verb(*direction)),
            Self::Losing { losses, point } => {
                let losses: Vec<String> = losses.iter().map(ToString::to_string).collect();
                write!(f, "data is lost, with leave: {}. {}", losses.join(", "), RecoveryPoint::line(point))
            }
            Self::Started { direction, id, position, total } => {
                write!(f, "[{position}/{total}] {} {id}", verb(*direction))
            }
            Self::Done { done, position, total } => {
                let verb = if done.direction == Direction::Up { "applied" } else { "undone" };
                write!(f, "[{position}/{total}] {verb} {}", done.id)?;
                done.elapsed.map_or(Ok(()), |elapsed| write!(f, " in {elapsed:.1?}"))
            }
            Self::TakenBack { done } => {
                let (first, count) = (done.first().map_or("", |done| done.id.as_str()), done.len());
                write!(
                    f,
                    "the server crashed before it had written {count} of them to disk, from {first} on; they are done again"
                )
            }
            Self::Waiting { holder: Some(holder), waited } => {
                write!(f, "waiting for the migration lock for {} s; it is held by {holder}", waited.as_secs())
            }
            Self::Waiting { holder: None, waited } => {
                write!(f, "waiting for the migration lock for {} s", waited.as_secs())
            }
            Self::Blocked { id, blocker } => write!(f, "{id} waits for {blocker}"),
            Self::Retrying { id, reason, blocker, attempt, pause } => {
                let why = match *reason {
                    "55P03" => "a lock was not free in time",
                    "40P01" => "a deadlock",
                    _ => "a serialization failure",
                };
                write!(f, "{id} was rolled back ({why}, {reason}); try {attempt} in {pause:.1?}")?;
                blocker.map_or(Ok(()), |blocker| write!(f, "; the lock is held by {blocker}"))
            }
            Self::Connecting { reason, pause } => {
                write!(f, "no connection yet ({reason}); trying again in {pause:.1?}")
            }
            Self::Reconnecting { reason, pause } => {
                write!(f, "the connection was lost ({reason}); connecting again in {pause:.1?}")
            }
            Self::Notice { text } => f.write_str(text),
        }
    }
}
