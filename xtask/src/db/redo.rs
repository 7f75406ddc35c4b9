//! `db redo`: undoes and applies again, for a migration that is still being written.

use stairwell::Rule;
use stairwell::migration::Direction;

use crate::cli::Redo;
use crate::context::{Context, LockPolicy};
use crate::db::guard::{self, Deed};
use crate::db::{lockfile, up::migrator};
use crate::failure::Failure;
use crate::terminal::{Steps, say, warn};

pub(super) fn run(context: &Context, args: &Redo) -> Result<(), Failure> {
    let policy = context.lock_policy(args.locked);
    let inspection = context.inspect()?;
    let mut findings = inspection.defects();
    // An edit is why one comes here; under --locked the lock would have to change for it.
    let refused = lockfile::refused(&inspection, || context.committed_lock(), policy);
    let mended = |rule| policy == LockPolicy::Update && rule == Rule::Edited;
    findings.0.extend(refused.0.into_iter().filter(|finding| !mended(finding.rule)));
    if !findings.0.is_empty() {
        return Err(findings.into());
    }
    let database = context.database()?;
    guard::pass(Deed::Redo, &database, args.confirm.name(), || guard::mark(&database))?;
    warn(&inspection);
    let mut steps = Steps::new();
    let mut migrator = args.patience.of(migrator(&inspection)).on_event(|event| steps.show(event));
    let outcome = migrator.redo(&database, args.target());
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
