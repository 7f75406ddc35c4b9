//! Marking a database with its environment, and holding a run to that.

use super::database::Database;
use super::error::{Interruption, RunError, RunErrorKind};
use super::ledger::{Columns, LEDGER_MOVED};
use super::mark::{Environment, Mark};
use super::migrator::Migrator;
use super::patience::{open, reconnect};
use super::runner::{MOST_MOVES, Outcome, Run};
use crate::migration::Direction;
use crate::plan::History;

impl Migrator<'_> {
    /// What the database is marked with. It creates nothing, and takes no privilege but to connect.
    pub fn mark(&mut self, database: &Database) -> Result<Option<Mark>, RunError> {
        let (mut session, mut losses) = (open(self, database, None).map_err(|error| unplanned(error.into()))?, 0);
        loop {
            match self.ledger.ask_mark(&mut session) {
                Ok(mark) => {
                    let ledger = self.ledger.to_string();
                    return mark.map_err(|why| unplanned(RunErrorKind::Ledger { ledger, why }));
                }
                Err(failed) if failed.connection_lost() => {
                    session = reconnect(self, database, &mut losses, &failed.reason()).map_err(unplanned)?;
                }
                Err(failed) => {
                    let doing = format!("reading the mark of {database}");
                    return Err(unplanned(RunErrorKind::server(doing, &failed.error)));
                }
            }
        }
    }

    /// [`history`](Self::history) and [`mark`](Self::mark) at once.
    pub fn history_and_mark(&mut self, database: &Database) -> Result<(History, Option<Mark>), RunError> {
        let run = Run::open(self, database, Direction::Up, Columns::Records).map_err(unplanned)?;
        Ok((run.history, run.mark))
    }

    /// The history, where it is one of the environment that this runs for.
    #[cfg(feature = "startup")]
    pub(crate) fn history_here(&mut self, database: &Database) -> Result<History, RunError> {
        let run = Run::open(self, database, Direction::Up, Columns::Records).map_err(unplanned)?;
        run.check_environment().map_err(unplanned)?;
        Ok(run.history)
    }

    /// Marks the database with the environment that it is of, beside its ledger, which is created if it is not there. One that is marked
    /// already keeps its mark unless that is `instead_of`: then it is an error, [`RunErrorKind::Marked`].
    ///
    /// A run for another environment ([`environment`](Self::environment)) is refused from then on.
    pub fn protect(
        &mut self,
        database: &Database,
        environment: &Environment,
        instead_of: Option<&Environment>,
    ) -> Result<(), RunError> {
        self.change_mark(database, instead_of, Some(environment))
    }

    /// Takes the mark away, if it is this one; another is an error, [`RunErrorKind::Marked`].
    pub fn unprotect(&mut self, database: &Database, environment: &Environment) -> Result<(), RunError> {
        self.change_mark(database, Some(environment), None)
    }

    fn change_mark(
        &mut self,
        database: &Database,
        from: Option<&Environment>,
        to: Option<&Environment>,
    ) -> Result<(), RunError> {
        self.waiting_since = None;
        let mut run = Run::open(self, database, Direction::Up, Columns::Plan).map_err(unplanned)?;
        run.change_mark(from, to).map_err(unplanned)
    }

    /// Whether a database with this mark is of the environment that this runs for, as far as both are known.
    pub(super) fn check_environment(&self, mark: Option<&Mark>, database: &Database) -> Result<(), RunErrorKind> {
        match (mark, &self.environment) {
            (Some(mark), Some(configured)) if !mark.environment.is_named_by(configured) => {
                Err(RunErrorKind::Environment {
                    database: database.to_string(),
                    marked: mark.environment.to_string(),
                    configured: configured.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

fn unplanned(kind: RunErrorKind) -> RunError {
    RunError::unplanned(kind, Direction::Up)
}

impl Run<'_, '_> {
    /// Whether the database is of the environment that this runs for, as it was last read.
    pub(super) fn check_environment(&self) -> Result<(), RunErrorKind> {
        self.migrator.check_environment(self.mark.as_ref(), self.database)
    }

    /// A statement under the lock that fails as if the ledger had moved, if the mark did since it was read; `None` for a run that is for no
    /// environment in particular.
    pub(super) fn keeps_environment(&self) -> Option<String> {
        let environment = self.mark.as_ref().map(|mark| &mark.environment);
        self.migrator.environment.is_some().then(|| self.migrator.ledger.keeps_environment(environment))
    }

    fn change_mark(&mut self, from: Option<&Environment>, to: Option<&Environment>) -> Result<(), RunErrorKind> {
        let mut moves = 0;
        loop {
            let found = self.mark.as_ref().map(|mark| &mark.environment);
            if found == to {
                return Ok(());
            }
            if found != from {
                return Err(RunErrorKind::Marked {
                    database: self.database.to_string(),
                    found: found.map(ToString::to_string),
                });
            }
            // The schema has to be there, and its owner is whoever has the ledger.
            let create = self.migrator.ledger.create();
            let change = self.migrator.ledger.change_mark(from, to);
            let Err(failed) = self.session.send(&create).and_then(|_| self.session.send(&change)) else {
                return Ok(());
            };
            if failed.code() == LEDGER_MOVED && moves < MOST_MOVES {
                moves += 1;
                if let Err(failed) = self.session.send("ROLLBACK") {
                    self.reconnect(&failed.reason())?;
                }
            } else {
                match self.runner_failed(&failed, format!("marking {}", self.database)) {
                    Outcome::Lost(reason) => self.reconnect(&reason)?,
                    Outcome::LockHeld => self.wait_for_lock()?,
                    Outcome::Refused(kind) => return Err(kind),
                    _ => return Err(RunErrorKind::Interrupted(Interruption::LedgerMoves)),
                }
            }
            self.read()?;
        }
    }
}
