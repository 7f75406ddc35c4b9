//! Scripts outside of a transaction: statement by statement, with the lock held beside them and progress in the ledger.
//!
//! A `no-transaction` script is one statement; an imported history may have several. A statement that Postgres takes in a transaction as
//! well commits together with its progress, so a crash leaves both or neither. What it leaves of an index that is built or dropped
//! concurrently is told by its effect: one that is there and valid is done, one that is invalid is debris. Anything else (VACUUM) is run
//! again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::blocker::Watch;
use super::concurrent::{Concurrent, Index, Unnamed};
use super::database::Database;
use super::error::RunErrorKind;
use super::event::Event;
use super::facts::Facts;
use super::failure::{Place, ScriptFailure, byte_of_error};
use super::ledger::{BEGIN, Columns, Fence, stamped};
use super::message::{RESET_REST, RESET_ROLE};
use super::migrator::Migrator;
use super::runner::Outcome;
use super::session::{Failed, Row, Session};
use crate::migration::Direction;
use crate::plan::{State, Step};
use crate::sql;
use crate::version::Version;

/// How often to look whether a statement waits for another session.
const LOOK: Duration = Duration::from_secs(1);

/// What a script outside of a transaction needs.
pub(super) struct Alone<'a, 'l> {
    pub(super) session: &'a mut Session,
    pub(super) database: &'a Database,
    pub(super) migrator: &'a mut Migrator<'l>,
    /// The newest version in the ledger, as the plan found it.
    pub(super) head: Option<Version>,
    pub(super) facts: &'a Facts,
}

/// Why it stops; each turns into an [`Outcome`].
enum Stop {
    Outcome(Outcome),
    Failed(Failed),
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

/// Runs the step's script and records it.
pub(super) fn run(alone: &mut Alone<'_, '_>, step: &Step) -> Outcome {
    match alone.run(step) {
        Ok(elapsed) => Outcome::Done(vec![Some(elapsed)]),
        Err(Stop::Outcome(outcome)) => outcome,
        Err(Stop::Failed(failed)) if failed.connection_lost() => Outcome::Lost(failed.reason()),
        Err(Stop::Failed(failed)) => {
            Outcome::Refused(RunErrorKind::server(format!("the runner's own work around {}", step.id()), &failed.error))
        }
    }
}

impl Alone<'_, '_> {
    fn run(&mut self, step: &Step) -> Result<Duration, Stop> {
        let mut holder = self.hold_lock()?;
        self.check_ledger(step)?;
        // This session has a lock as well: should the other one be lost, or this process be killed, it lives as long as the statement.
        let lock = self.migrator.ledger.try_script_lock();
        if first(&self.session.send(&lock)?) != Some("t") {
            return Err(Stop::Outcome(Outcome::LockHeld));
        }
        let outcome = self.run_locked(step, &mut holder);
        let unlock = self.migrator.ledger.script_unlock();
        let unlocked = self.session.send(&unlock);
        let elapsed = outcome?;
        unlocked?;
        Ok(elapsed)
    }

    fn run_locked(&mut self, step: &Step, holder: &mut Session) -> Result<Duration, Stop> {
        let first = match step.resume {
            None => {
                self.refuse_vain_drop(step)?;
                0
            }
            // Before the mark is written again, whose age tells which index is newer.
            Some(n) if self.unnamed_is_built(step, n)? => {
                let progress = self.migrator.ledger.progress(step, n + 1);
                self.session.send(&progress)?;
                n + 1
            }
            Some(n) => n,
        };
        let begin = match step.direction {
            Direction::Up => self.migrator.ledger.begin_up(step, &self.migrator.program, Fence::Open),
            Direction::Down => self.migrator.ledger.begin_down(step),
        };
        if step.resume.is_none() || step.direction == Direction::Up {
            self.session.send(&begin)?;
        }
        // A time-out of the role's must not kill what may take hours, and one around CONCURRENTLY would leave an invalid index.
        self.session.send(&format!("SET lock_timeout = 0;{}", self.facts.set("")))?;
        let started = Instant::now();
        for n in first..step.script.statements().len() {
            self.statement(step, n)?;
        }
        let elapsed = started.elapsed();
        self.session.send(&[RESET_ROLE, RESET_REST].concat().concat())?;
        // Whoever takes the lock now sees this migration under way; but it must not have been lost while it ran.
        holder.send("SELECT 1")?;
        let finish = stamped(&self.migrator.ledger.finish(step, true));
        self.session.send(&finish)?;
        holder.send("COMMIT")?;
        Ok(elapsed)
    }

    /// An index that is not there cannot be dropped, and the server says so. Under a mark, a crash would look to the next run as if it had
    /// been dropped by this one.
    fn refuse_vain_drop(&mut self, step: &Step) -> Result<(), Stop> {
        let (text, start) = step.script.statement(0);
        if let Some(index) = Concurrent::of(text).filter(|index| !index.creates)
            && index.look(self.session)? == Index::Absent
            && let Err(failed) = self.session.send(text)
        {
            return Err(self.statement_failed(step, 0, start, None, failed));
        }
        Ok(())
    }

    /// Whether an interrupted run has built the index of this statement, which leaves its name to the server: it is on the statement's table,
    /// and newer than the mark. Debris is dropped.
    fn unnamed_is_built(&mut self, step: &Step, n: usize) -> Result<bool, Stop> {
        let (text, _) = step.script.statement(n);
        let Some(unnamed) = Unnamed::of(text) else { return Ok(false) };
        loop {
            match unnamed.look(self.session, &self.migrator.ledger.row(step))? {
                Index::Valid => return Ok(true),
                Index::Absent => return Ok(false),
                Index::BeingBuilt => self.wait_for_build(&format!("on {}", unnamed.table)),
                Index::Invalid(name) => self.drop_debris(&name)?,
            }
        }
    }

    fn wait_for_build(&mut self, what: &str) {
        let text = format!(
            "the index {what} is being built by another session, perhaps of an interrupted run; waiting for it"
        );
        self.migrator.say(&Event::Notice { text: &text });
        sleep(Duration::from_secs(1));
    }

    fn drop_debris(&mut self, name: &str) -> Result<(), Stop> {
        let text = format!("the index {name} is invalid, left by a build that failed or was interrupted; dropping it");
        self.migrator.say(&Event::Notice { text: &text });
        self.session.send(&format!("DROP INDEX CONCURRENTLY {name}"))?;
        Ok(())
    }

    /// Takes the lock in a second session, which stays idle in its transaction: in READ COMMITTED that holds no snapshot, so
    /// `CREATE INDEX CONCURRENTLY` does not wait for it.
    fn hold_lock(&self) -> Result<Session, Stop> {
        let mut holder = Session::open(self.database).map_err(|error| Stop::Outcome(Outcome::Refused(error.into())))?;
        let take = format!(
            "{BEGIN}SET LOCAL idle_in_transaction_session_timeout = 0;{} SELECT {}",
            self.facts.set("LOCAL "),
            self.migrator.ledger.try_lock()
        );
        let rows = holder.send(&take)?;
        if first(&rows) == Some("t") { Ok(holder) } else { Err(Stop::Outcome(Outcome::LockHeld)) }
    }

    /// Under the lock: the ledger is still as the plan found it.
    fn check_ledger(&mut self, step: &Step) -> Result<(), Stop> {
        let answer = self.migrator.ledger.ask(self.session, Columns::Plan);
        answer.outcome?;
        let ledger = self.migrator.ledger.to_string();
        let read = answer.read.map_err(|why| Stop::Outcome(Outcome::Refused(RunErrorKind::Ledger { ledger, why })))?;
        let fits = self.migrator.check_environment(read.mark.as_ref(), self.database);
        fits.map_err(|kind| Stop::Outcome(Outcome::Refused(kind)))?;
        let row = read.history.get(step.version);
        let (progress, same) = (row.map(|row| row.progress), read.history.head() == self.head);
        let fits = match step.direction {
            Direction::Up => row.is_none_or(|row| row.state == State::Applying) && step.resume == progress,
            Direction::Down => row.is_some_and(|row| row.state != State::Applying),
        };
        if !same || !fits {
            return Err(Stop::Outcome(Outcome::Moved));
        }
        match row {
            Some(row) if row.state == State::Applying && row.fingerprint != step.script.fingerprint() => {
                self.check_edited(step, row.progress)
            }
            _ => Ok(()),
        }
    }

    /// An interrupted run had another text of this script. What that did must not be recorded for this one.
    fn check_edited(&mut self, step: &Step, done: usize) -> Result<(), Stop> {
        let index = Concurrent::of(step.script.statement(done).0).filter(|index| index.creates);
        let built = match &index {
            Some(index) if index.look(self.session)? == Index::Valid => Some(index.name),
            _ => None,
        };
        let (what, instead) = match built {
            _ if done > 0 => (format!("{done} statements of this migration's earlier text are done"), None),
            Some(name) => (
                format!("the index {name} is there, built by this migration's earlier text"),
                Some(format!(
                    "or drop it (`DROP INDEX CONCURRENTLY {name}`), and the next run builds it from the text of today"
                )),
            ),
            None => return Ok(()),
        };
        let failure = ScriptFailure::of_outcome(
            step.id(),
            &step.script,
            &Place::Statement(done),
            format!("{what}, whose run was interrupted before that was recorded"),
        )
        .note("put the file back as it was (git knows it, and the ledger has it in `up_script`), and the next run goes on with it")
        .aftermath_is(format!("{} is still under way; nothing changed", step.id()));
        let failure = instead.into_iter().fold(failure, ScriptFailure::note);
        Err(Stop::Outcome(Outcome::Script(Box::new(failure))))
    }

    /// Does one statement and records that it is done.
    fn statement(&mut self, step: &Step, n: usize) -> Result<(), Stop> {
        let (text, start) = step.script.statement(n);
        let concurrent = Concurrent::of(text);
        let progress = self.migrator.ledger.progress(step, n + 1);
        if let Some(index) = &concurrent
            && self.settled_before(step, index)?
        {
            self.session.send(&progress)?;
            return Ok(());
        }
        let joined = !step.script.controls_transaction() && joins_transaction(text);
        if joined {
            self.session.send(BEGIN)?;
        }
        let watch = Watch { pid: self.facts.pid.clone(), every: LOOK };
        let mut told = None;
        let sent = self.session.send_watched(
            text,
            &watch,
            |_| {},
            |blocker| {
                if told.as_ref() != Some(blocker) {
                    self.migrator.say(&Event::Blocked { id: step.id(), blocker });
                    told = Some(blocker.clone());
                }
            },
        );
        if let Err(failed) = sent {
            if joined && !failed.connection_lost() {
                self.session.send("ROLLBACK")?;
            }
            return Err(self.statement_failed(step, n, start, concurrent.as_ref(), failed));
        }
        match concurrent {
            Some(index) if index.creates && index.look(self.session)? != Index::Valid => {
                let name = index.name;
                let failure = ScriptFailure::of_outcome(
                    step.id(),
                    &step.script,
                    &Place::Statement(n),
                    format!("the server reported success, and the index {name} is not valid"),
                )
                .note("IF NOT EXISTS is content with an invalid index of that name; run it again, and the invalid one is dropped first");
                self.unbegin(step, n)?;
                Err(Stop::Outcome(Outcome::Script(Box::new(failure.keeping(n)))))
            }
            _ => {
                self.session.send(&progress)?;
                if joined && let Err(failed) = self.session.send("COMMIT") {
                    // What it has deferred to the commit is its own doing. The transaction is over.
                    return Err(self.statement_failed(step, n, start, None, failed));
                }
                Ok(())
            }
        }
    }

    /// Looks at the index before the statement: `true` if an interrupted run has done it already. Debris is dropped.
    fn settled_before(&mut self, step: &Step, index: &Concurrent<'_>) -> Result<bool, Stop> {
        loop {
            match (index.look(self.session)?, index.creates) {
                (Index::Valid, true) | (Index::Absent, false) => return Ok(step.resume.is_some()),
                (Index::BeingBuilt, _) => self.wait_for_build(index.name),
                (Index::Invalid(name), true) => self.drop_debris(&name)?,
                _ => return Ok(false),
            }
        }
    }

    fn statement_failed(
        &mut self,
        step: &Step,
        n: usize,
        start: usize,
        index: Option<&Concurrent<'_>>,
        failed: Failed,
    ) -> Stop {
        let Some(error) = failed.error.as_db_error().filter(|_| !failed.connection_lost()) else {
            return failed.into();
        };
        // The position counts from the statement's own start.
        let rest = step.script.text().get(start..).unwrap_or_default();
        let place = byte_of_error(error, rest, 0).map_or(Place::Statement(n), |byte| Place::Byte(start + byte));
        let mut failure = ScriptFailure::new(step.id(), &step.script, &place, error).keeping(n);
        if let Some(index) = index.filter(|index| index.creates)
            && let Ok(Index::Invalid(name)) = index.look(self.session)
        {
            failure = failure.leaving(&name);
        }
        match self.unbegin(step, n) {
            Ok(()) => Stop::Outcome(Outcome::Script(Box::new(failure))),
            Err(other) => other,
        }
    }

    /// Where the first statement was refused, nothing was done, and the ledger should say so.
    fn unbegin(&mut self, step: &Step, done: usize) -> Result<(), Stop> {
        self.session.send(&[RESET_ROLE, RESET_REST].concat().concat())?;
        if done == 0 {
            let unbegin = self.migrator.ledger.unbegin(step);
            self.session.send(&unbegin)?;
        }
        Ok(())
    }
}

/// Whether this statement can commit together with its progress.
fn joins_transaction(text: &str) -> bool {
    sql::split(text).statements.first().is_some_and(|statement| sql::joins_transaction(text, statement))
}

fn first(rows: &[Row]) -> Option<&str> {
    rows.first()?.get(0)
}
