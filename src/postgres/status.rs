//! Where every migration stands.

use std::fmt;

use crate::plan::{Applied, History, State};
use crate::set::MigrationSet;
use crate::version::Version;

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// Applied as it is here.
    Applied,
    /// Applied, and its comments or white space were edited since.
    CommentEdited,
    /// Applied, and edited since.
    Edited,
    /// Applied, and not here.
    Missing,
    /// Not applied.
    Pending,
    /// Not applied, and older than one that is.
    OutOfOrder,
    /// A script outside of a transaction has begun and its end was not recorded: it runs now, or was interrupted.
    Unfinished,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Applied | Self::CommentEdited => "applied",
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::Pending => "pending",
            Self::OutOfOrder => "out of order",
            Self::Unfinished => "unfinished",
        })
    }
}

/// One migration in a [`Status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRow {
    /// Its version.
    pub version: Version,
    /// As its files are called, or were.
    pub id: String,
    /// Where it stands.
    pub standing: Standing,
    /// When it was applied: RFC 3339 in UTC, in whole seconds.
    pub applied_at: Option<String>,
    /// Why there is no way back, if the script says so.
    pub irreversible: Option<String>,
}

/// Every migration of the set and of the ledger, in version order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The migrations.
    pub rows: Vec<StatusRow>,
}

impl Status {
    /// Puts set and history side by side.
    pub fn of(set: &MigrationSet, history: &History) -> Self {
        let newest = history.newest_applied().map(|row| row.version);
        let here = set.migrations().iter().map(|migration| {
            let row = history.get(migration.version);
            let standing = match row {
                Some(row) if row.state != State::Applied => Standing::Unfinished,
                Some(row) if row.checksum == migration.up.checksum() => Standing::Applied,
                Some(row) if row.fingerprint == migration.up.fingerprint() => Standing::CommentEdited,
                Some(_) => Standing::Edited,
                None if newest.is_some_and(|newest| migration.version < newest) => Standing::OutOfOrder,
                None => Standing::Pending,
            };
            StatusRow {
                version: migration.version,
                id: migration.id().to_owned(),
                standing,
                applied_at: row.and_then(applied_at),
                irreversible: migration.irreversible().map(str::to_owned),
            }
        });
        let gone = history.rows.iter().filter(|row| set.get(row.version).is_none()).map(|row| StatusRow {
            version: row.version,
            id: row.id(),
            standing: Standing::Missing,
            applied_at: applied_at(row),
            irreversible: None,
        });
        let mut rows: Vec<_> = here.chain(gone).collect();
        rows.sort_by_key(|row| row.version);
        Self { rows }
    }

    /// Whether everything here is applied as it is, comments aside, and nothing else is.
    pub fn is_at_head(&self) -> bool {
        self.rows.iter().all(|row| matches!(row.standing, Standing::Applied | Standing::CommentEdited))
    }

    /// In one line: `9 applied, 1 pending, 1 edited`.
    pub fn summary(&self) -> String {
        let applied = self.count(Standing::Applied) + self.count(Standing::CommentEdited);
        let mut parts = vec![format!("{applied} applied"), format!("{} pending", self.count(Standing::Pending))];
        for standing in [Standing::Edited, Standing::Missing, Standing::OutOfOrder, Standing::Unfinished] {
            match self.count(standing) {
                0 => {}
                count => parts.push(format!("{count} {standing}")),
            }
        }
        parts.join(", ")
    }

    /// How many stand so.
    pub fn count(&self, standing: Standing) -> usize {
        self.rows.iter().filter(|row| row.standing == standing).count()
    }
}

fn applied_at(row: &Applied) -> Option<String> {
    row.record.as_ref()?.applied_at.clone()
}
