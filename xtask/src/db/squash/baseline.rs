//! What stands in the baseline's files. Nothing is asked of a server here.

use std::fmt::Write as _;

use stairwell::migration::{Direction, Migration};
use stairwell::plan::squash;
use stairwell::schema::{Catalog, Script, compare};

use super::data::Data;
use crate::failure::{Code, Failure};
use crate::schema::impossible;

/// The two files.
#[derive(Debug, Clone)]
pub(super) struct Baseline {
    /// `20260101090000_baseline`.
    pub(super) id: String,
    pub(super) up: String,
    /// `None` where it is irreversible.
    pub(super) down: Option<String>,
    /// How many rows it inserts, and into how many tables.
    pub(super) rows: usize,
    pub(super) tables: usize,
}

impl Baseline {
    /// For these migrations, which make this catalog of the empty one, with these rows.
    pub(super) fn of(
        id: &str,
        squashed: &[Migration],
        (empty, full): (&Catalog, &Catalog),
        data: &Data,
    ) -> Result<Self, Failure> {
        let there = compare(empty, full).map_err(|findings| impossible(&findings))?;
        let schema = one_transaction(&there).map_err(|statement| {
            Failure::new(
                Code::Failed,
                format!(
                    "what the migrations make cannot be made in one transaction, so it cannot be one migration; nothing was changed\n  \
                     = note: this needs one of its own: {statement}\n  \
                     = help: squash up to the migration before the one that makes it"
                ),
            )
        })?;
        let (down, why) = way_back(id, squashed, &there, compare(full, empty).ok());
        let mut up = header(id, squashed);
        for history in squash::histories(squashed) {
            let _ = writeln!(up, "-- stairwell: squashes {history}");
        }
        if let Some(why) = why {
            let _ = writeln!(up, "-- stairwell: irreversible {why}");
        }
        let losses: Vec<String> = there.losses().map(ToString::to_string).collect();
        if !losses.is_empty() {
            let _ = writeln!(up, "-- stairwell: destructive {}, which is in every new database", losses.join("; "));
        }
        up.push('\n');
        up.push_str(schema.trim_start());
        up.push_str(&data.sql());
        let up =
            if up.trim_end().ends_with(';') { up } else { format!("{up}SELECT 'what it squashes makes nothing';\n") };
        Ok(Self { id: id.to_owned(), up, down, rows: data.rows(), tables: data.tables() })
    }
}

impl Baseline {
    /// Its files' names and texts: the one that makes a migration of them comes last.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, &str)> {
        let file = |direction: Direction| format!("{}{}", self.id, direction.suffix());
        let down = self.down.as_deref().map(|text| (file(Direction::Down), text));
        down.into_iter().chain([(file(Direction::Up), self.up.as_str())])
    }
}

fn header(id: &str, squashed: &[Migration]) -> String {
    let ends = [squashed.first(), squashed.last()].map(|migration| migration.map(Migration::id).unwrap_or_default());
    format!(
        "-- {id}\n--\n-- What {} migrations made, {} to {}: schema, rows and sequences.\n\
         -- Written and proved by `cargo xtask db squash`. A database that has applied them never runs it.\n--\n",
        squashed.len(),
        ends[0],
        ends[1]
    )
}

/// The down script, or why there is none.
///
/// Whoever undoes the only migration of a database expects it to be empty then, and `db check` and tests go up, down and up; so it drops
/// all that the baseline makes. A step that nobody could undo before does not become one that can be undone by a squash.
fn way_back(
    id: &str,
    squashed: &[Migration],
    there: &Script,
    back: Option<Script>,
) -> (Option<String>, Option<String>) {
    let irreversible = squashed.iter().find(|migration| migration.down.is_none());
    if let Some(one) = irreversible {
        let why = one.irreversible().map_or_else(|| "has no down script".to_owned(), |why| format!("is: {why}"));
        return (None, Some(format!("{} {why}", one.id())));
    }
    let text = back.as_ref().map(one_transaction);
    let Some(Ok(text)) = text else {
        return (None, Some("what it makes cannot be dropped in one transaction".to_owned()));
    };
    let text = if there.is_empty() { "SELECT 'there is nothing to undo';\n" } else { text.trim_start() };
    (Some(format!("-- Undoes {id}.\n--\n-- What is lost: everything.\n\n{text}")), None)
}

/// The statements as a migration has them, or the first that cannot be among others.
fn one_transaction(script: &Script) -> Result<String, String> {
    match script.parts().as_slice() {
        [] => Ok(String::new()),
        [part] if part.transactional => Ok(part.to_sql()),
        parts => {
            let alone = parts.iter().find(|part| !part.transactional).or(parts.last());
            Err(alone.map(|part| part.to_sql().trim().to_owned()).unwrap_or_default())
        }
    }
}
