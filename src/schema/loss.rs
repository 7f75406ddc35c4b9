//! What data a statement takes away, and how much of it there is.

use std::fmt;

use super::id::{Id, Kind};
use super::quote::{ident, literal, qualified};
use super::rename::Rename;
use super::scratch::{ScratchError, server};
use crate::postgres::{Database, Session};

/// The longest that the rows of one table are counted, as Postgres has it. What takes longer is estimated.
const PATIENCE: &str = "2s";

/// What a statement takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    what: String,
    /// The table or the column whose rows lose something.
    of: Option<Id>,
    /// `3 of 5 rows in shop`, once they were counted.
    amount: Option<String>,
}

impl Loss {
    pub(crate) fn new(what: impl Into<String>, of: &Id) -> Self {
        let of = matches!(of.kind, Kind::Table | Kind::Column).then(|| of.clone());
        Self { what: what.into(), of, amount: None }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.amount.iter().try_for_each(|amount| write!(f, " ({amount})"))
    }
}

/// Counts in a database that has not been changed yet how many rows lose something; there the objects have the names from before these
/// renames. What is not in that database stays uncounted.
pub fn count_losses<'a>(
    losses: impl IntoIterator<Item = &'a mut Loss>,
    renames: &[Rename],
    database: &Database,
) -> Result<(), ScratchError> {
    let mut session: Option<Session> = None;
    for loss in losses {
        let Some(of) = loss.of.clone() else { continue };
        let of = renames.iter().rev().fold(of, |of, rename| rename.before(&of));
        let session = match &mut session {
            Some(session) => session,
            none => {
                let mut opened = Session::open(database)?;
                // Rows that a policy hides are refused then, and estimated.
                let settings = format!("SET statement_timeout = '{PATIENCE}'; SET row_security = off");
                opened.send(&settings).map_err(|failed| server(&failed))?;
                none.insert(opened)
            }
        };
        if let Some(rows) = rows(session, &of)? {
            loss.amount = Some(format!("{rows} in `{}`", database.name()));
        }
    }
    Ok(())
}

/// `3 of 5 rows`; `None` where there is no such table or column.
fn rows(session: &mut Session, of: &Id) -> Result<Option<String>, ScratchError> {
    let (Some(table), column) = (of.path.get(..2), of.path.get(2)) else { return Ok(None) };
    let table = qualified(table);
    let counted = column.map_or_else(|| "*".to_owned(), |column| ident(column));
    let failed = match session.send(&format!("SELECT count({counted}), count(*) FROM {table}")) {
        Ok(rows) => {
            let number = |n| rows.first().and_then(|row| row.get(n)).unwrap_or("0").to_owned();
            return Ok(Some(match column {
                Some(_) => format!("{} of {} rows", number(0), number(1)),
                None => format!("{} rows", number(1)),
            }));
        }
        Err(failed) => failed,
    };
    match failed.code() {
        // Of a table that does not exist, a column, a schema: the database is behind, or another one.
        "42P01" | "42703" | "3F000" => Ok(None),
        // It takes too long, or may not be read.
        "57014" | "42501" => {
            let estimate =
                format!("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass({})", literal(&table));
            let rows = session.send(&estimate).map_err(|failed| server(&failed))?;
            let number = rows.first().and_then(|row| row.get(0)).filter(|number| !number.starts_with('-'));
            Ok(number.map(|number| format!("about {number} rows")))
        }
        _ => Err(server(&failed)),
    }
}
