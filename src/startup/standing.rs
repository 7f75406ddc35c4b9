//! Where a database stands, as one release of an app sees it.

use crate::plan::{Applied, History, OutOfOrder, Plan, PlanError, Seen, Target};
use crate::set::{Findings, MigrationSet};

/// Where a database stands, beside the migrations of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest migration that is applied, whoever has it.
    pub current: Option<String>,
    /// How many of the program's migrations are not applied.
    pub pending: usize,
    /// The newer ones that the program does not have, oldest first: another release applied them.
    pub ahead: Vec<String>,
    /// What contradicts the program's migrations, if anything does.
    pub conflict: Option<Findings>,
}

impl Standing {
    /// Puts set and history side by side.
    ///
    /// What the ledger has on top of a set that is all applied belongs to a newer release. Everything else that the set does not have, or
    /// has otherwise, is a conflict: so is a pending migration below a row that is not known, since nobody has tried that order.
    pub fn of(set: &MigrationSet, history: &History, order: OutOfOrder) -> Self {
        let head = set.head().map(|migration| migration.version);
        let (below, above): (Vec<Applied>, Vec<Applied>) =
            history.rows.iter().cloned().partition(|row| head.is_some_and(|head| row.version <= head));
        let ahead: Vec<String> = above.iter().map(Applied::id).collect();
        let below = Plan::up(set, &History { rows: below }, Target::Head, order);
        let (pending, conflict) = match below {
            Ok(plan) if plan.steps.is_empty() || ahead.is_empty() => (plan.steps.len(), None),
            Ok(plan) => (plan.steps.len(), conflict(Plan::up(set, history, Target::Head, order))),
            Err(error) => (Self::missing(set, history), conflict(Err(error))),
        };
        let seen = Seen::of(set, history);
        // Past what a baseline squashes it is at the baseline.
        let current = match seen.amid {
            Some(_) => history.newest_applied().map(Applied::id),
            None => seen.history.newest_applied().map(|row| row.id_in(set)),
        };
        Self { current, pending, ahead, conflict }
    }

    fn missing(set: &MigrationSet, history: &History) -> usize {
        let seen = Seen::of(set, history);
        let baseline = set.baseline().filter(|_| seen.amid.is_some()).map(|baseline| baseline.version);
        let history = seen.history;
        let is_missing = |version| history.get(version).is_none() || baseline == Some(version);
        set.migrations().iter().filter(|migration| is_missing(migration.version)).count()
    }
}

fn conflict(plan: Result<Plan, PlanError>) -> Option<Findings> {
    match plan {
        Err(PlanError::Conflicts(findings)) => Some(findings),
        // The head of a set is never unknown, nor behind.
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
