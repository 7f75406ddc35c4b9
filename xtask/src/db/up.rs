//! `db up`: applies what is pending, and locks it.

use stairwell::migration::Direction;
use stairwell::postgres::{Ahead, Database, Destructive, Migrator, NotAllowed};
use stairwell::{Inspection, OutOfOrder, Rule, Target};

use crate::context::{Context, LockPolicy};
use crate::db::backup::Backup;
use crate::db::dry_run::DryRun;
use crate::db::losses::{self, Leave};
use crate::db::{dry_run, lockfile};
use crate::failure::Failure;
use crate::options::{Locked, Patience, Single};
use crate::spelling::{Place, Spelling};
use crate::terminal::{Steps, say, warn};

const HELP: &str = "\
Each migration and its row in the ledger commit together, so an interrupted run leaves whole migrations and is simply run again. \
Of two runs at once one waits for the other. What would lose data is shown with its rows, and needs a word or --allow-destructive.

Examples:
  cargo xtask db up                 everything, as `db up head`
  cargo xtask db up 1               only the next one, as `db up +1`
  cargo xtask db up 20261121093000  up to that version and with it; its name will do, too
  cargo xtask db up --locked        as in CI: fails if something is not locked
  cargo xtask db up --dry-run       what it would do
  cargo xtask db up --check-only    does it in one transaction, and rolls that back
  cargo xtask db up --allow-destructive --backup-command 'pg_dump -Fc -f before.dump'
                                    also what loses data, with a copy of it first";

/// Apply what is pending, and lock it
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// How far: a number of migrations (`2` or `+2`), a version or the beginning of one (four digits or more), a name, or `head`
    /// [default: `head`]
    #[arg(value_name = "TARGET", allow_negative_numbers = true)]
    target: Option<Spelling>,
    /// Apply up to this migration, and it as well; every number is a version here
    #[arg(long, value_name = "MIGRATION", conflicts_with = "target")]
    to: Option<Place>,
    #[command(flatten)]
    dry_run: DryRun,
    /// Try it in one transaction that is rolled back. Locks are kept until its end, so not where people work; sequences, and
    /// what scripts do outside of the database, are not rolled back
    #[arg(long, conflicts_with_all = ["dry_run", "json", "single_transaction"])]
    check_only: bool,
    /// Also apply a pending migration that is older than the newest applied one
    #[arg(long)]
    allow_out_of_order: bool,
    #[command(flatten)]
    leave: Leave,
    #[command(flatten)]
    backup: Backup,
    #[command(flatten)]
    single: Single,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    locked: Locked,
}

impl Args {
    fn spelling(&self) -> Spelling {
        let to = self.to.clone().map(Spelling::At);
        to.or_else(|| self.target.clone()).unwrap_or(Spelling::Head)
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
    let mut migrator = migrator.destructive(args.leave.destructive());
    let target = args.spelling().target(Direction::Up, inspection.set(), || Ok(migrator.history(&database)?))?;
    if let Some(format) = args.dry_run.format() {
        dry_run::print("up", &mut migrator, &database, Direction::Up, target, format)
    } else if args.check_only {
        dry_run::try_out(&mut migrator, &database, target)
    } else {
        let migrator = prepare(&database, migrator, target, args)?;
        apply(context, &inspection, &database, policy, migrator, target)
    }
}

/// Makes a backup, if one is wanted and there is something to do. Whoever has to give leave is asked before: a backup takes its time.
fn prepare<'a>(
    database: &Database,
    mut migrator: Migrator<'a>,
    target: Target,
    args: &Args,
) -> Result<Migrator<'a>, Failure> {
    if !args.backup.is_wanted() {
        return Ok(migrator);
    }
    let plan = migrator.plan(database, Direction::Up, target)?;
    if plan.steps.is_empty() {
        return Ok(migrator);
    }
    if args.leave.destructive() == Destructive::Refuse {
        let losses = migrator.losses(database, &plan)?;
        if !losses.is_empty() {
            let leave = losses::consent("up", database, &NotAllowed { losses, database: database.to_string() })?;
            migrator = migrator.destructive(leave);
        }
    }
    args.backup.make(database)?;
    Ok(migrator)
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
    let mut outcome = migrator.up(database, target);
    if let Some(refused) = outcome.as_ref().err().and_then(losses::refused) {
        migrator = migrator.destructive(losses::consent("up", database, refused)?);
        outcome = migrator.up(database, target);
    }
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

/// A migrator as every command uses it, for the environment that `STAIRWELL_ENV` names.
pub(crate) fn migrator(inspection: &Inspection) -> Migrator<'_> {
    Migrator::new(inspection.set())
        .program(concat!("cargo xtask db (stairwell ", env!("CARGO_PKG_VERSION"), ")"))
        .environment(std::env::var("STAIRWELL_ENV").unwrap_or_default())
}
