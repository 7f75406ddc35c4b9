//! The two sides of a comparison: what a person may name, and how its catalog is come by.

use std::path::PathBuf;
use std::str::FromStr;

use stairwell::postgres::{Database, Ledger};
use stairwell::schema::{Catalog, MissingRoles, ScratchError, Source, SourceError, Without, Workshop};
use stairwell::{Inspection, OutOfOrder, Target};

use super::Bench;
use crate::context::{Context, LockPolicy};
use crate::db::up::{checked, migrator};
use crate::failure::{Code, Failure};
use crate::terminal::say;

/// What a person named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    Url(String),
    Path(PathBuf),
    Migrations,
    Schema,
}

impl FromStr for Given {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "migrations" => Self::Migrations,
            "schema" => Self::Schema,
            url if url.contains("://") => Self::Url(url.to_owned()),
            path => Self::Path(path.into()),
        })
    }
}

/// A side that can be read.
pub(crate) enum Side {
    Database(Database),
    Sql(Vec<Source>),
    Migrations(Box<Inspection>),
}

/// Where scratch databases are made.
pub(crate) struct Place {
    database: Database,
    roles: MissingRoles,
}

/// The ledger is no part of a schema.
pub(crate) fn without() -> Without {
    let ledger = Ledger::default();
    Without { ledger: ledger.to_string().split_once('.').map(|(schema, table)| (schema.to_owned(), table.to_owned())) }
}

impl Side {
    /// Of what a person named.
    pub(crate) fn of(context: &Context, given: &Given) -> Result<Self, Failure> {
        Ok(match given {
            Given::Url(url) => Self::Database(Database::parse(url)?.with_defaults(|name| std::env::var(name).ok())?),
            Given::Path(path) => Self::Sql(Source::read(path)?),
            Given::Migrations => Self::Migrations(Box::new(checked(context, LockPolicy::Update, OutOfOrder::Allow)?)),
            Given::Schema => Self::Sql(context.schema()?),
        })
    }

    /// Its catalog, read or made.
    pub(crate) fn catalog(&self, bench: &mut Bench) -> Result<Catalog, Failure> {
        if let Self::Database(database) = self {
            return Ok(Catalog::of(database, &without())?);
        }
        let workshop = bench.workshop()?;
        let mut scratch = workshop.scratch()?;
        let outcome = match self {
            Self::Sql(sources) => workshop.load(&mut scratch, sources).map_err(Failure::from),
            Self::Migrations(inspection) => {
                migrator(inspection).up(scratch.database(), Target::Head).map(drop).map_err(Failure::from)
            }
            Self::Database(_) => Ok(()),
        };
        for role in workshop.made_roles() {
            say(&format!("made the role `{role}` on the project's own server, which the schema names"));
        }
        let catalog = outcome.and_then(|()| Ok(scratch.catalog(&without())?));
        bench.made.push(scratch);
        catalog
    }
}

/// The server of the first side that is a database, or else the configured one.
pub(crate) fn place(context: &Context, sides: &[&Side]) -> Result<Place, Failure> {
    let named = sides.iter().find_map(|side| match side {
        Side::Database(database) => Some(database.clone()),
        _ => None,
    });
    if let Some(database) = named {
        return Ok(Place { database, roles: MissingRoles::Refuse });
    }
    let roles = if context.configured()?.is_some() { MissingRoles::Refuse } else { MissingRoles::Create };
    Ok(Place { database: context.database()?, roles })
}

impl Place {
    /// Connects.
    pub(crate) fn open(&self) -> Result<Workshop, Failure> {
        Ok(Workshop::open(&self.database, self.roles)?)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Content(diagnostic) => Self::from(stairwell::Findings(vec![*diagnostic])),
            other => Self::new(Code::Files, other.to_string()),
        }
    }
}

impl From<ScratchError> for Failure {
    fn from(error: ScratchError) -> Self {
        match error {
            ScratchError::Refused(diagnostic) => Self::from(stairwell::Findings(vec![*diagnostic])),
            ScratchError::Connect(error) => error.into(),
            other => Self::new(Code::Failed, other.to_string()),
        }
    }
}
