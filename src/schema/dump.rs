//! A schema as a file that makes it: `schema.sql`.

use std::fmt;

use super::catalog::Catalog;
use super::compare::{Impossible, describe};
use super::difference::{Difference, differences, tree};
use super::proof::Proof;
use super::read::Without;
use super::scratch::{ScratchError, Workshop};
use super::source::{Source, SourceError};
use super::statement::Statement;

/// The first line of a dump, by which it is known. Nothing in a dump tells when or by which version it was written.
pub const DUMP_MARK: &str = "-- Written by `cargo xtask db dump` from the migrations.";

const HEADER: &str = "\
-- It loads into an empty database with psql. What is changed here by hand is a wish, and `cargo xtask db new <name> --auto` makes a
-- migration of it; what is not in a migration then, the next dump takes away.

-- The body of a function may name what comes further down.
SET check_function_bodies = off;
";

/// Why a schema could not be dumped.
#[derive(Debug)]
#[non_exhaustive]
pub enum DumpError {
    /// Something was refused before it could be tried.
    Scratch(ScratchError),
    /// There are no statements for these.
    Impossible(Vec<Impossible>),
    /// What was written is no SQL for psql.
    Text(SourceError),
    /// It loads, and gives something else in these: the old side is what came out, the new side what was wanted.
    Differs(Vec<Difference>),
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scratch(error) => error.fmt(f),
            Self::Impossible(found) => {
                f.write_str("there are no statements for all of it:")?;
                found.iter().try_for_each(|it| write!(f, "\n* {it}"))
            }
            Self::Text(error) => error.fmt(f),
            Self::Differs(found) => write!(
                f,
                "loaded into an empty database, it gives something else (- is what comes out, + what was asked for)\n\n{}",
                tree(found)
            ),
        }
    }
}

impl std::error::Error for DumpError {}

impl From<ScratchError> for DumpError {
    fn from(error: ScratchError) -> Self {
        Self::Scratch(error)
    }
}

/// The schema of a catalog as SQL for an empty database: what belongs to a table stands with it, blank lines between, and equal text for
/// equal catalogs. It is loaded into a scratch database first, and must give the same catalog.
///
/// Owners are named where they are not the role that read the catalog.
pub fn dump(catalog: &Catalog, workshop: &Workshop, without: &Without) -> Result<String, DumpError> {
    let mut scratch = workshop.scratch()?;
    let empty = scratch.empty_catalog(without)?;
    let text = write(&describe(&empty, catalog).map_err(DumpError::Impossible)?);
    let source = Source::new("schema.sql", text.as_str()).map_err(DumpError::Text)?;
    scratch.load(&[source])?;
    let outcome = scratch.catalog(without)?;
    if outcome.objects != catalog.objects {
        let outcome = Proof::new(workshop, without).aligned(&outcome, catalog)?;
        let found = differences(&outcome, catalog);
        if !found.is_empty() {
            return Err(DumpError::Differs(found));
        }
    }
    Ok(text)
}

fn write(sections: &[Vec<Statement>]) -> String {
    let mut text = format!("{DUMP_MARK}\n{HEADER}");
    for section in sections {
        text.push('\n');
        for statement in section {
            text.push_str(statement.text().trim_end());
            text.push('\n');
        }
    }
    text
}
