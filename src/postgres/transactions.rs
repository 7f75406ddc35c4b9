//! Transactional scripts: many in one message, each in a transaction with its row in the ledger.

use std::time::Duration;

use super::blocker::Watch;
use super::error::RunErrorKind;
use super::facts::Stamp;
use super::failure::{Place, ScriptFailure};
use super::ledger::{ENDED_EARLY, LEDGER_MOVED, LOCK_IS_HELD};
use super::message::{Location, Terms, Window};
use super::migrator::Transactions;
use super::runner::{Outcome, Run};
use super::session::{Failed, Reply};
use crate::migration::Direction;
use crate::plan::Step;
use crate::version::Version;

impl Run<'_, '_> {
    /// The newest version behind each of these steps.
    fn heads(&self, steps: &[Step]) -> Vec<Option<Version>> {
        let mut head = self.history.head();
        let mut rest = self.history.rows.iter().rev().map(|row| row.version).peekable();
        steps
            .iter()
            .map(|step| {
                match step.direction {
                    Direction::Up => head = head.max(Some(step.version)),
                    Direction::Down => {
                        // Steps back come newest first, so what is left is what stands before them.
                        while rest.peek().is_some_and(|version| *version >= step.version) {
                            rest.next();
                        }
                        head = rest.peek().copied();
                    }
                }
                head
            })
            .collect()
    }

    /// What of a message commits together.
    ///
    /// A commit that drops a table waits for the disk whatever `synchronous_commit` says, since the files go at once (xact.c,
    /// RecordTransactionCommit). So the way back commits a message at a time; should a script of it fail, what comes before that one is
    /// sent again without it, and then it alone, so that in the end each is done or not done by itself, as on the way forward.
    fn commits(&self) -> Transactions {
        if self.direction == Direction::Down { Transactions::Single } else { self.migrator.transactions }
    }

    /// Sends the first of the steps, at most `width` of them, and records what was committed.
    pub(super) fn send_window(&mut self, steps: &[Step], width: usize) -> Outcome {
        let whole_run = self.migrator.transactions == Transactions::Single;
        let near = if whole_run { steps } else { steps.get(..width.min(steps.len())).unwrap_or(steps) };
        let heads = self.heads(near);
        let guard = self.keeps_environment();
        let terms = Terms {
            ledger: &self.migrator.ledger,
            program: &self.migrator.program,
            lock_timeout: self.migrator.lock_timeout,
            settings: &self.facts.settings(),
            commits: self.commits(),
            guard: guard.as_deref(),
            left: steps.len(),
            whole_run,
            head: self.history.head(),
        };
        let window = Window::of(near, &terms, |n| heads.get(n).copied().flatten());
        let mut times: Vec<Option<Duration>> = vec![None; window.len()];
        let mut recorded = vec![false; window.len()];
        let (mut began, mut committed) = (None, 0);
        let watch = self.watch(near);
        let on_reply = |reply| match reply {
            Reply::Row(statement, row) => {
                if window.begins_with(statement) {
                    began = Stamp::of_row(&row);
                } else if let Some(n) = window.finished_by(statement)
                    && let (Some(before), Some(now)) = (began, Stamp::of_row(&row))
                {
                    recorded[n] = now.transaction == before.transaction;
                    times[n] = now.now.checked_sub(before.now).map(Duration::from_micros);
                    began = Some(now);
                }
            }
            Reply::Complete(statement) => committed = window.committed_by(statement).unwrap_or(committed),
        };
        // A wait is short here, and the next try names who was waited for.
        let sent = self.session.send_watched(&window.text, &watch, on_reply, |_| {});
        // A script that left its transaction took the ledger's row with it, or had it written in another one.
        let escaped = (0..committed).find(|n| !recorded[*n]);
        for (n, step) in steps.iter().enumerate().take(escaped.unwrap_or(committed)) {
            self.history.record(step);
            self.finished(step, times[n]);
        }
        if committed > 0 {
            self.unflushed = committed < steps.len();
        }
        if let Some(n) = escaped {
            if self.direction == Direction::Up {
                let unbegin = self.migrator.ledger.unbegin(&steps[n]);
                let _ = self.session.send(&format!("ROLLBACK; {unbegin}"));
            }
            return Outcome::Script(Box::new(escape(&steps[n])));
        }
        let Err(failed) = sent else {
            return Outcome::Done(times);
        };
        self.after_failure(&failed, &window, steps, committed)
    }

    fn after_failure(&mut self, failed: &Failed, window: &Window, steps: &[Step], committed: usize) -> Outcome {
        if failed.connection_lost() {
            return Outcome::Lost(failed.reason());
        }
        // The transaction that failed is still open, and its lock with it.
        if let Err(failed) = self.session.send("ROLLBACK") {
            return Outcome::Lost(failed.reason());
        }
        let passing = matches!(failed.code(), "55P03" | "40P01" | "40001");
        let location = window.locate(steps, failed);
        let divisible = window.len() > 1 && self.migrator.transactions == Transactions::Each;
        match (failed.code(), location) {
            (LOCK_IS_HELD, Location::Runner(_)) => Outcome::LockHeld,
            (LEDGER_MOVED, Location::Runner(_)) => Outcome::Moved,
            // Done is done, and the plan has to be cut: that is what planning again does. A script that is at fault need not run again.
            (_, Location::Script(..)) if committed > 0 && passing => Outcome::Moved,
            (_, Location::Runner(_) | Location::Unknown) if committed > 0 => Outcome::Moved,
            // Nothing of it is done. Those before the one that failed go first, and then that one alone.
            (_, Location::Script(n, _) | Location::Runner(n)) if divisible && n > 0 && committed == 0 => {
                Outcome::TooWide(n)
            }
            (_, Location::Unknown) if divisible => Outcome::TooWide(window.len() / 2),
            (_, Location::Script(n, place)) => {
                let (Some(step), Some(error)) = (steps.get(n), failed.error.as_db_error()) else {
                    return Outcome::Refused(RunErrorKind::server("the run", &failed.error));
                };
                if failed.code() == ENDED_EARLY {
                    return Outcome::Script(Box::new(early_commit(step, &place)));
                }
                let mut failure = ScriptFailure::new(step.id(), &step.script, &place, error);
                if place == Place::End && self.migrator.transactions == Transactions::Single {
                    failure = failure
                        .note("in a single transaction this is checked once: it may be an earlier script's doing");
                }
                if passing {
                    Outcome::Again(Box::new(failure.blocked_by(failed.blocker.clone())))
                } else {
                    Outcome::Script(Box::new(failure))
                }
            }
            (_, Location::Runner(n)) if passing => match (steps.get(n), failed.error.as_db_error()) {
                (Some(step), Some(error)) => {
                    let failure = ScriptFailure::new(step.id(), &step.script, &Place::Whole, error).note(format!(
                        "it was not a table of the script's: someone has locked the ledger `{}`",
                        self.migrator.ledger
                    ));
                    Outcome::Again(Box::new(failure.blocked_by(failed.blocker.clone())))
                }
                _ => Outcome::Refused(RunErrorKind::server("the run", &failed.error)),
            },
            (_, location) => {
                let doing = match location {
                    Location::Runner(n) => {
                        format!("the runner's own work around {}", steps.get(n).map(Step::id).unwrap_or_default())
                    }
                    _ => format!("taking in the {} scripts of a single transaction", window.len()),
                };
                self.runner_failed(failed, doing)
            }
        }
    }

    /// Looks every half of the time that one of these scripts may wait for a lock: a wait that lasts as long is seen.
    fn watch(&self, steps: &[Step]) -> Watch {
        let own = steps.iter().filter_map(|step| step.script.lock_timeout()).min();
        let shortest = own.map_or(self.migrator.lock_timeout, |own| own.min(self.migrator.lock_timeout));
        Watch {
            pid: self.facts.pid.clone(),
            every: (shortest / 2).clamp(Duration::from_millis(20), Duration::from_secs(1)),
        }
    }
}

fn early_commit(step: &Step, place: &Place) -> ScriptFailure {
    let message = format!("{} ended its transaction before its end", step.script.file());
    ScriptFailure::of_outcome(step.id(), &step.script, place, message)
        .note("a migration commits together with its row in the ledger, so the server refused a COMMIT that came earlier")
        .note("`SET CONSTRAINTS ALL IMMEDIATE` in a function or in dynamic SQL looks the same: write it as a statement of the script")
}

fn escape(step: &Step) -> ScriptFailure {
    ScriptFailure::of_outcome(
        step.id(),
        &step.script,
        &Place::Whole,
        format!("{} ended its transaction behind the runner's back", step.script.file()),
    )
    .note("look at what it did, undo that, and take the COMMIT or ROLLBACK out of the script")
    .aftermath_is(format!("{} may be partially applied, and is not recorded", step.id()))
}
