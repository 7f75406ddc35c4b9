//! Where every migration stands.

use std::fmt;

use super::mark::Mark;
use crate::diagnostic::Diagnostic;
use crate::plan::{Applied, History, Seen, State, squash};
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
    /// Applied, and not here any more: a baseline stands for it.
    Squashed,
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
            Self::Squashed => "squashed",
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
    /// How many migrations were applied here that this one, a baseline, has squashed; `None` if there are none such.
    pub squashes: Option<usize>,
}

/// Every migration of the set and of the ledger, in version order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The migrations.
    pub rows: Vec<StatusRow>,
    /// Why the database cannot go on, if it has some of what the baseline here squashes, and not all of it.
    pub amid: Option<Diagnostic>,
    /// What the database is marked with, where it was asked: set and history alone do not tell.
    pub mark: Option<Mark>,
}

impl Status {
    /// Puts set and history side by side. What a baseline has squashed is one row with it, where all of it is applied.
    pub fn of(set: &MigrationSet, history: &History) -> Self {
        let Seen { history: seen, squashed, amid } = Seen::of(set, history);
        // In the middle of what was squashed, the baseline is not applied, and what was is no longer here.
        let seen = if amid.is_some() {
            History { rows: seen.rows.iter().skip(1).cloned().collect() }
        } else {
            seen.into_owned()
        };
        let baseline =
            set.baseline().filter(|_| squashed.is_some() || amid.is_some()).map(|migration| migration.version);
        let newest = seen.newest_applied().map(|row| row.version);
        let here = set.migrations().iter().map(|migration| {
            let row = seen.get(migration.version);
            let is_baseline = baseline == Some(migration.version);
            let standing = match row {
                Some(row) if row.state != State::Applied => Standing::Unfinished,
                Some(row) if row.checksum == migration.up.checksum() => Standing::Applied,
                Some(row) if row.fingerprint == migration.up.fingerprint() => Standing::CommentEdited,
                Some(_) => Standing::Edited,
                None if newest.is_some_and(|newest| migration.version < newest) && !is_baseline => Standing::OutOfOrder,
                None => Standing::Pending,
            };
            StatusRow {
                version: migration.version,
                id: migration.id().to_owned(),
                standing,
                applied_at: row.and_then(applied_at),
                irreversible: migration.irreversible().map(str::to_owned),
                squashes: squashed.filter(|_| is_baseline),
            }
        });
        let lost = if amid.is_some() { squash::squashed(set, history) } else { &[] };
        let gone = seen.rows.iter().filter(|row| set.get(row.version).is_none()).chain(lost).map(|row| StatusRow {
            version: row.version,
            id: row.id(),
            standing: if row.state == State::Applied { Standing::Missing } else { Standing::Unfinished },
            applied_at: applied_at(row),
            irreversible: None,
            squashes: None,
        });
        let mut rows: Vec<_> = here.chain(gone).collect();
        rows.sort_by_key(|row| row.version);
        Self { rows, amid, mark: None }
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
