//! `db up`: applies what is pending, and locks it.

use std::num::NonZeroUsize;

use stairwell::migration::Direction;
use stairwell::postgres::{Ahead, Database, Migrator};
use stairwell::{Inspection, OutOfOrder, Rule, Target, Version};

use crate::context::{Context, LockPolicy};
use crate::db::lockfile;
use crate::failure::Failure;
use crate::options::{Locked, Patience, Single};
use crate::terminal::{Steps, say, warn};

const HELP: &str = "\
Each migration and its row in the ledger commit together, so an interrupted run leaves whole migrations and is simply run again. \
Of two runs at once one waits for the other.

Examples:
  cargo xtask db up                      everything
  cargo xtask db up 1                    only the next one
  cargo xtask db up --to 20261121093000  up to that version, and it as well
  cargo xtask db up --locked             as in CI: fails if something is not locked";

/// Apply what is pending, and lock it
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// How many to apply [default: all that are pending]
    count: Option<NonZeroUsize>,
    /// Apply up to this version, and it as well
    #[arg(long, value_name = "VERSION", conflicts_with = "count")]
    to: Option<Version>,
    /// Also apply a pending migration that is older than the newest applied one
    #[arg(long)]
    allow_out_of_order: bool,
    #[command(flatten)]
    single: Single,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    locked: Locked,
}

impl Args {
    fn target(&self) -> Target {
        match (self.to, self.count) {
            (Some(version), _) => Target::Version(version),
            (None, Some(count)) => Target::Steps(count),
            (None, None) => Target::Head,
        }
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let order = if args.allow_out_of_order { OutOfOrder::Allow } else { OutOfOrder::Refuse };
    let policy = context.lock_policy(args.locked);
    // While the files are read. What is wrong with the database is said after what is wrong with them.
    let ahead = context.configured().ok().flatten().map(|database| Ahead::of(&database, Direction::Up));
    let inspection = checked(context, policy, order)?;
    let database = context.database()?;
    let migrator = args.patience.of(migrator(&inspection)).transactions(args.single.transactions()).out_of_order(order);
    let migrator = ahead.into_iter().fold(migrator, Migrator::ahead);
    apply(context, &inspection, &database, policy, migrator, args.target())
}

/// The set, if nothing keeps it from being run.
pub(super) fn checked(context: &Context, policy: LockPolicy, order: OutOfOrder) -> Result<Inspection, Failure> {
    let inspection = context.inspect()?;
    let mut findings = inspection.defects();
    let lock = lockfile::refused(&inspection, || context.committed_lock(), policy);
    let allowed = |rule| rule == Rule::OutOfOrder && order == OutOfOrder::Allow && policy == LockPolicy::Update;
    findings.0.extend(lock.0.into_iter().filter(|finding| !allowed(finding.rule)));
    if !findings.0.is_empty() {
        return Err(findings.into());
    }
    warn(&inspection);
    Ok(inspection)
}

/// Applies, and locks what was applied, also when a later one failed.
pub(super) fn apply(
    context: &Context,
    inspection: &Inspection,
    database: &Database,
    policy: LockPolicy,
    migrator: Migrator<'_>,
    target: Target,
) -> Result<(), Failure> {
    let mut steps = Steps::new();
    let mut migrator = migrator.on_event(|event| steps.show(event));
    let outcome = migrator.up(database, target);
    let report = lockfile::lock_after(context, inspection, policy, || migrator.history(database), outcome);
    drop(migrator);
    drop(steps);
    let report = report?;
    match (report.done.len(), report.head) {
        (_, None) => say(&format!("nothing to apply: {} has no migrations", context.folder().display())),
        (0, Some(head)) => say(&format!("nothing to apply: {database} is at {head}")),
        (done, Some(head)) => say(&format!("{done} applied: {database} is at {head}")),
    }
    Ok(())
}

/// A migrator as every command uses it.
pub(super) fn migrator(inspection: &Inspection) -> Migrator<'_> {
    Migrator::new(inspection.set()).program(concat!("cargo xtask db (stairwell ", env!("CARGO_PKG_VERSION"), ")"))
}
