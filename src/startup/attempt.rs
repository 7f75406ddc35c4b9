//! One try, on a thread that may block.

use std::time::Duration;

use super::error::StartupError;
use super::logging::Log;
use super::migrations::Configure;
use super::policy::Mode;
use super::standing::Standing;
use crate::plan::{OutOfOrder, Target};
use crate::postgres::{Database, Destructive, Migrator, RunErrorKind};
use crate::set::MigrationSet;

/// How often another release may step in between the look at the ledger and the run.
const MOST_SURPRISES: u32 = 5;

/// What every try needs.
pub(super) struct Job {
    pub(super) set: MigrationSet,
    pub(super) database: Database,
    pub(super) mode: Mode,
    pub(super) order: OutOfOrder,
    pub(super) destructive: Destructive,
    pub(super) program: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) configure: Configure,
}

/// What a try came to.
pub(super) struct Outcome {
    /// Where the database stands now, if it could be asked.
    pub(super) standing: Option<Standing>,
    /// How many migrations were applied, or why it is not as it should be.
    pub(super) result: Result<usize, StartupError>,
}

impl Job {
    pub(super) fn attempt(&self) -> Outcome {
        let mut log = Log::default();
        // Waiting for a server is up to the policy, so a try does not wait.
        let environment = self.environment.as_deref().unwrap_or_default();
        let mut migrator = (self.configure)(Migrator::new(&self.set).environment(environment))
            .out_of_order(self.order)
            .destructive(self.destructive.clone())
            .connect_wait(Duration::ZERO)
            .server_wait(Duration::ZERO)
            .on_event(|event| log.event(event));
        if let Some(program) = &self.program {
            migrator = migrator.program(program.clone());
        }
        let mut standing = None;
        let result = self.run(&mut migrator, &mut standing);
        Outcome { standing, result }
    }

    fn run(&self, migrator: &mut Migrator<'_>, known: &mut Option<Standing>) -> Result<usize, StartupError> {
        let mut applied = 0;
        for surprises in 0.. {
            let standing = known.insert(self.look(migrator)?);
            if let Some(findings) = &standing.conflict {
                return Err(StartupError::Conflict(findings.clone()));
            }
            if standing.pending == 0 {
                break;
            }
            if self.mode == Mode::VerifyOnly {
                let expected = self.set.head().map(|head| head.id().to_owned()).unwrap_or_default();
                return Err(StartupError::Pending { pending: standing.pending, expected });
            }
            match migrator.up(&self.database, Target::Head) {
                Ok(report) => applied += report.done.len(),
                // A newer release was quicker; whether it has left what this one needs is to be seen.
                Err(error) if matches!(error.kind, RunErrorKind::Plan(_)) && surprises < MOST_SURPRISES => {
                    applied += error.done;
                }
                Err(error) => {
                    if !matches!(error.kind, RunErrorKind::Connect(_))
                        && let Ok(left) = self.look(migrator)
                    {
                        *known = Some(left);
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(applied)
    }

    fn look(&self, migrator: &mut Migrator<'_>) -> Result<Standing, StartupError> {
        let history = migrator.history_here(&self.database)?;
        Ok(Standing::of(&self.set, &history, self.order))
    }
}
