//! Changing what the ledger says without running a script: for a database that is where it should be by another way.

use super::{Applied, History, PlanError, Seen, State, Step, edited};
use crate::migration::{Direction, Migration};
use crate::set::{Findings, MigrationSet};
use crate::version::Version;

/// What becomes of rows that a stamp does not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purge {
    /// Those up to the version stay as they are, also if they are edited or not in the set.
    #[default]
    No,
    /// The ledger is emptied first.
    Yes,
}

/// What a stamp writes.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// These count as applied afterwards.
    pub record: Vec<Step>,
    /// These do not any more.
    pub forget: Vec<Applied>,
}

impl Stamp {
    /// Makes this version the newest applied one, and with `None` no migration applied.
    pub fn of(set: &MigrationSet, history: &History, newest: Option<Version>, purge: Purge) -> Result<Self, PlanError> {
        if let Some(version) = newest.filter(|version| set.get(*version).is_none()) {
            return Err(PlanError::UnknownVersion(version));
        }
        let seen = Seen::of(set, history);
        let is_amid = |version: Version| seen.amid.is_some() && set.baseline().is_some_and(|b| b.version == version);
        let within = |version: Version| newest.is_some_and(|newest| version <= newest);
        let settled = |migration: &&Migration| {
            let row = seen.history.get(migration.version).filter(|_| !is_amid(migration.version));
            row.is_some_and(|row| row.state == State::Applied) && purge == Purge::No
        };
        let record: Vec<Step> = set
            .migrations()
            .iter()
            .filter(|migration| within(migration.version))
            .filter(|migration| !settled(migration))
            .map(step)
            .collect();
        // A baseline takes the place of all that is older.
        let replaced = record.first().filter(|step| is_amid(step.version)).map(|step| step.version);
        let kept = |row: &&Applied| match purge {
            Purge::No => within(row.version) && replaced.is_none_or(|baseline| row.version >= baseline),
            Purge::Yes => record.iter().any(|step| step.version == row.version),
        };
        let forget = history.rows.iter().filter(|row| !kept(row)).cloned().collect();
        Ok(Self { record, forget })
    }
}

/// The scripts of today for a migration that was applied with others; `None` if it is as it was.
pub fn accept(set: &MigrationSet, history: &History, version: Version) -> Result<Option<Step>, PlanError> {
    let Some(migration) = set.get(version) else { return Err(PlanError::UnknownVersion(version)) };
    let seen = Seen::of(set, history);
    if let Some(amid) = seen.amid.filter(|_| set.baseline().is_some_and(|baseline| baseline.version == version)) {
        return Err(PlanError::Conflicts(Findings(vec![amid])));
    }
    match seen.history.get(version) {
        None => Err(PlanError::NotApplied(version)),
        Some(row) if row.state != State::Applied => Err(PlanError::Conflicts(Findings(vec![edited(migration, row)]))),
        Some(row) if row.checksum == migration.up.checksum() => Ok(None),
        Some(_) => Ok(Some(step(migration))),
    }
}

fn step(migration: &Migration) -> Step {
    Step {
        direction: Direction::Up,
        version: migration.version,
        script: migration.up.clone(),
        down: migration.down.clone(),
        resume: None,
    }
}
