//! Options that several commands have.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use stairwell::migration::parse_duration;
use stairwell::postgres::{Migrator, Transactions};

/// What may change the lock.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Locked {
    /// Fail instead of changing `stairwell.lock` [implied where `CI` is set, and where it cannot be written]
    #[arg(long)]
    pub(crate) locked: bool,
}

/// The word that the guard of `db/guard.rs` wants.
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// The name that confirms it: of the environment that `db protect` marked the database with; where there is no mark, the database's own,
    /// which is needed if it is not on this machine, or is production (`STAIRWELL_ENV=production`, or
    /// `ALTER DATABASE … SET stairwell.environment = 'production'`). In a terminal it is asked for
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

impl Confirm {
    /// What was given.
    pub(crate) fn name(&self) -> Option<&str> {
        self.confirm.as_deref()
    }
}

/// The word that takes a mark away.
#[derive(Debug, Args)]
pub(crate) struct ConfirmMark {
    /// The environment that the database is marked as so far. In a terminal it is asked for
    #[arg(long, value_name = "ENVIRONMENT")]
    confirm: Option<String>,
}

impl ConfirmMark {
    /// What was given.
    pub(crate) fn name(&self) -> Option<&str> {
        self.confirm.as_deref()
    }
}

/// What commits together.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Single {
    /// All of them in one transaction: a failure leaves none. Locks are kept until the end
    #[arg(long)]
    single_transaction: bool,
}

impl Single {
    pub(crate) fn transactions(self) -> Transactions {
        if self.single_transaction { Transactions::Single } else { Transactions::Each }
    }
}

/// How long a run bears with locks.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Patience {
    /// How long a statement may wait for a lock, as `500ms`, `2s` or `1min`; a script's own `lock-timeout` goes before it [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    lock_timeout: Option<Duration>,
    /// How often to try a script that a lock time-out, a deadlock or a serialization failure rolled back [default: 10]
    #[arg(long, value_name = "N")]
    tries: Option<NonZeroU32>,
}

impl Patience {
    /// Passes it on.
    pub(crate) fn of(self, mut migrator: Migrator<'_>) -> Migrator<'_> {
        if let Some(timeout) = self.lock_timeout {
            migrator = migrator.lock_timeout(timeout);
        }
        if let Some(tries) = self.tries {
            migrator = migrator.tries(tries);
        }
        migrator
    }
}

pub(crate) fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write it as `500ms`, `2s` or `1min`, at most a day".to_owned())
}

/// For whom a command prints what it found.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Print JSON for programs instead of text, in the shape that docs/json.md describes
    #[arg(long)]
    json: bool,
}

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Output {
    pub(crate) fn format(self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}
