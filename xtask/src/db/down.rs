//! `db down`: undoes, newest first.

use stairwell::migration::Direction;
use stairwell::postgres::Migrator;

use crate::context::Context;
use crate::db::backup::Backup;
use crate::db::dry_run::{self, DryRun};
use crate::db::guard::{self, Deed};
use crate::db::losses;
use crate::db::up::migrator;
use crate::failure::Failure;
use crate::options::{Confirm, Patience, Single};
use crate::spelling::{Place, Spelling};
use crate::terminal::{Steps, say};

const HELP: &str = "\
A migration is undone by its down file; if its up file was edited since it was applied, or is not here, by the down script that the \
database kept. One that is `irreversible` stops the command before anything is undone. What goes with the tables and columns that are \
dropped is counted and shown before.

Examples:
  cargo xtask db down                 the newest, as `db down -1`
  cargo xtask db down 3               the newest three
  cargo xtask db down 20261121093000  back to that version, which stays; its beginning or name will do
  cargo xtask db down base            all, as `--all`
  cargo xtask db down 3 --dry-run     what it would do";

/// Undo the newest migration, or more
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// How far: a number of migrations (`2` or `-2`), the version that stays or the beginning of it (four digits or more), its name, or
    /// `base` for all
    #[arg(value_name = "TARGET", default_value = "1", allow_negative_numbers = true)]
    target: Spelling,
    /// Undo what is newer than this migration, which stays; every number is a version here
    #[arg(long, value_name = "MIGRATION", conflicts_with_all = ["target", "all"])]
    to: Option<Place>,
    /// Undo everything
    #[arg(long, conflicts_with = "target")]
    all: bool,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    backup: Backup,
    #[command(flatten)]
    single: Single,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    confirm: Confirm,
}

impl Args {
    fn spelling(&self) -> Spelling {
        match (&self.to, self.all) {
            (Some(place), _) => Spelling::At(place.clone()),
            (None, true) => Spelling::Base,
            (None, false) => self.target.clone(),
        }
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    // Lock findings do not matter here: going back is how some of them are mended.
    let inspection = context.inspect()?;
    let defects = inspection.defects();
    if !defects.0.is_empty() {
        return Err(defects.into());
    }
    let database = context.database()?;
    let mut migrator = args.patience.of(migrator(&inspection)).transactions(args.single.transactions());
    let target = args.spelling().target(Direction::Down, inspection.set(), || Ok(migrator.history(&database)?))?;
    if let Some(format) = args.dry_run.format() {
        return dry_run::print("down", &mut migrator, &database, Direction::Down, target, format);
    }
    let pass = || guard::look_and_pass(Deed::Down, &database, &args.confirm);
    // A person sees the numbers with the question; where nobody can be asked it is refused before anyone looks for the database.
    let is_attended = guard::is_attended();
    let mut confirmed = if is_attended { None } else { pass()? };
    let plan = migrator.plan(&database, Direction::Down, target)?;
    let losses = migrator.losses(&database, &plan)?;
    losses::show("down", &database, &losses);
    if is_attended {
        confirmed = pass()?;
    }
    if !plan.steps.is_empty() {
        args.backup.make(&database)?;
    }
    if !losses.is_empty() {
        losses::say_recovery_point(&database);
    }
    let mut steps = Steps::new();
    let migrator = confirmed.into_iter().fold(migrator, Migrator::environment);
    let report = migrator.on_event(|event| steps.show(event)).down(&database, target)?;
    drop(steps);
    let at = report.head.map_or_else(|| "empty of migrations".to_owned(), |head| format!("at {head}"));
    match report.done.len() {
        0 => say(&format!("nothing to undo: {database} is {at}")),
        done => say(&format!("{done} undone: {database} is {at}")),
    }
    Ok(())
}
