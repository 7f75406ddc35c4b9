//! `db redo`: undoes and applies again, for a migration that is still being written.

use std::num::NonZeroUsize;

use stairwell::Target;
use stairwell::migration::Direction;
use stairwell::postgres::{Destructive, Migrator, NotAllowed};

use crate::context::Context;
use crate::db::backup::Backup;
use crate::db::guard::{self, Deed};
use crate::db::losses::{self, Leave};
use crate::db::{lockfile, up::migrator};
use crate::failure::Failure;
use crate::options::{Confirm, Locked, Patience};
use crate::spelling::{Place, Spelling};
use crate::terminal::{Steps, say, warn};

const HELP: &str = "\
For a migration that you are still writing: what was applied is undone by the down script of that time, then the files are applied \
and locked as they are now. Rows that the down script drops are gone; they are counted and shown before.

Examples:
  cargo xtask db redo                      the newest
  cargo xtask db redo --to 20261121093000  everything from that version on, and it as well; its name will do";

/// Undo and apply again, after an edit that has not left this machine
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// How many to undo and apply again
    #[arg(default_value = "1")]
    count: NonZeroUsize,
    /// Everything from this migration on, and it as well: a version, the beginning of one, or a name
    #[arg(long, value_name = "MIGRATION", conflicts_with = "count")]
    to: Option<Place>,
    #[command(flatten)]
    leave: Leave,
    #[command(flatten)]
    backup: Backup,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    locked: Locked,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let policy = context.lock_policy(args.locked);
    let inspection = context.inspect()?;
    let mut findings = inspection.defects();
    findings.0.extend(lockfile::refused_but_for_edits(&inspection, || context.committed_lock(), policy).0);
    if !findings.0.is_empty() {
        return Err(findings.into());
    }
    let database = context.database()?;
    let pass = || guard::look_and_pass(Deed::Redo, &database, &args.confirm);
    // As in `down`.
    let is_attended = guard::is_attended();
    let mut confirmed = if is_attended { None } else { pass()? };
    let mut migrator = args.patience.of(migrator(&inspection)).destructive(args.leave.destructive());
    let target = match &args.to {
        None => Target::Steps(args.count),
        Some(place) => Spelling::At(place.clone())
            .target(Direction::Down, inspection.set(), || Ok(migrator.history(&database)?))?,
    };
    let redo = migrator.plan_redo(&database, target)?;
    let losses = migrator.losses(&database, &redo.back)?;
    losses::show("redo", &database, &losses);
    if is_attended {
        confirmed = pass()?;
    }
    migrator = confirmed.into_iter().fold(migrator, Migrator::environment);
    if args.leave.destructive() == Destructive::Refuse {
        let losses = migrator.losses(&database, &redo.again)?;
        if !losses.is_empty() {
            let refused = NotAllowed { losses, database: database.to_string() };
            migrator = migrator.destructive(losses::consent("redo", &database, &refused)?);
        }
    }
    if !redo.back.steps.is_empty() {
        args.backup.make(&database)?;
    }
    if !losses.is_empty() {
        losses::say_recovery_point(&database);
    }
    warn(&inspection);
    let mut steps = Steps::new();
    let mut migrator = migrator.on_event(|event| steps.show(event));
    let outcome = migrator.redo(&database, target);
    let report = lockfile::lock_after(context, &inspection, policy, || migrator.history(&database), outcome);
    drop(migrator);
    drop(steps);
    let report = report?;
    let again = report.done.iter().filter(|done| done.direction == Direction::Up).count();
    match report.head {
        _ if report.done.is_empty() => say(&format!("nothing to redo: nothing is applied to {database}")),
        Some(head) => say(&format!("{again} applied again: {database} is at {head}")),
        None => say(&format!("undone: {database} is empty of migrations")),
    }
    Ok(())
}
