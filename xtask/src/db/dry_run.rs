//! `--dry-run` and `--check-only`: what a run would do.

use serde::Serialize;
use stairwell::Target;
use stairwell::migration::{Direction, Mode};
use stairwell::plan::Plan;
use stairwell::postgres::{Database, Losses, Migrator};

use crate::db::lockfile::count;
use crate::db::losses::{self, LossDocument};
use crate::db::view::Name;
use crate::failure::{Failure, Text};
use crate::json;
use crate::options::Format;
use crate::terminal::{self, say};

/// Whether a run is only shown.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct DryRun {
    /// Print what would be done, and do nothing
    #[arg(long, conflicts_with = "single_transaction")]
    dry_run: bool,
    /// With --dry-run: print JSON for programs, in the shape that docs/json.md describes
    #[arg(long, requires = "dry_run")]
    json: bool,
}

impl DryRun {
    /// How to show it; `None` where it is to be done.
    pub(super) fn format(self) -> Option<Format> {
        let format = if self.json { Format::Json } else { Format::Text };
        self.dry_run.then_some(format)
    }
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Document {
    database: String,
    direction: &'static str,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    #[serde(flatten)]
    name: Name,
    script: String,
    in_transaction: bool,
    statements: usize,
    /// How many of them an interrupted run has done.
    done: usize,
    losses: Vec<LossDocument>,
}

/// Prints the plan, and changes nothing.
pub(super) fn print(
    command: &str,
    migrator: &mut Migrator<'_>,
    database: &Database,
    direction: Direction,
    target: Target,
    format: Format,
) -> Result<(), Failure> {
    let plan = migrator.plan(database, direction, target)?;
    for notice in &plan.notices {
        say(&format!("  {}", notice.message));
    }
    let losses = migrator.losses(database, &plan)?;
    match format {
        Format::Json => json::print(command, &document(database, &plan, &losses)),
        Format::Text => terminal::print(text(&database.to_string(), &plan, &losses)),
    }
}

fn document(database: &Database, plan: &Plan, losses: &[Losses]) -> Document {
    let step = |step: &stairwell::plan::Step| Step {
        name: Name::new(step.version, step.name()),
        script: step.script.path().to_owned(),
        in_transaction: step.script.mode() == Mode::Transaction,
        statements: step.script.statements().len(),
        done: step.resume.unwrap_or(0),
        losses: losses::document(losses, step.version),
    };
    Document {
        database: database.to_string(),
        direction: match plan.direction {
            Direction::Up => "up",
            Direction::Down => "down",
        },
        steps: plan.steps.iter().map(step).collect(),
    }
}

fn text(database: &str, plan: &Plan, losses: &[Losses]) -> String {
    let verb = if plan.direction == Direction::Up { "apply" } else { "undo" };
    if plan.steps.is_empty() {
        return format!("nothing to {verb} in {database}\n");
    }
    let width = plan.steps.iter().map(|step| step.id().len()).max().unwrap_or(0);
    let line = |step: &stairwell::plan::Step| {
        let mode = match step.script.mode() {
            Mode::Transaction => "in a transaction",
            Mode::Statements => "outside of a transaction",
        };
        let resumed = step.resume.filter(|done| *done > 0).map(|done| format!(", {done} done already"));
        let kept = step.script.path().ends_with("(as kept in the ledger)");
        format!(
            "  {:<width$}  {}, {mode}{}{}\n",
            step.id(),
            count(step.script.statements().len(), "statement"),
            resumed.unwrap_or_default(),
            if kept { ", with the script that the ledger kept" } else { "" }
        )
    };
    let steps: String = plan.steps.iter().map(line).collect();
    let needs = if plan.direction == Direction::Up { ", which needs a word or --allow-destructive" } else { "" };
    let lost = match losses {
        [] => String::new(),
        losses => losses::text(&format!("would lose data{needs}:"), losses) + "\n",
    };
    format!("would {verb} {} in {database}:\n{steps}{lost}", count(plan.steps.len(), "migration"))
}

/// Runs what can be tried, and rolls it back.
pub(super) fn try_out(migrator: &mut Migrator<'_>, database: &Database, target: Target) -> Result<(), Failure> {
    let trial = migrator.try_out(database, target).map_err(|error| {
        let failure = Failure::from(error);
        match failure.text {
            Text::Run(error) => Failure { code: failure.code, text: Text::Trial(error) },
            text => Failure { code: failure.code, text },
        }
    })?;
    for id in &trial.tried {
        say(&format!("  tried     {id}"));
    }
    for (id, why) in &trial.untried {
        say(&format!("  NOT tried {id}: {why}"));
    }
    say(&match (trial.tried.len(), trial.untried.len()) {
        (0, 0) => format!("nothing to apply in {database}"),
        (tried, 0) => format!("{tried} tried in one transaction and rolled back: nothing changed in {database}"),
        (tried, untried) => format!(
            "{tried} tried in one transaction and rolled back, {untried} cannot be tried: nothing changed in {database}"
        ),
    });
    Ok(())
}
