//! Who makes scratch databases and drops them.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::Duration;

use super::helper::{Ahead, Helper};
use super::{MissingRoles, ScratchError, live};
use crate::postgres::{ConnectError, Database, Failed, Session};
use crate::schema::catalog::Catalog;
use crate::schema::quote;
use crate::schema::read::Without;

/// What their names begin with. The process id of the server's that serves the owner follows, and 16 hexadecimal digits.
pub(super) const PREFIX: &str = "stairwell_scratch_";

/// The connection from which databases are made and dropped.
pub(in crate::schema) struct Keeper {
    pub(super) database: Database,
    pub(in crate::schema) session: Session,
    /// The process id of the server's that serves the session.
    owner: String,
    pub(super) roles: MissingRoles,
    /// Roles that were made because a schema names them.
    pub(super) made_roles: Vec<String>,
    /// What an empty database has.
    pub(super) empty: Option<(Without, Catalog)>,
    /// Once a database was wanted ahead.
    helper: Option<Helper>,
    /// What will be wanted next, and what each is a copy of.
    ahead: Vec<(String, Ahead)>,
    /// How a copy is made.
    strategy: &'static str,
}

impl Keeper {
    pub(super) fn new(
        database: Database,
        mut session: Session,
        owner: String,
        roles: MissingRoles,
    ) -> Result<Self, Failed> {
        let (made_roles, ahead) = (Vec::new(), Vec::new());
        let strategy = live::strategy(&mut session)?;
        Ok(Self { database, session, owner, roles, made_roles, empty: None, helper: None, ahead, strategy })
    }

    /// Begins to make a copy.
    pub(super) fn ahead_of(&mut self, template: &str) {
        if self.helper.is_none() {
            self.helper = Helper::start(&self.database);
        }
        let Some(helper) = &self.helper else { return };
        let (name, create) = self.next(template);
        let ahead = helper.make(name, create);
        self.ahead.push((template.to_owned(), ahead));
    }

    /// The name of a copy, which is made now unless that has begun.
    pub(super) fn copy_of(&mut self, template: &str) -> Result<String, ScratchError> {
        if let Some(n) = self.ahead.iter().position(|(of, _)| of == template)
            && let Some(name) = self.ahead.remove(n).1.made()
        {
            return Ok(name);
        }
        let (name, create) = self.next(template);
        live::begins(&self.database, &name);
        match self.session.send(&create) {
            Ok(_) => Ok(name),
            Err(failed) => {
                live::ended(&name);
                Err(ScratchError::Create { database: self.database.to_string(), reason: failed.reason() })
            }
        }
    }

    /// Connects to a scratch database. Where there are too few connections for that, the helper gives its own back.
    pub(super) fn connect(&mut self, database: &Database) -> Result<Session, ConnectError> {
        let mut outcome = Session::open(database);
        if self.helper.is_some() && is_full(&outcome) {
            self.end_helper();
            // The server notices a little later.
            for _ in 0..50 {
                outcome = Session::open(database);
                if !is_full(&outcome) {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        outcome
    }

    /// Drops it, or begins to.
    pub(super) fn let_go(&mut self, name: String) {
        let left = match &self.helper {
            Some(helper) => helper.drop_database(name).err(),
            None => Some(name),
        };
        if let Some(name) = left {
            self.drop_database(&name);
        }
    }

    fn end_helper(&mut self) {
        for name in self.helper.take().map(Helper::end).into_iter().flatten() {
            self.drop_database(&name);
        }
    }

    /// The name of the next one, and the statement that makes it.
    fn next(&self, template: &str) -> (String, String) {
        let name = format!("{PREFIX}{}_{:016x}", self.owner, RandomState::new().build_hasher().finish());
        let create = format!("{} TEMPLATE {}{}", live::create_statement(&name), quote::ident(template), self.strategy);
        (name, create)
    }

    /// Drops it. What cannot be dropped is left for the next workshop.
    pub(in crate::schema) fn drop_database(&mut self, name: &str) {
        live::drop_database(&mut self.session, &self.database, name);
        live::ended(name);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        for (_, ahead) in std::mem::take(&mut self.ahead) {
            self.let_go(ahead.name);
        }
        self.end_helper();
    }
}

/// Whether the server has no connection left (`too_many_connections`).
fn is_full(outcome: &Result<Session, ConnectError>) -> bool {
    outcome.as_ref().is_err_and(|error| error.sqlstate() == Some("53300"))
}

/// Another database of the server, and a connection to it: nobody can drop the one that they are in.
pub(super) fn maintenance(database: &Database) -> Result<(Database, Session), ScratchError> {
    let mut refused = None;
    for name in ["postgres", "template1", database.name()] {
        let at = database.with_name(name);
        match Session::open(&at) {
            Ok(session) => return Ok((at, session)),
            // No server at all: said of the database that was asked for.
            Err(error) if error.sqlstate().is_none() => {
                return Err(Session::open(database).err().unwrap_or(error).into());
            }
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or_else(|| ScratchError::Server("there is no database to connect to".to_owned()), Into::into))
}
