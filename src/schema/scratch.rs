//! Databases that live as long as a comparison.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::catalog::Catalog;
use super::quote;
use super::read::{ReadError, Without};
use super::script::{Part, Script};
use super::source::Source;
use crate::diagnostic::Diagnostic;
use crate::postgres::{ConnectError, Database, Failed, Session};

/// What their names begin with. The process id of the server's that serves the owner follows, and 16 hexadecimal digits.
const PREFIX: &str = "stairwell_scratch_";

/// What is said of roles that a schema names and the server does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingRoles {
    /// They are made, without LOGIN: on a server that is the project's own.
    Create,
    /// Loading fails.
    Refuse,
}

/// Why a scratch database could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScratchError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The role may not create databases.
    #[error(
        "no scratch database can be made on the server of {database}: {reason}\n  = help: comparing needs one: let the role create \
         databases (as a superuser `ALTER ROLE … CREATEDB`), or compare on another server of the same major version"
    )]
    Create {
        /// Where.
        database: String,
        /// What the server said.
        reason: String,
    },
    /// A file's statement was refused.
    #[error("{0}")]
    Refused(Box<Diagnostic>),
    /// A catalog could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something else that the server refused.
    #[error("a scratch database failed: {0}")]
    Server(String),
}

/// A statement of a comparison's script that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (SQLSTATE {sqlstate})\n  in: {statement}")]
pub struct StatementFailed {
    /// Its text.
    pub statement: String,
    /// What the server said.
    pub reason: String,
    /// The server's code for it.
    pub sqlstate: String,
}

/// A server on which scratch databases can be made.
pub struct Workshop {
    database: Database,
    keeper: Session,
    owner: String,
    roles: MissingRoles,
    /// Roles that were made because a schema names them.
    made_roles: Vec<String>,
}

/// An empty database that goes away when this is dropped.
pub struct Scratch {
    name: String,
    database: Database,
    session: Option<Session>,
}

impl Workshop {
    /// On the server of this database. What scratch databases dead processes left there is removed.
    pub fn open(database: &Database, roles: MissingRoles) -> Result<Self, ScratchError> {
        let maintenance = ["postgres", "template1"];
        let mut keeper = None;
        let mut refused = None;
        for name in maintenance.into_iter().chain([database.name()]) {
            match Session::open(&database.with_name(name)) {
                Ok(session) => {
                    keeper = Some(session);
                    break;
                }
                // No server at all: said of the database that was asked for.
                Err(error) if error.sqlstate().is_none() => return Err(error.into()),
                Err(error) => refused = Some(error),
            }
        }
        let Some(mut keeper) = keeper else {
            return Err(
                refused.map_or_else(|| ScratchError::Server("there is no database to connect to".into()), Into::into)
            );
        };
        // A leftover is one whose owner's connection is gone. (`pg_stat_activity` has a `datname`, too.)
        let rows = keeper
            .send(&format!(
                "SET search_path = pg_catalog; SET client_min_messages = warning;
                 SELECT pg_backend_pid();
                 SELECT d.datname FROM pg_database d WHERE d.datname ~ '^{PREFIX}[0-9]+_[0-9a-f]{{16}}$'
                     AND pg_has_role(d.datdba, 'USAGE')
                     AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid::text = split_part(d.datname, '_', 3))"
            ))
            .map_err(|failed| server(&failed))?;
        let mut names = rows.iter().filter_map(|row| row.get(0).map(str::to_owned));
        let owner = names.next().unwrap_or_default();
        let leftovers: Vec<String> = names.collect();
        for name in leftovers {
            // Another process may be quicker; what is left is for the next.
            let _ = keeper.send(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote::ident(&name)));
        }
        Ok(Self { database: database.clone(), keeper, owner, roles, made_roles: Vec::new() })
    }

    /// Makes an empty database, as `template0` is.
    pub fn scratch(&mut self) -> Result<Scratch, ScratchError> {
        let name = format!("{PREFIX}{}_{:016x}", self.owner, RandomState::new().build_hasher().finish());
        self.keeper
            .send(&format!("CREATE DATABASE {name} TEMPLATE template0"))
            .map_err(|failed| ScratchError::Create { database: self.database.to_string(), reason: failed.reason() })?;
        Ok(Scratch { database: self.database.with_name(&name), name, session: None })
    }

    /// Removes one. Without this it stays until the next workshop is opened.
    pub fn discard(&mut self, mut scratch: Scratch) {
        scratch.session = None;
        let _ = self.keeper.send(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", scratch.name));
    }

    /// Roles that were made on the server, because a schema names them.
    pub fn made_roles(&self) -> &[String] {
        &self.made_roles
    }

    /// Loads files as psql would: each statement for itself. Bodies of functions are not checked.
    pub fn load(&mut self, scratch: &mut Scratch, sources: &[Source]) -> Result<(), ScratchError> {
        for source in sources {
            let session = scratch.session()?;
            for (n, statement) in source.statements().enumerate() {
                let mut outcome = session.send(statement);
                while let Err(failed) = &outcome
                    && let Some(role) = missing_role(failed)
                    && self.roles == MissingRoles::Create
                {
                    self.keeper
                        .send(&format!("CREATE ROLE {} NOLOGIN", quote::ident(&role)))
                        .map_err(|failed| server(&failed))?;
                    self.made_roles.push(role);
                    outcome = session.send(statement);
                }
                if let Err(failed) = outcome {
                    let mut diagnostic = source.refused(n, &failed);
                    if let Some(role) = missing_role(&failed) {
                        diagnostic = diagnostic.help(format!(
                            "roles belong to the whole server: `CREATE ROLE {} NOLOGIN` there makes it",
                            quote::ident(&role)
                        ));
                    }
                    return Err(ScratchError::Refused(Box::new(diagnostic)));
                }
            }
            // What a file sets (pg_dump's empty search_path) ends with it.
            scratch.session()?.send("DISCARD ALL").map_err(|failed| server(&failed))?;
            scratch.settle()?;
        }
        Ok(())
    }
}

impl Scratch {
    /// Where it is.
    pub fn database(&self) -> &Database {
        &self.database
    }

    fn session(&mut self) -> Result<&mut Session, ScratchError> {
        if self.session.is_none() {
            self.session = Some(Session::open(&self.database)?);
            self.settle()?;
        }
        self.session.as_mut().ok_or_else(|| ScratchError::Server("there is no connection".to_owned()))
    }

    /// What makes it quick and quiet.
    fn settle(&mut self) -> Result<(), ScratchError> {
        self.session()?
            .send("SET check_function_bodies = off; SET synchronous_commit = off; SET client_min_messages = error")
            .map_err(|failed| server(&failed))?;
        Ok(())
    }

    /// Its catalog.
    pub fn catalog(&mut self, without: &Without) -> Result<Catalog, ScratchError> {
        Ok(Catalog::read(self.session()?, without)?)
    }

    /// Runs a script, each part in a transaction where it can be in one.
    pub fn run(&mut self, script: &Script) -> Result<Result<(), StatementFailed>, ScratchError> {
        for part in script.parts() {
            if let Err(failed) = self.run_part(&part)? {
                return Ok(Err(failed));
            }
        }
        Ok(Ok(()))
    }

    fn run_part(&mut self, part: &Part) -> Result<Result<(), StatementFailed>, ScratchError> {
        let session = self.session()?;
        let texts: Vec<String> = part.statements.iter().map(|statement| statement.sql()).collect();
        let mut refused = |message: &str, first: usize| match session.send(message) {
            Ok(_) => Ok(Ok(())),
            Err(failed) if failed.connection_lost() => Err(server(&failed)),
            Err(failed) => Ok(Err(StatementFailed {
                statement: texts.get(first + failed.completed).cloned().unwrap_or_default(),
                reason: failed.reason(),
                sqlstate: failed.code().to_owned(),
            })),
        };
        if part.transactional {
            // One message is one transaction.
            return refused(&texts.join(";\n"), 0);
        }
        for (n, text) in texts.iter().enumerate() {
            if let Err(failed) = refused(text, n)? {
                return Ok(Err(failed));
            }
        }
        Ok(Ok(()))
    }
}

impl Catalog {
    /// Reads the catalog of a database. Nothing is written.
    pub fn of(database: &Database, without: &Without) -> Result<Self, ScratchError> {
        Ok(Self::read(&mut Session::open(database)?, without)?)
    }
}

/// The role that is not there, if that is what a statement failed of.
fn missing_role(failed: &Failed) -> Option<String> {
    let error = failed.error.as_db_error()?;
    let looked_for_a_role = error.routine().is_some_and(|name| name.starts_with("get_role"));
    if error.code().code() != "42704" || !looked_for_a_role {
        return None;
    }
    // The name stands between quotes in every language.
    let (_, rest) = error.message().split_once('"')?;
    rest.rsplit_once('"').map(|(name, _)| name.to_owned())
}

fn server(failed: &Failed) -> ScratchError {
    ScratchError::Server(failed.reason())
}
