//! What the commands have in common that compare schemas.

pub(crate) mod desired;
pub(crate) mod side;

use std::cell::OnceCell;

use stairwell::postgres::{Database, Ledger};
use stairwell::schema::{
    Catalog, Impossible, MissingRoles, ScratchError, SourceError, Without, Workshop, clean_up_when_interrupted,
};

use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::terminal::say;

/// Where scratch databases are made. The server is connected to when the first is wanted.
pub(crate) struct Bench {
    database: Database,
    roles: MissingRoles,
    workshop: OnceCell<Workshop>,
}

impl Bench {
    /// On the server of this database.
    pub(crate) fn beside(database: Database) -> Self {
        Self { database, roles: MissingRoles::Refuse, workshop: OnceCell::new() }
    }

    /// On the configured server, or the project's own one.
    pub(crate) fn of(context: &Context) -> Result<Self, Failure> {
        let roles = if context.configured()?.is_some() { MissingRoles::Refuse } else { MissingRoles::Create };
        Ok(Self { database: context.database()?, roles, workshop: OnceCell::new() })
    }

    /// What makes them.
    pub(crate) fn workshop(&self) -> Result<&Workshop, Failure> {
        if let Some(workshop) = self.workshop.get() {
            return Ok(workshop);
        }
        clean_up_when_interrupted();
        let workshop = Workshop::open(&self.database, self.roles)?;
        Ok(self.workshop.get_or_init(|| workshop))
    }
}

/// Says which roles were made.
pub(crate) fn say_roles(workshop: &Workshop) {
    for role in workshop.take_made_roles() {
        say(&format!("made the role `{role}` on this project's own server: the schema names it"));
    }
}

/// The ledger is no part of a schema.
pub(crate) fn without() -> Without {
    let ledger = Ledger::default().to_string();
    Without { ledger: ledger.split_once('.').map(|(schema, table)| (schema.to_owned(), table.to_owned())) }
}

/// Two versions print one definition in two ways.
pub(crate) fn same_version(old: &Catalog, new: &Catalog) -> Result<(), Failure> {
    if old.server == new.server {
        return Ok(());
    }
    Err(Failure::new(
        Code::Usage,
        format!(
            "the two sides are on servers of PostgreSQL {} and {}, which print one definition in two ways\n  \
             = help: compare on servers of one major version",
            old.server, new.server
        ),
    ))
}

/// All that there is no way for.
pub(crate) fn impossible(findings: &[Impossible]) -> Failure {
    let text: Vec<String> = findings.iter().map(|it| format!("* {it}")).collect();
    let count = findings.len();
    Failure::new(
        Code::Failed,
        format!(
            "there is no way from the one schema to the other, for {count} of what differs\n\n{}",
            text.join("\n\n")
        ),
    )
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
