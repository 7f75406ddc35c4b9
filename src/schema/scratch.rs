//! Databases that live as long as a comparison.

mod helper;
mod keeper;
mod live;

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use self::keeper::{Keeper, PREFIX, maintenance};
pub use self::live::clean_up_when_interrupted;
#[cfg(feature = "testing")]
pub(crate) use self::live::strategy;
use super::catalog::Catalog;
use super::quote;
use super::read::{ReadError, Reading, Without};
use super::script::{Part, Script};
use super::source::Source;
use super::statement::Statement;
use crate::diagnostic::Diagnostic;
use crate::postgres::{ConnectError, Database, Failed, Session, missing_role};

/// The database in which nothing was made.
const EMPTY: &str = "template0";

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
        "no scratch database can be made on the server of {database}: the role `{role}` may not create databases\n  \
         = help: as a superuser `ALTER ROLE {role} CREATEDB`, or name another server of the same major version with DATABASE_URL"
    )]
    NotAllowed {
        /// Where.
        database: String,
        /// Who.
        role: String,
    },
    /// No database could be created.
    #[error("no scratch database can be made on the server of {database}: {reason}")]
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
#[derive(Clone)]
pub struct Workshop(Rc<RefCell<Keeper>>);

/// A database that goes away when this is dropped.
pub struct Scratch {
    name: String,
    database: Database,
    workshop: Workshop,
    session: Option<Session>,
}

impl Workshop {
    /// On the server of this database. What scratch databases dead processes left there is removed.
    pub fn open(database: &Database, roles: MissingRoles) -> Result<Self, ScratchError> {
        let (at, mut session) = maintenance(database)?;
        // A leftover is one whose owner's connection is gone. (`pg_stat_activity` has a `datname`, too.)
        let rows = session
            .send(&format!(
                "SET search_path = pg_catalog; SET client_min_messages = warning;
                 SELECT pg_backend_pid();
                 SELECT rolcreatedb OR rolsuper, rolname FROM pg_roles WHERE rolname = current_user;
                 SELECT d.datname FROM pg_database d WHERE d.datname ~ '^{PREFIX}[0-9]+_[0-9a-f]{{16}}$'
                     AND pg_has_role(d.datdba, 'USAGE')
                     AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid::text = split_part(d.datname, '_', 3))"
            ))
            .map_err(|failed| server(&failed))?;
        let mut names = rows.iter().filter_map(|row| row.get(0).map(str::to_owned));
        let owner = names.next().unwrap_or_default();
        if names.next().as_deref() == Some("f") {
            let role = rows.get(1).and_then(|row| row.get(1)).unwrap_or_default().to_owned();
            return Err(ScratchError::NotAllowed { database: database.to_string(), role });
        }
        let leftovers: Vec<String> = names.collect();
        let mut keeper = Keeper::new(at, session, owner, roles).map_err(|failed| server(&failed))?;
        for name in leftovers {
            keeper.drop_database(&name);
        }
        Ok(Self(Rc::new(RefCell::new(keeper))))
    }

    pub(super) fn keeper(&self) -> RefMut<'_, Keeper> {
        self.0.borrow_mut()
    }

    /// Makes an empty database, as `template0` is.
    pub fn scratch(&self) -> Result<Scratch, ScratchError> {
        self.scratch_of(EMPTY)
    }

    /// Begins to make the next [`Workshop::scratch`] while something else is done, on a second connection. From then on databases are
    /// dropped on it, too, and nobody waits for that before the end.
    pub fn ahead(&self) {
        self.ahead_of(EMPTY);
    }

    /// The same for a copy.
    pub(super) fn ahead_of(&self, template: &str) {
        self.keeper().ahead_of(template);
    }

    /// Makes a copy of a database that nobody is connected to.
    pub(super) fn scratch_of(&self, template: &str) -> Result<Scratch, ScratchError> {
        let mut keeper = self.keeper();
        let name = keeper.copy_of(template)?;
        Ok(Scratch { database: keeper.database.with_name(&name), name, workshop: self.clone(), session: None })
    }

    /// The server's major version.
    pub fn server(&self) -> Result<u32, ScratchError> {
        let rows = self.keeper().session.send("SHOW server_version_num").map_err(|failed| server(&failed))?;
        let number = rows.first().and_then(|row| row.get(0)).and_then(|text| text.parse::<u32>().ok());
        Ok(number.unwrap_or_default() / 10_000)
    }

    /// Roles that were made on the server since this was asked last, because a schema names them.
    pub fn take_made_roles(&self) -> Vec<String> {
        std::mem::take(&mut self.keeper().made_roles)
    }

    /// Makes a role, if that is allowed here; says whether.
    pub fn make_role(&self, role: &str) -> Result<bool, ScratchError> {
        let mut keeper = self.keeper();
        if keeper.roles == MissingRoles::Refuse {
            return Ok(false);
        }
        match keeper.session.send(&format!("CREATE ROLE {} NOLOGIN", quote::ident(role))) {
            Ok(_) => keeper.made_roles.push(role.to_owned()),
            // Another process was quicker.
            Err(failed) if matches!(failed.code(), "42710" | "23505") => {}
            Err(failed) => return Err(server(&failed)),
        }
        Ok(true)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.session = None;
        self.workshop.keeper().let_go(std::mem::take(&mut self.name));
    }
}

impl Scratch {
    /// Where it is.
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Ends its connection; the next use opens another one.
    pub(super) fn disconnect(&mut self) {
        self.session = None;
    }

    pub(super) fn session(&mut self) -> Result<&mut Session, ScratchError> {
        if self.session.is_none() {
            self.session = Some(self.workshop.keeper().connect(&self.database)?);
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

    /// Loads files as psql would: each statement for itself. Bodies of functions are not checked.
    pub fn load(&mut self, sources: &[Source]) -> Result<(), ScratchError> {
        let workshop = self.workshop.clone();
        for source in sources {
            let session = self.session()?;
            // A commit a statement, and none has to outlive a crash.
            session.send("SET synchronous_commit = off").map_err(|failed| server(&failed))?;
            for (n, statement) in source.statements().enumerate() {
                let mut outcome = session.send(statement);
                while let Err(failed) = &outcome
                    && let Some(role) = missing(failed)
                    && workshop.make_role(&role)?
                {
                    outcome = session.send(statement);
                }
                if let Err(failed) = outcome {
                    let mut diagnostic = source.refused(n, &failed);
                    if let Some(role) = missing(&failed) {
                        diagnostic = diagnostic.help(format!(
                            "roles belong to the whole server, and are made by hand: `CREATE ROLE {} NOLOGIN`",
                            quote::ident(&role)
                        ));
                    }
                    return Err(ScratchError::Refused(Box::new(diagnostic)));
                }
            }
            // What a file sets (pg_dump's empty search_path) ends with it. A transaction that is still open cannot be meant.
            session.send("DISCARD ALL").map_err(|failed| match failed.code() {
                "25001" | "25P02" => ScratchError::Refused(Box::new(source.left_open())),
                _ => server(&failed),
            })?;
            self.settle()?;
        }
        Ok(())
    }

    /// Its catalog.
    pub fn catalog(&mut self, without: &Without) -> Result<Catalog, ScratchError> {
        Ok(Catalog::read(self.session()?, Reading::Again, without)?)
    }

    /// Its catalog where nothing was made in it: that of all that are empty.
    pub(super) fn empty_catalog(&mut self, without: &Without) -> Result<Catalog, ScratchError> {
        let known = self.workshop.keeper().empty.clone();
        if let Some((_, catalog)) = known.filter(|(of, _)| of == without) {
            return Ok(catalog);
        }
        let catalog = self.catalog(without)?;
        self.workshop.keeper().empty = Some((without.clone(), catalog.clone()));
        Ok(catalog)
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
        let texts: Vec<String> = part.statements.iter().map(Statement::sql).collect();
        // One message is one transaction.
        let messages = if part.transactional { vec![texts.join(";\n")] } else { texts.clone() };
        for (n, message) in messages.iter().enumerate() {
            match session.send(message) {
                Ok(_) => {}
                Err(failed) if failed.connection_lost() => return Err(server(&failed)),
                Err(failed) => {
                    return Ok(Err(StatementFailed {
                        statement: texts.get(n + failed.completed).cloned().unwrap_or_default(),
                        reason: failed.reason(),
                        sqlstate: failed.code().to_owned(),
                    }));
                }
            }
        }
        Ok(Ok(()))
    }
}

impl Catalog {
    /// Reads the catalog of a database. Nothing is written.
    pub fn of(database: &Database, without: &Without) -> Result<Self, ScratchError> {
        Ok(Self::read(&mut Session::open(database)?, Reading::Once, without)?)
    }
}

fn missing(failed: &Failed) -> Option<String> {
    failed.error.as_db_error().and_then(missing_role)
}

pub(super) fn server(failed: &Failed) -> ScratchError {
    ScratchError::Server(failed.reason())
}
