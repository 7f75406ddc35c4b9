//! Trying pending migrations in one transaction that is rolled back.

use super::error::RunErrorKind;
use super::failure::{Place, ScriptFailure, byte_of_error};
use super::ledger::BEGIN;
use super::message::{RESET_REST, RESET_ROLE};
use super::runner::Run;
use super::session::Failed;
use crate::migration::Mode;
use crate::plan::{Plan, Step};

/// What came of a trial that found nothing wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trial {
    /// These ran, and were rolled back; as their files are called.
    pub tried: Vec<String>,
    /// These cannot be tried so, and why. Those after them were tried as if they did not exist.
    pub untried: Vec<(String, Untried)>,
}

/// Why a migration cannot be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untried {
    /// It runs outside of a transaction, so nothing could roll it back.
    #[error("it runs outside of a transaction")]
    NoTransaction,
    /// It has a BEGIN, COMMIT or ROLLBACK of its own.
    #[error("it controls its transaction itself")]
    OwnTransaction,
}

impl Run<'_, '_> {
    /// Runs what can be tried of this plan, under the lock, and rolls it back. The ledger is not written, nor created.
    pub(super) fn try_out(&mut self, plan: &Plan) -> Result<Trial, RunErrorKind> {
        let mut trial = Trial::default();
        let own = |failed: &Failed| RunErrorKind::server("the runner's own work around a trial", &failed.error);
        loop {
            self.session.send(BEGIN).map_err(|failed| own(&failed))?;
            let lock = format!("SELECT {}", self.migrator.ledger.try_lock());
            let rows = self.session.send(&lock).map_err(|failed| own(&failed))?;
            if rows.first().and_then(|row| row.get(0)) == Some("t") {
                break;
            }
            self.session.send("ROLLBACK").map_err(|failed| own(&failed))?;
            self.wait_for_lock()?;
        }
        let outcome = self.try_each(plan, &mut trial);
        // Whatever happened: nothing stays. Without a connection the server rolls back by itself.
        let _ = self.session.send("ROLLBACK");
        outcome.map(|()| trial)
    }

    fn try_each(&mut self, plan: &Plan, trial: &mut Trial) -> Result<(), RunErrorKind> {
        for step in &plan.steps {
            let untried = match step.script.mode() {
                Mode::Statements => Some(Untried::NoTransaction),
                Mode::Transaction if step.script.controls_transaction() => Some(Untried::OwnTransaction),
                Mode::Transaction => None,
            };
            if let Some(why) = untried {
                trial.untried.push((step.id().to_owned(), why));
                continue;
            }
            self.try_one(step, trial)?;
            trial.tried.push(step.id().to_owned());
        }
        Ok(())
    }

    fn try_one(&mut self, step: &Step, trial: &Trial) -> Result<(), RunErrorKind> {
        let timeout = step.script.lock_timeout().unwrap_or(self.migrator.lock_timeout).as_millis();
        let settings = format!("SET LOCAL lock_timeout = {timeout};{}", self.facts.set("LOCAL "));
        let failed = |failed: Failed, place: Option<Place>| match failed.error.as_db_error() {
            Some(error) if !failed.connection_lost() => {
                let text = step.script.text();
                let place = byte_of_error(error, text, 0)
                    .map(Place::Byte)
                    .or(place)
                    .unwrap_or(Place::Statement(failed.completed));
                let failure = ScriptFailure::new(step.id(), &step.script, &place, error)
                    .aftermath_is("it was a trial: all of it was rolled back".to_owned());
                let failure = match (failed.code(), trial.untried.is_empty()) {
                    ("55P04", _) => failure.note(
                        "in a trial all share one transaction; `db up` commits before this one, and then it may work",
                    ),
                    (_, true) => failure,
                    (_, false) => failure.note(format!(
                        "{} could not be tried, and this one may need it",
                        trial.untried.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(" and ")
                    )),
                };
                RunErrorKind::Script(Box::new(failure))
            }
            _ => RunErrorKind::server(format!("trying {}", step.id()), &failed.error),
        };
        self.session.send(&settings).map_err(|error| failed(error, Some(Place::Whole)))?;
        self.session.send(&step.script.to_send()).map_err(|error| failed(error, None))?;
        // What it deferred to the commit fails here. Deferred again, or the scripts behind it would be held to more than they will be; what
        // is deferrable and not deferred by default is then checked at their ends only.
        let rest =
            [RESET_ROLE, RESET_REST].concat().concat() + "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED";
        self.session.send(&rest).map_err(|error| failed(error, Some(Place::End)))?;
        Ok(())
    }
}
