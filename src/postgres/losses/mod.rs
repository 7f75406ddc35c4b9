//! What data a run would lose, and who has given leave for that.
//!
//! A script says `destructive`, and git has it reviewed; but only the database knows what is there to lose. So the runner looks before it
//! begins: what the scripts name is looked up, and counted. A table that is empty, or that the run itself makes, loses nothing.

mod count;
mod stakes;

use std::collections::BTreeSet;
use std::fmt;

pub(super) use count::{BEGIN, count};
pub(super) use stakes::has_stakes;

use crate::version::Version;

/// Whether an up script that says `destructive` may run where there is something to lose.
///
/// It never stands for the directive in the script: without one such a script is refused when it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Destructive {
    /// Refuse, before anything is applied, and say what would be lost.
    #[default]
    Refuse,
    /// Run all of them.
    Allow,
    /// Run these, of which somebody has seen what they lose.
    These(BTreeSet<Version>),
}

impl Destructive {
    /// Whether this migration may run.
    pub(super) fn covers(&self, version: Version) -> bool {
        match self {
            Self::Refuse => false,
            Self::Allow => true,
            Self::These(versions) => versions.contains(&version),
        }
    }

    /// The same, and these as well.
    pub(super) fn and(&self, more: impl IntoIterator<Item = Version>) -> Self {
        match self {
            Self::Refuse => Self::These(more.into_iter().collect()),
            Self::Allow => Self::Allow,
            Self::These(versions) => Self::These(versions.iter().copied().chain(more).collect()),
        }
    }
}

/// What one migration would lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Losses {
    /// Its version.
    pub version: Version,
    /// As its files are called.
    pub id: String,
    /// The script that does it.
    pub path: String,
    /// The line of it, from 1, that says `destructive`; where none does, that of the first loss.
    pub line: usize,
    /// The reason that the script gives.
    pub reason: Option<String>,
    /// Each of them, in the order of the script.
    pub losses: Vec<Loss>,
}

/// What one statement would lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What it does, with the name as written: `DROP TABLE users`.
    pub what: String,
    /// The line of the script, from 1, where it begins.
    pub line: usize,
    /// The table that loses rows or values, with its schema, quoted where SQL needs that; `None` where it is not known.
    pub table: Option<String>,
    /// Whether the statement names another table, or none: `DROP SCHEMA … CASCADE`.
    pub is_implied: bool,
    /// How much.
    pub amount: Amount,
}

/// How much is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many rows.
    Rows(u64),
    /// Some rows of so many: the statement has a condition.
    AtMost(u64),
    /// The values in so many rows.
    Values {
        /// Rows with a value.
        filled: u64,
        /// All rows.
        of: u64,
    },
    /// About so many rows, or more: counting took too long or is not allowed, and this is what the server's statistics say.
    About(u64),
    /// Nobody can tell before it runs, and why.
    Unknown(&'static str),
}

impl Amount {
    /// The number of rows, if it is known or estimated.
    pub fn rows(self) -> Option<u64> {
        match self {
            Self::Rows(rows) | Self::AtMost(rows) | Self::Values { filled: rows, .. } | Self::About(rows) => Some(rows),
            Self::Unknown(_) => None,
        }
    }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(count) => f.write_str(&rows(*count)),
            Self::AtMost(count) => write!(f, "some of {}", rows(*count)),
            Self::Values { filled, of } => write!(f, "the values in {filled} of {}", rows(*of)),
            Self::About(count) => write!(f, "about {} (not counted)", rows(*count)),
            Self::Unknown(why) => write!(f, "an unknown amount ({why})"),
        }
    }
}

/// `DROP TABLE users: 12 rows`
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.amount)?;
        match &self.table {
            Some(table) if self.is_implied => write!(f, " of {table}"),
            _ => Ok(()),
        }
    }
}

/// All in one line: `2_b (DROP TABLE users: 12 rows)`
impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let losses: Vec<String> = self.losses.iter().map(ToString::to_string).collect();
        write!(f, "{} ({})", self.id, losses.join("; "))
    }
}

/// A run was refused that would lose data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAllowed {
    /// What would be lost, of the migrations that have no leave.
    pub losses: Vec<Losses>,
    /// Where, as [`Database`](super::Database) is displayed.
    pub database: String,
}

impl fmt::Display for NotAllowed {
    /// The first line tells it all in short; the others show each migration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.losses.iter().map(|losses| losses.id.as_str()).collect();
        let (verb, has) = if ids.len() == 1 { ("loses", "has") } else { ("lose", "have") };
        write!(f, "{} {verb} data of {}, and {has} no leave to", ids.join(", "), self.database)?;
        for losses in &self.losses {
            write!(f, "\n --> {}:{}", losses.path, losses.line)?;
            for loss in &losses.losses {
                write!(f, "\n     {loss}")?;
            }
            if let Some(reason) = &losses.reason {
                write!(f, "\n     destructive: {reason}")?;
            }
        }
        f.write_str(
            "\n  = note: the script says that it is meant; only who knows this database can say that it may lose these rows\
             \n  = help: have a backup, then `cargo xtask db up --allow-destructive`; without that option it asks at a terminal\
             \n  = help: an app that may do it by itself is built so: `Startup::destructive(Destructive::Allow)`",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(what: &str, amount: Amount) -> Loss {
        Loss { what: what.into(), line: 2, table: Some("public.users".into()), is_implied: false, amount }
    }

    #[test]
    fn a_refusal_names_each_migration_with_what_it_loses_and_what_to_do() {
        let version = |text: &str| text.parse().unwrap();
        let first = Losses {
            version: version("2"),
            id: "2_b".into(),
            path: "migrations/2_b.up.sql".into(),
            line: 1,
            reason: Some("nobody reads them".into()),
            losses: vec![
                loss("DROP TABLE users", Amount::Rows(1)),
                loss("ALTER TABLE users DROP COLUMN name", Amount::Values { filled: 3, of: 12 }),
                loss("DELETE FROM users WHERE …", Amount::AtMost(12)),
                loss("TRUNCATE users", Amount::About(5_000_000)),
                Loss { is_implied: true, ..loss("DROP SCHEMA app CASCADE", Amount::Rows(7)) },
            ],
        };
        let unknown = loss("DROP VIEW v CASCADE", Amount::Unknown("nothing tells what depends on it"));
        let second = Losses { version: version("3"), id: "3_c".into(), losses: vec![unknown], ..first.clone() };
        let refusal = NotAllowed { losses: vec![first, second], database: "`shop` on localhost".into() };
        insta::assert_snapshot!(refusal);
    }

    #[test]
    fn leave_is_for_all_for_none_or_for_some() {
        let (two, three) = ("2".parse().unwrap(), "3".parse().unwrap());
        let these = Destructive::Refuse.and([two]);
        assert_eq!((these.covers(two), these.covers(three)), (true, false));
        assert!(these.and([three]).covers(two) && these.and([three]).covers(three));
        assert_eq!(Destructive::Allow.and([two]), Destructive::Allow);
        assert!(!Destructive::default().covers(two));
    }
}
