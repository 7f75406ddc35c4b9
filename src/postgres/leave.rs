//! Whether a plan may lose what it would lose, decided before its first step.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use super::error::RunErrorKind;
use super::event::Event;
use super::losses::{self, Destructive, Losses, NotAllowed};
use super::recovery::RecoveryPoint;
use super::runner::Run;
use super::session::Failed;
use crate::migration::Direction;
use crate::plan::Plan;
use crate::set::MigrationSet;
use crate::version::Version;

/// How long to wait before a refusal, and look again: another runner that is under way gives the lock away for a moment between two
/// migrations, and the rows that it has just made must not stop this one.
const SECOND_LOOK: Duration = Duration::from_millis(400);

/// What a look under the lock showed.
enum Look {
    Found(Vec<Losses>),
    /// Another runner has the lock.
    LockHeld,
    /// The ledger is not what the plan was made of.
    Moved,
}

impl Run<'_, '_> {
    /// The plan, if it loses nothing or has leave; nothing is asked of the server where no script says `destructive`. It is another plan where
    /// another runner has done some of it meanwhile.
    pub(super) fn with_leave(
        &mut self,
        set: &MigrationSet,
        mut plan: Plan,
        goal: &BTreeSet<Version>,
    ) -> Result<Plan, RunErrorKind> {
        let mut is_second = false;
        while plan.direction == Direction::Up && losses::has_stakes(&plan) {
            let looked = match self.look(&plan) {
                Err(failed) if failed.connection_lost() => {
                    self.reconnect(&failed.reason())?;
                    Look::Moved
                }
                Err(failed) => {
                    let _ = self.session.send("ROLLBACK");
                    if self.migrator.destructive == Destructive::Allow {
                        return Ok(plan);
                    }
                    return Err(RunErrorKind::server("counting what the scripts would lose", &failed.error));
                }
                Ok(looked) => looked,
            };
            match looked {
                Look::Found(found) => {
                    self.migrator.waiting_since = None;
                    let refused: Vec<Losses> =
                        found.iter().filter(|it| !self.migrator.destructive.covers(it.version)).cloned().collect();
                    if refused.is_empty() {
                        self.tell(&found);
                        return Ok(plan);
                    }
                    if is_second {
                        let database = self.database.to_string();
                        return Err(RunErrorKind::Destructive(Box::new(NotAllowed { losses: refused, database })));
                    }
                    is_second = true;
                    sleep(SECOND_LOOK);
                    continue;
                }
                Look::LockHeld => self.wait_for_lock()?,
                Look::Moved => {}
            }
            is_second = false;
            self.read()?;
            let left = self.plan_again(set, goal)?;
            self.count_what_others_did(&plan, &left);
            plan = left;
        }
        Ok(plan)
    }

    /// Says what goes, and where the log is just before.
    fn tell(&mut self, losses: &[Losses]) {
        if losses.is_empty() {
            return;
        }
        let point = RecoveryPoint::ask(&mut self.session);
        self.migrator.say(&Event::Losing { losses, point: &point });
    }

    /// Counts under the lock, so that nobody migrates meanwhile.
    fn look(&mut self, plan: &Plan) -> Result<Look, Failed> {
        self.session.send(losses::BEGIN)?;
        let ledger = self.migrator.ledger.clone();
        let lock = format!("SELECT {}, pg_catalog.to_regclass('{}') IS NOT NULL", ledger.try_lock(), ledger.quoted());
        let rows = self.session.send(&lock)?;
        let answer = |n| rows.first().and_then(|row| row.get(n)) == Some("t");
        let looked = if !answer(0) {
            Look::LockHeld
        } else if answer(1) != self.ledger_exists || self.ledger_moved()? {
            Look::Moved
        } else {
            Look::Found(losses::count(&mut self.session, &ledger, plan)?)
        };
        self.session.send("ROLLBACK")?;
        Ok(looked)
    }

    fn ledger_moved(&mut self) -> Result<bool, Failed> {
        if !self.ledger_exists {
            return Ok(false);
        }
        let answer = self.migrator.ledger.ask(&mut self.session, self.columns);
        answer.outcome?;
        Ok(answer.read.is_ok_and(|read| read.history != self.history))
    }

    /// What a plan would lose, without the lock: to show it.
    pub(super) fn losses_of(&mut self, plan: &Plan) -> Result<Vec<Losses>, RunErrorKind> {
        if !losses::has_stakes(plan) {
            return Ok(Vec::new());
        }
        let ledger = self.migrator.ledger.clone();
        loop {
            let counted =
                self.session.send(losses::BEGIN).and_then(|_| losses::count(&mut self.session, &ledger, plan));
            match counted {
                Err(failed) if failed.connection_lost() => self.reconnect(&failed.reason())?,
                counted => {
                    let _ = self.session.send("ROLLBACK");
                    let error =
                        |failed: Failed| RunErrorKind::server("counting what the scripts would lose", &failed.error);
                    return counted.map_err(error);
                }
            }
        }
    }
}
