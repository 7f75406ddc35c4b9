//! What a database has: the ledger's rows as values.

use std::time::Duration;

use crate::checksum::Checksum;
use crate::migration::{Migration, Script};
use crate::set::MigrationSet;
use crate::version::Version;

/// How far a migration of the ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Done.
    Applied,
    /// A `no-transaction` up script has begun and its end was not recorded.
    Applying,
    /// A `no-transaction` down script has begun and its end was not recorded.
    Reverting,
}

/// One row of the ledger, as far as planning needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its version.
    pub version: Version,
    /// Its name.
    pub name: String,
    /// The digest of the up script that was run.
    pub checksum: Checksum,
    /// The digest that comments and white space don't change.
    pub fingerprint: Checksum,
    /// How far it is.
    pub state: State,
    /// How many statements of a `no-transaction` script are recorded as done.
    pub progress: usize,
    /// What was run, where the history was read with scripts.
    pub scripts: Scripts,
    /// When, by whom and how, where the history was read for a person; `None` where it was read for planning.
    pub record: Option<Record>,
}

/// The scripts of the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scripts {
    /// The up script.
    pub up: Option<String>,
    /// The down script, if it had one.
    pub down: Option<String>,
}

/// How a migration got into the ledger. Times are RFC 3339 in UTC, such as `2026-11-21T09:30:00Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When its script began.
    pub started_at: String,
    /// When it was done; `None` for one that is unfinished.
    pub applied_at: Option<String>,
    /// How long that took, by the server's clock.
    pub elapsed: Option<Duration>,
    /// The role.
    pub by: String,
    /// The program and its version.
    pub with: String,
    /// What someone did to this row since, or instead of running the script: `db stamp` and `db repair` say so here.
    pub remarks: Option<String>,
}

impl Applied {
    /// A migration of which this up script was applied.
    pub(super) fn with(version: Version, name: &str, up: &Script) -> Self {
        Self {
            version,
            name: name.to_owned(),
            checksum: up.checksum(),
            fingerprint: up.fingerprint(),
            state: State::Applied,
            progress: 0,
            scripts: Scripts::default(),
            record: None,
        }
    }

    /// `20261121093000_create_users`
    pub fn id(&self) -> String {
        format!("{}_{}", self.version, self.name)
    }

    /// As its files are called in this set, which may have zeros before the version; where it is not in there, as [`id`](Self::id).
    pub fn id_in(&self, set: &MigrationSet) -> String {
        set.get(self.version).map_or_else(|| self.id(), |migration| migration.id().to_owned())
    }
}

/// What a database says has been applied, oldest version first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The ledger's rows.
    pub rows: Vec<Applied>,
}

impl History {
    /// The row of this version.
    pub fn get(&self, version: Version) -> Option<&Applied> {
        let at = self.rows.binary_search_by_key(&version, |row| row.version).ok()?;
        self.rows.get(at)
    }

    /// The newest version in the ledger.
    pub fn head(&self) -> Option<Version> {
        self.rows.last().map(|row| row.version)
    }

    /// The newest row that is done.
    pub fn newest_applied(&self) -> Option<&Applied> {
        self.rows.iter().rfind(|row| row.state == State::Applied)
    }

    /// Puts a row in, or replaces the one of its version.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn insert(&mut self, row: Applied) {
        match self.rows.binary_search_by_key(&row.version, |row| row.version) {
            Ok(at) => self.rows[at] = row,
            Err(at) => self.rows.insert(at, row),
        }
    }

    /// What the ledger has when these migrations, up to this version, were applied as they are. For `None`, nothing.
    pub fn assumed(set: &MigrationSet, newest: Option<Version>) -> Self {
        let within = |m: &&Migration| newest.is_some_and(|newest| m.version <= newest);
        let row = |m: &Migration| Applied::with(m.version, m.name(), &m.up);
        Self { rows: set.migrations().iter().filter(within).map(row).collect() }
    }

    /// What it has when this step is done, too.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn record(&mut self, step: &super::Step) {
        use crate::migration::Direction;
        match step.direction {
            Direction::Up => self.insert(Applied::with(step.version, step.name(), &step.script)),
            Direction::Down => self.remove(step.version),
        }
    }

    /// Takes the row of this version out.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn remove(&mut self, version: Version) {
        if let Ok(at) = self.rows.binary_search_by_key(&version, |row| row.version) {
            self.rows.remove(at);
        }
    }
}
