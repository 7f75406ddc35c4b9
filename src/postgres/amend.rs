//! Changing the ledger without running a script.

use super::error::{Interruption, RunErrorKind};
use super::ledger::{Amendment, LEDGER_MOVED};
use super::runner::{MOST_MOVES, Outcome, Run};
use crate::plan::{History, PlanError};

/// What a stamp did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamped {
    /// These count as applied now and did not before, as their files are called.
    pub recorded: Vec<String>,
    /// These do not count as applied any more.
    pub forgotten: Vec<String>,
    /// The newest applied migration now.
    pub head: Option<String>,
}

impl Run<'_, '_> {
    /// Does what `decide` says of the ledger as it is; if it changes meanwhile, what it says then. Gives what it said the first time.
    pub(super) fn amend<T>(
        &mut self,
        why: &str,
        decide: impl Fn(&History) -> Result<(T, Vec<Amendment>), PlanError>,
    ) -> Result<T, RunErrorKind> {
        let (asked, mut amendments) = decide(&self.history)?;
        let mut moves = 0;
        while !amendments.is_empty() {
            // It is there already as a rule, perhaps as an earlier build made it: then it gets what it lacks.
            let create = self.migrator.ledger.create();
            let (ledger, guard) = (&self.migrator.ledger, self.keeps_environment().unwrap_or_default());
            let amend = ledger.amend(&self.history, &amendments, &self.migrator.program, why, &guard);
            let sent = self.session.send(&create).and_then(|_| self.session.send(&amend));
            match sent {
                Ok(_) => {
                    self.read()?;
                    break;
                }
                Err(failed) if failed.code() == LEDGER_MOVED && moves < MOST_MOVES => {
                    moves += 1;
                    if let Err(failed) = self.session.send("ROLLBACK") {
                        self.reconnect(&failed.reason())?;
                    }
                }
                Err(failed) => {
                    let doing = format!("writing the ledger `{}`", self.migrator.ledger);
                    match self.runner_failed(&failed, doing) {
                        Outcome::Lost(reason) => self.reconnect(&reason)?,
                        Outcome::LockHeld => self.wait_for_lock()?,
                        Outcome::Refused(kind) => return Err(kind),
                        _ => return Err(RunErrorKind::Interrupted(Interruption::LedgerMoves)),
                    }
                }
            }
            self.read()?;
            self.check_environment()?;
            amendments = decide(&self.history)?.1;
        }
        Ok(asked)
    }
}
