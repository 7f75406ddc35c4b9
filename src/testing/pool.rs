//! The connections from which databases are made and dropped.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::TestingError;
use super::server::lease;
use crate::postgres::{Database, Failed, Row, Session};
use crate::schema::quote::ident;

/// Connections to the server's own database.
pub(super) struct Pool {
    admin: Database,
    idle: Mutex<Vec<Session>>,
    /// They are told what to drop, one thing at a time, and nobody waits for the answer.
    droppers: Mutex<VecDeque<Session>>,
}

impl Pool {
    pub(super) fn new(admin: Database) -> Self {
        Self { admin, idle: Mutex::default(), droppers: Mutex::default() }
    }

    /// Sends a message on a connection that nobody else uses meanwhile.
    pub(super) fn send(&self, message: &str) -> Result<Vec<Row>, TestingError> {
        self.with(|session| session.send(message).map_err(TestingError::from))
    }

    /// Lends a connection.
    pub(super) fn with<R>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<R, TestingError>,
    ) -> Result<R, TestingError> {
        let mut session = self.take()?;
        let result = work(&mut session)?;
        // One on which something failed is not used again.
        self.give_back(session);
        Ok(result)
    }

    /// A connection for the caller alone.
    pub(super) fn take(&self) -> Result<Session, TestingError> {
        let idle = guard(&self.idle).pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    pub(super) fn give_back(&self, session: Session) {
        guard(&self.idle).push(session);
    }

    /// Drops a database and whoever is connected to it, whatever becomes of this process. It waits for its turn, where many are dropped, and not for
    /// the end.
    pub(super) fn drop_database(&self, name: &str) -> Result<(), TestingError> {
        let mut session = self.dropper()?;
        let turn = session.send(&lease::take_a_turn())?;
        if turn.iter().all(|row| row.get(0).is_none()) {
            session.send(&lease::wait_for_a_turn())?;
        }
        session.leave(&[
            &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", ident(name)),
            "SELECT pg_advisory_unlock_all()",
        ])?;
        guard(&self.droppers).push_back(session);
        Ok(())
    }

    /// A connection that has nothing left to do.
    fn dropper(&self) -> Result<Session, TestingError> {
        let mut droppers = guard(&self.droppers);
        for _ in 0..droppers.len() {
            let Some(mut session) = droppers.pop_front() else { break };
            match session.look_at_what_was_left() {
                Some(Ok(())) => return Ok(session),
                // Somebody else dropped it, or whoever is connected may not be ended by this role: then the next run tries again.
                Some(Err(_)) => {}
                None => droppers.push_back(session),
            }
        }
        drop(droppers);
        self.open()
    }

    fn open(&self) -> Result<Session, TestingError> {
        let mut session = Session::open(&self.admin.with_application("stairwell tests"))?;
        session.send(&format!("{}; SET client_min_messages = warning", lease::NO_TIMEOUTS))?;
        Ok(session)
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<Failed> for TestingError {
    fn from(failed: Failed) -> Self {
        let help = match failed.code() {
            "42501" => Some("the tests' role has to be allowed to create databases: `ALTER ROLE … CREATEDB`"),
            "53300" => Some("fewer tests at a time (`--test-threads`), or more `max_connections`"),
            _ => None,
        };
        Self::Refused { code: failed.code().to_owned(), reason: failed.reason(), help }
    }
}
