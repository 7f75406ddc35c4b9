//! The run loop: one for up, down and redo.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::database::Database;
use super::error::{Interruption, RunError, RunErrorKind};
use super::event::{Done, Event, Report};
use super::facts::Facts;
use super::failure::ScriptFailure;
use super::ledger::{Answer, Columns, FLUSH, LOCK_IS_HELD, Ledger};
use super::mark::Mark;
use super::migrator::Migrator;
use super::patience::{open, pause};
use super::session::{Failed, Session};
use super::statements;
use crate::migration::{Direction, Mode};
use crate::plan::{Applied, History, OutOfOrder, Plan, State, Step, Target};
use crate::set::MigrationSet;
use crate::version::Version;

/// How often the ledger may be found changed by another runner without a step of progress here.
pub(super) const MOST_MOVES: u32 = 100;
/// A message that takes less time than this may be followed by one of twice as many migrations.
const QUICK: Duration = Duration::from_millis(500);
/// After one that takes more, half as many follow: progress has to be seen to move.
const SLOW: Duration = Duration::from_secs(2);
/// Migrations in one message, at most.
const WIDEST: usize = 128;

/// What one message, or one script outside of a transaction, came to.
pub(super) enum Outcome {
    /// These steps are done; the times are the server's.
    Done(Vec<Option<Duration>>),
    /// Another runner has the lock.
    LockHeld,
    /// The ledger is not what the plan was made of.
    Moved,
    /// Nothing of it is done, and trying again may help (55P03, 40P01, 40001).
    Again(Box<ScriptFailure>),
    /// The connection is gone; what is done has to be looked up.
    Lost(String),
    /// Nothing of it is done; messages of this many steps will tell why.
    TooWide(usize),
    /// The script is at fault.
    Script(Box<ScriptFailure>),
    /// The runner's own statements were refused.
    Refused(RunErrorKind),
}

/// One run under way.
pub(super) struct Run<'a, 'l> {
    pub(super) migrator: &'a mut Migrator<'l>,
    pub(super) database: &'a Database,
    pub(super) session: Session,
    /// What the ledger has, as far as this run knows.
    pub(super) history: History,
    /// What the session is like, as it said when the ledger was read.
    pub(super) facts: Facts,
    /// What the database is marked with.
    pub(super) mark: Option<Mark>,
    /// Whether there are commits that did not wait for the disk, and none since that did.
    pub(super) unflushed: bool,
    /// How often the connection was lost.
    pub(super) losses: u32,
    pub(super) ledger_exists: bool,
    pub(super) direction: Direction,
    pub(super) columns: Columns,
    done: Vec<Done>,
    /// How many steps there were to do at first.
    total: usize,
}

impl<'a, 'l> Run<'a, 'l> {
    /// Connects and reads the ledger: one message.
    pub(super) fn open(
        migrator: &'a mut Migrator<'l>,
        database: &'a Database,
        direction: Direction,
        columns: Columns,
    ) -> Result<Self, RunErrorKind> {
        let ahead = migrator.ahead.take().and_then(|ahead| ahead.take(database, &migrator.ledger, columns));
        let (session, answer) = match ahead {
            Some(Ok((session, answer))) => (session, Some(answer)),
            Some(Err(error)) => (open(migrator, database, Some(error))?, None),
            None => (open(migrator, database, None)?, None),
        };
        let mut run = Self {
            migrator,
            database,
            session,
            history: History::default(),
            facts: Facts::default(),
            mark: None,
            unflushed: false,
            losses: 0,
            ledger_exists: false,
            direction,
            columns,
            done: Vec::new(),
            total: 0,
        };
        run.read_answer(answer)?;
        Ok(run)
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    fn ledger(&self) -> &Ledger {
        &self.migrator.ledger
    }

    pub(super) fn read(&mut self) -> Result<(), RunErrorKind> {
        self.read_answer(None)
    }

    /// The same, where the ledger was asked already.
    fn read_answer(&mut self, mut answer: Option<Answer>) -> Result<(), RunErrorKind> {
        let read = loop {
            let answer = answer.take().unwrap_or_else(|| self.migrator.ledger.ask(&mut self.session, self.columns));
            match answer.outcome {
                Ok(()) => self.ledger_exists = true,
                // No ledger yet: nothing was applied.
                Err(failed) if matches!(failed.code(), "42P01" | "3F000") => self.ledger_exists = false,
                Err(failed) if failed.connection_lost() => {
                    self.reconnect(&failed.reason())?;
                    continue;
                }
                Err(failed) => {
                    return Err(RunErrorKind::server(format!("reading the ledger `{}`", self.ledger()), &failed.error));
                }
            }
            break answer.read;
        };
        let read = read.map_err(|why| RunErrorKind::Ledger { ledger: self.ledger().to_string(), why })?;
        self.history = read.history;
        if !read.facts.standard_strings {
            return Err(RunErrorKind::Unsuitable {
                what: "`standard_conforming_strings` is off for this role or database, so text in quotes means something else than it says".to_owned(),
                help: "`ALTER ROLE … RESET standard_conforming_strings` (or ALTER DATABASE, or postgresql.conf)",
            });
        }
        (self.facts, self.mark) = (read.facts, read.mark);
        Ok(())
    }

    /// Plans once for `target`, then does it.
    pub(super) fn go(mut self, set: &MigrationSet, target: Target) -> Result<Report, RunError> {
        let outcome = self.steps(set, target);
        if self.unflushed {
            // What is reported as done must not be lost with the server. Without a connection the report says that it does not know.
            let _ = self.session.send(FLUSH);
        }
        let (done, total, direction, transactions) =
            (self.done, self.total, self.direction, self.migrator.transactions);
        match outcome {
            Ok(()) => Ok(Report { done, head: self.history.newest_applied().map(|row| row.id_in(set)) }),
            Err(kind) => {
                Err(RunError { done: done.len(), total, transactions, ..RunError::unplanned(kind, direction) })
            }
        }
    }

    pub(super) fn plan(&self, set: &MigrationSet, target: Target, order: OutOfOrder) -> Result<Plan, RunErrorKind> {
        Ok(match self.direction {
            Direction::Up => Plan::up(set, &self.history, target, order)?,
            Direction::Down => Plan::down(set, &self.history, target)?,
        })
    }

    fn steps(&mut self, set: &MigrationSet, target: Target) -> Result<(), RunErrorKind> {
        self.check_environment()?;
        let order = self.migrator.order;
        let mut plan = self.plan(set, target, order)?;
        for notice in &plan.notices {
            self.migrator.say(&Event::Notice { text: &notice.message });
        }
        let goal: BTreeSet<Version> = plan.steps.iter().map(|step| step.version).collect();
        self.total = goal.len();
        if goal.is_empty() {
            return Ok(());
        }
        self.check_suits(&plan)?;
        plan = self.with_leave(set, plan, &goal)?;
        if plan.steps.is_empty() {
            return Ok(());
        }
        self.migrator.say(&Event::Planned { direction: self.direction, total: self.total });
        let (mut width, mut tries, mut moves, mut lost) = (1, 0, 0, false);
        while !plan.steps.is_empty() {
            let (done_before, started) = (self.done.len(), Instant::now());
            match self.next(&plan.steps, width) {
                Outcome::Done(times) => {
                    (tries, moves) = (0, 0);
                    // Wide enough to save round trips, and short enough for progress to move.
                    let elapsed = started.elapsed();
                    if elapsed < QUICK {
                        width = (width * 2).min(WIDEST);
                    } else if elapsed > SLOW {
                        width = (width / 2).max(1);
                    }
                    plan.steps.drain(..times.len());
                    continue;
                }
                Outcome::TooWide(narrower) => {
                    width = narrower;
                    continue;
                }
                Outcome::Again(failure) if tries + 1 < self.migrator.tries.get() => {
                    (tries, width) = (tries + 1, 1);
                    let pause = pause(Duration::from_millis(250), tries, Duration::from_secs(30));
                    self.migrator.say(&Event::Retrying {
                        id: failure.id(),
                        reason: failure.sqlstate(),
                        blocker: failure.blocker(),
                        attempt: tries + 1,
                        pause,
                    });
                    sleep(pause);
                    continue;
                }
                Outcome::Again(failure) => {
                    let times = match self.migrator.tries.get() {
                        1 => "tried once".to_owned(),
                        times => format!("tried {times} times"),
                    };
                    return Err(RunErrorKind::Script(Box::new(failure.note(times))));
                }
                Outcome::Script(failure) => return Err(RunErrorKind::Script(failure)),
                Outcome::Refused(kind) => return Err(kind),
                Outcome::LockHeld => self.wait_for_lock()?,
                Outcome::Moved => {
                    moves = if self.done.len() > done_before { 0 } else { moves + 1 };
                    if moves > MOST_MOVES {
                        return Err(RunErrorKind::Interrupted(Interruption::LedgerMoves));
                    }
                }
                Outcome::Lost(reason) => {
                    self.reconnect(&reason)?;
                    lost = true;
                }
            }
            // The ledger may have changed: plan again, for what is left of the goal.
            self.read()?;
            self.check_environment()?;
            if std::mem::take(&mut lost) {
                self.take_back();
            }
            let left = self.plan_again(set, &goal)?;
            self.count_what_others_did(&plan, &left);
            plan = left;
        }
        Ok(())
    }

    /// What is left of the goal. It is an error if another runner has gone the other way: what this one would leave is a gap.
    pub(super) fn plan_again(&self, set: &MigrationSet, goal: &BTreeSet<Version>) -> Result<Plan, RunErrorKind> {
        let moved = || RunErrorKind::Interrupted(Interruption::LedgerMoves);
        let others = |row: &&Applied| !goal.contains(&row.version);
        let target = match self.direction {
            Direction::Up => Target::Head,
            Direction::Down => {
                let oldest_left = self.history.rows.iter().find(|row| goal.contains(&row.version));
                let kept = self.history.rows.iter().rfind(others);
                if kept.zip(oldest_left).is_some_and(|(kept, oldest)| kept.version > oldest.version) {
                    return Err(moved());
                }
                kept.map_or(Target::Base, |row| Target::Version(row.version))
            }
        };
        // What was allowed at first stays allowed: newer ones of the goal may have been applied by now.
        let mut plan = self.plan(set, target, OutOfOrder::Allow)?;
        let last = plan.steps.iter().rposition(|step| goal.contains(&step.version));
        plan.steps.truncate(last.map_or(0, |last| last + 1));
        if plan.steps.iter().any(|step| !goal.contains(&step.version)) {
            return Err(moved());
        }
        Ok(plan)
    }

    /// What was committed without waiting for the disk is gone if the server crashed since, and with it the ledger's row.
    fn take_back(&mut self) {
        let gone = |done: &Done| {
            let applied = self.history.get(done.version).is_some_and(|row| row.state == State::Applied);
            applied != (done.direction == Direction::Up)
        };
        let (lost, kept): (Vec<Done>, Vec<Done>) = std::mem::take(&mut self.done).into_iter().partition(gone);
        self.done = kept;
        if !lost.is_empty() {
            self.migrator.say(&Event::TakenBack { done: &lost });
        }
    }

    /// Steps that are no longer to do were done by another runner, or by this one before its connection broke.
    pub(super) fn count_what_others_did(&mut self, before: &Plan, left: &Plan) {
        for step in &before.steps {
            let settled = self.done.iter().any(|done| done.version == step.version);
            if !settled && !left.steps.iter().any(|other| other.version == step.version) {
                self.finished(step, None);
            }
        }
    }

    pub(super) fn finished(&mut self, step: &Step, elapsed: Option<Duration>) {
        let done = Done { direction: self.direction, version: step.version, id: step.id().to_owned(), elapsed };
        self.migrator.say(&Event::Done { done: &done, position: self.done.len() + 1, total: self.total });
        self.done.push(done);
    }

    /// Does the first step, or the first few that go in one message.
    fn next(&mut self, steps: &[Step], width: usize) -> Outcome {
        // One that an earlier build made is there, and lacks its functions.
        if !self.ledger_exists || !self.facts.functions {
            let create = self.ledger().create();
            match self.session.send(&create) {
                Ok(_) => (self.ledger_exists, self.facts.functions) = (true, true),
                Err(failed) => {
                    let doing = format!("creating the ledger `{}`", self.ledger());
                    return self.runner_failed(&failed, doing);
                }
            }
        }
        let Some(first) = steps.first() else {
            return Outcome::Done(Vec::new());
        };
        self.migrator.say(&Event::Started {
            direction: self.direction,
            id: first.id(),
            position: self.done.len() + 1,
            total: self.total,
        });
        let outcome = match first.script.mode() {
            Mode::Transaction => self.send_window(steps, width),
            Mode::Statements => {
                let outcome = statements::run(
                    &mut statements::Alone {
                        session: &mut self.session,
                        database: self.database,
                        migrator: self.migrator,
                        head: self.history.head(),
                        facts: &self.facts,
                    },
                    first,
                );
                if let Outcome::Done(times) = &outcome {
                    // Its row was committed with the disk waited for.
                    self.unflushed = false;
                    self.history.record(first);
                    self.finished(first, times.first().copied().flatten());
                }
                outcome
            }
        };
        for notice in self.session.take_notices() {
            // What the runner's own ROLLBACK says where nothing was open.
            if notice.code().code() == "25P01" {
                continue;
            }
            self.migrator.say(&Event::Notice { text: notice.message() });
        }
        if matches!(outcome, Outcome::Done(_)) {
            self.migrator.waiting_since = None;
        }
        outcome
    }

    pub(super) fn runner_failed(&mut self, failed: &Failed, doing: String) -> Outcome {
        if failed.connection_lost() {
            return Outcome::Lost(failed.reason());
        }
        // Ends the transaction that the message had begun; where there is none it is a warning.
        let _ = self.session.send("ROLLBACK");
        match failed.code() {
            LOCK_IS_HELD => Outcome::LockHeld,
            _ => Outcome::Refused(RunErrorKind::server(doing, &failed.error)),
        }
    }
}
