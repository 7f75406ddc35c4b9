//! Whether a server, a session and a plan suit each other, asked before anything is done.

use super::error::RunErrorKind;
use super::facts::Changes;
use super::migrator::Transactions;
use super::patience::open;
use super::pooler;
use super::runner::Run;
use crate::migration::Mode;
use crate::plan::Plan;

impl Run<'_, '_> {
    /// Whether server and session can take this plan at all.
    pub(super) fn check_suits(&mut self, plan: &Plan) -> Result<(), RunErrorKind> {
        let unsuitable = |what: String, help| Err(RunErrorKind::Unsuitable { what, help });
        if self.facts.changes == Changes::Standby {
            return unsuitable(
                format!("{} is on a standby, which takes no changes", self.database),
                "connect to the primary; `target_session_attrs=read-write` in the URL picks it among several hosts",
            );
        }
        if self.facts.changes == Changes::Unwanted {
            return unsuitable(
                format!(
                    "{} is read-only by default: `default_transaction_read_only` is on for this role, database or server",
                    self.database
                ),
                "find out why (a full disk, a move, a role for reports), then connect as another role, or `ALTER DATABASE … RESET default_transaction_read_only`",
            );
        }
        let alone = plan.steps.iter().find(|step| step.script.mode() == Mode::Statements);
        if self.migrator.transactions == Transactions::Single {
            if let Some(step) = alone {
                return unsuitable(
                    format!(
                        "{} cannot run in a single transaction with the others: `{}` is `no-transaction`",
                        step.id(),
                        step.script.file()
                    ),
                    "leave `--single-transaction` out, or apply up to the migration before it, then that one, then the rest",
                );
            }
            if let Some(step) = plan.steps.iter().find(|step| step.script.controls_transaction()) {
                return unsuitable(
                    format!(
                        "{} cannot run in a single transaction with the others: it has a BEGIN, COMMIT or ROLLBACK of its own",
                        step.id()
                    ),
                    "leave `--single-transaction` out",
                );
            }
        } else if let Some(step) = alone
            && self.is_pooled()?
        {
            // Before anything is done: what is newer than such a script cannot be done through the pooler either.
            return Err(RunErrorKind::Pooled { id: step.id().to_owned(), database: self.database.to_string() });
        }
        Ok(())
    }

    fn is_pooled(&mut self) -> Result<bool, RunErrorKind> {
        if pooler::by_address(self.database) {
            return Ok(true);
        }
        loop {
            let mut other = open(self.migrator, self.database, None)?;
            match pooler::between(&mut self.session, &mut other) {
                Ok(pooled) => return Ok(pooled),
                Err(failed) if failed.connection_lost() => {
                    self.reconnect(&failed.reason())?;
                    self.read()?;
                }
                Err(failed) => return Err(RunErrorKind::server("asking which server process answers", &failed.error)),
            }
        }
    }
}
