//! `db stamp`: records migrations without running them.

use stairwell::OutOfOrder;
use stairwell::plan::{Purge, Stamp};
use stairwell::postgres::{Migrator, Standing, Status};

use crate::context::{Context, by_whom};
use crate::db::guard::{self, Deed};
use crate::db::lockfile;
use crate::db::up::{checked, migrator};
use crate::failure::Failure;
use crate::options::{Confirm, Locked};
use crate::spelling::Spelling;
use crate::terminal::say;

const HELP: &str = "\
For a database whose tables are there by another way: another tool's history, a dump, a script that someone finished by hand. No \
script is run; what the ledger says is what changes. Newer rows are taken out of it, with the scripts that it kept in them; `db \
history --verbose` shows who stamped what, and when.

Examples:
  cargo xtask db stamp head            all that are here count as applied
  cargo xtask db stamp 20261121093000  those up to that version do, and newer ones do not
  cargo xtask db stamp base            none does";

/// Make the ledger say that a version is reached, without running anything
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// The newest migration that is to count as applied: a version, a name, `head` or `base`
    #[arg(value_name = "MIGRATION", allow_negative_numbers = true)]
    migration: Spelling,
    /// Empty the ledger first, so that edited and missing migrations go from it, too
    #[arg(long)]
    purge: bool,
    /// Why; kept in the ledger's remarks
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    locked: Locked,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let policy = context.lock_policy(args.locked);
    let inspection = checked(context, policy, OutOfOrder::Allow)?;
    let database = context.database()?;
    let purge = if args.purge { Purge::Yes } else { Purge::No };
    let mut migrator = migrator(&inspection);
    let history = migrator.history(&database)?;
    let newest = args.migration.point(inspection.set(), &history)?;
    let stamp = Stamp::of(inspection.set(), &history, newest, purge)?;
    // A purge also writes over rows that it records again, and over the scripts that they kept.
    if !stamp.forget.is_empty() || (purge == Purge::Yes && !history.rows.is_empty()) {
        let confirmed = guard::look_and_pass(Deed::Stamp, &database, &args.confirm)?;
        migrator = confirmed.into_iter().fold(migrator, Migrator::environment);
    }
    let why = match &args.reason {
        Some(reason) => format!("stamped{}, not run: {reason}", by_whom()),
        None => format!("stamped{}, not run", by_whom()),
    };
    let stamped = migrator.stamp(&database, newest, purge, &why)?;
    for id in &stamped.forgotten {
        say(&format!("  forgot   {id}"));
    }
    for id in &stamped.recorded {
        say(&format!("  recorded {id} (not run)"));
    }
    let at = stamped.head.as_ref().map_or_else(|| "empty of migrations".to_owned(), |head| format!("at {head}"));
    let changed =
        if stamped.recorded.is_empty() && stamped.forgotten.is_empty() { "nothing to stamp" } else { "stamped" };
    say(&format!("{changed}: {database} is {at}"));
    let history = migrator.history(&database)?;
    let status = Status::of(inspection.set(), &history);
    let kept = status.count(Standing::Edited) + status.count(Standing::Missing);
    if kept > 0 {
        say(&format!(
            "note: {} in the ledger that {} edited since or not here; `--purge` empties it first",
            lockfile::count(kept, "migration"),
            if kept == 1 { "was" } else { "were" }
        ));
    }
    lockfile::lock_applied(context, &inspection, &history, policy)
}
