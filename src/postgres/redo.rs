//! Undoing and applying again, and what that or another run would lose.

use super::database::Database;
use super::error::{RunError, RunErrorKind};
use super::event::Report;
use super::losses::{Destructive, Losses, NotAllowed, has_stakes};
use super::migrator::Migrator;
use super::runner::Run;
use crate::migration::Direction;
use crate::plan::{History, Plan, PlanError, Target};
use crate::version::Version;

/// What a redo does.
#[derive(Debug, Clone)]
pub struct Redo {
    /// First this.
    pub back: Plan,
    /// Then this.
    pub again: Plan,
}

impl Migrator<'_> {
    /// Undoes and applies again: the newest `Target::Steps`, everything from `Target::Version` on (that one included), or all
    /// (`Target::Base`). What is applied again is the files as they are now.
    ///
    /// A failure half-way leaves what was undone pending; `up` goes on from there. What the scripts would lose that are applied again is looked
    /// up before anything is undone, so that a refusal leaves nothing half-way.
    pub fn redo(&mut self, database: &Database, target: Target) -> Result<Report, RunError> {
        let history = self.history_for(database, Direction::Down)?;
        let back = self.back(&history, target)?;
        let redo = self.redo_from(&history, back)?;
        let leave = self.leave_to_redo(database, &redo.again)?;
        let asked = std::mem::replace(&mut self.destructive, leave);
        let outcome = self.down_and_up(database, back);
        self.destructive = asked;
        outcome
    }

    /// What a redo would do. It creates and changes nothing.
    pub fn plan_redo(&mut self, database: &Database, target: Target) -> Result<Redo, RunError> {
        let history = self.history_for(database, Direction::Down)?;
        let back = self.back(&history, target)?;
        self.redo_from(&history, back)
    }

    /// What a plan would lose of what is there now: on the way forward by the scripts that say `destructive`, on the way back by all. It changes
    /// nothing.
    pub fn losses(&mut self, database: &Database, plan: &Plan) -> Result<Vec<Losses>, RunError> {
        if !has_stakes(plan) {
            return Ok(Vec::new());
        }
        let error = |kind| RunError::unplanned(kind, plan.direction);
        let mut run = Run::open(self, database, plan.direction, plan.direction.into()).map_err(error)?;
        run.losses_of(plan).map_err(error)
    }

    /// Where a redo goes back to.
    fn back(&self, history: &History, target: Target) -> Result<Target, RunError> {
        let before = |version: Version| history.rows.iter().rfind(|row| row.version < version).map(|row| row.version);
        Ok(match target {
            Target::Version(version) if history.get(version).is_none() => {
                let known = self.set.get(version).is_some();
                let error = if known { PlanError::NotApplied } else { PlanError::UnknownVersion };
                let kind = error(version).into();
                return Err(RunError::unplanned(kind, Direction::Down));
            }
            Target::Version(version) => before(version).map_or(Target::Base, Target::Version),
            other => other,
        })
    }

    /// Both ways. It is an error if something would be undone that cannot be applied again.
    fn redo_from(&self, history: &History, back: Target) -> Result<Redo, RunError> {
        let error = |error: PlanError| RunError::unplanned(error.into(), Direction::Down);
        let back = Plan::down(&self.set, history, back).map_err(error)?;
        let mut left = history.clone();
        for step in &back.steps {
            left.remove(step.version);
        }
        let mut again = Plan::up(&self.set, &left, Target::Head, self.order).map_err(error)?;
        match back.steps.iter().map(|step| step.version).max() {
            None => again.steps.clear(),
            Some(newest) => {
                if let Target::Version(newest) = self.end(newest) {
                    again.steps.retain(|step| step.version <= newest);
                }
            }
        }
        Ok(Redo { back, again })
    }

    /// How far it goes again. Of what is no file any more nothing tells that: then it goes all the way.
    fn end(&self, newest: Version) -> Target {
        self.set.get(newest).map_or(Target::Head, |_| Target::Version(newest))
    }

    /// The leave with which a redo applies again: on its way back it makes what these scripts then drop, so they are judged before.
    fn leave_to_redo(&mut self, database: &Database, again: &Plan) -> Result<Destructive, RunError> {
        if self.destructive == Destructive::Allow {
            return Ok(Destructive::Allow);
        }
        let mut losses = self.losses(database, again)?;
        losses.retain(|it| !self.destructive.covers(it.version));
        if losses.is_empty() {
            return Ok(self.destructive.and(again.steps.iter().map(|step| step.version)));
        }
        let kind = RunErrorKind::Destructive(Box::new(NotAllowed { losses, database: database.to_string() }));
        Err(RunError::unplanned(kind, Direction::Up))
    }

    fn down_and_up(&mut self, database: &Database, back: Target) -> Result<Report, RunError> {
        let mut report = self.down(database, back)?;
        let Some(newest) = report.done.iter().map(|done| done.version).max() else {
            return Ok(report);
        };
        let undone = report.done.len();
        let up = self.up(database, self.end(newest)).map_err(|error| RunError { undone, ..error })?;
        report.done.extend(up.done);
        Ok(Report { head: up.head, ..report })
    }
}
