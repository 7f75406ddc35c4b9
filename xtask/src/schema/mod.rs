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
pub(crate) struct Bench<'a> {
    context: &'a Context,
    /// A database that somebody named, on whose server they are made if that is allowed.
    named: Option<Database>,
    open: OnceCell<(Workshop, Keeps)>,
}

/// Whether a server keeps what migrations made, for the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Templates,
    /// One that was only named to be looked at keeps nothing.
    Nothing,
}

impl<'a> Bench<'a> {
    /// On the server of this database, if the role may; otherwise on the configured one.
    pub(crate) fn beside(context: &'a Context, database: &Database) -> Self {
        Self { context, named: Some(database.clone()), open: OnceCell::new() }
    }

    /// On the configured server, or the project's own one.
    pub(crate) fn of(context: &'a Context) -> Self {
        Self { context, named: None, open: OnceCell::new() }
    }

    /// What makes them.
    pub(crate) fn workshop(&self) -> Result<&Workshop, Failure> {
        Ok(&self.opened()?.0)
    }

    /// Whether templates of migrations stay there.
    pub(crate) fn keeps(&self) -> Result<Keeps, Failure> {
        Ok(self.opened()?.1)
    }

    fn opened(&self) -> Result<&(Workshop, Keeps), Failure> {
        if let Some(open) = self.open.get() {
            return Ok(open);
        }
        clean_up_when_interrupted();
        let open = self.open()?;
        Ok(self.open.get_or_init(|| open))
    }

    fn open(&self) -> Result<(Workshop, Keeps), Failure> {
        let refusal = match &self.named {
            None => None,
            Some(named) => match Workshop::open(named, MissingRoles::Refuse) {
                Ok(workshop) => return Ok((workshop, Keeps::Nothing)),
                Err(refusal @ ScratchError::NotAllowed { .. }) => Some((named, refusal)),
                Err(error) => return Err(error.into()),
            },
        };
        let configured = self.context.configured()?;
        let roles = if configured.is_some() { MissingRoles::Refuse } else { MissingRoles::Create };
        if let Some((named, refusal)) = refusal {
            let is_same = |other: &Database| other.hosts() == named.hosts() && other.port() == named.port();
            if configured.as_ref().is_some_and(is_same) {
                return Err(refusal.into());
            }
            say(&format!("scratch databases are made on another server: on that of {named} the role may not make any"));
        }
        Ok((Workshop::open(&self.context.database()?, roles)?, Keeps::Templates))
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
    Without::from(&Ledger::default())
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
