//! `db lock`: brings `stairwell.lock` up to date without running anything.

use stairwell::lock::LOCK_FILE;
use stairwell::{Findings, Inspection, Rule};

use crate::context::Context;
use crate::db::lockfile;
use crate::failure::{Failure, render_findings};
use crate::terminal::{color, say, warn};

const HELP: &str = "\
`db up` locks what it applies, so this is needed only to lock without a database, to check in CI, and to take over a history.

Examples:
  cargo xtask db lock --check    in CI: is every migration locked, and none edited?
  cargo xtask db lock --import   a history that another tool has applied so far";

/// Bring `stairwell.lock` up to date without running anything
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Change nothing; exit with 3 if the lock is not up to date
    #[arg(long, conflicts_with_all = ["import", "accept_changes"])]
    check: bool,
    /// Accept an existing history as it is: wrong order and duplicates are errors, style is a warning
    #[arg(long)]
    import: bool,
    /// Accept edits, deletions and a changed order of what was locked. Databases that applied the old text will refuse the new
    #[arg(long)]
    accept_changes: bool,
}

/// How many warnings of an imported history are printed in full.
const MOST_WARNINGS: usize = 5;

/// What keeps the lock from being written, by what was asked for.
fn refused(inspection: &Inspection, args: &Args, committed: impl FnOnce() -> Option<String>) -> Findings {
    let mut findings: Vec<_> =
        inspection.defects().0.into_iter().filter(|finding| !(args.import && finding.rule.is_style())).collect();
    let policy = crate::context::LockPolicy::Update;
    let lock = lockfile::refused(inspection, committed, policy);
    findings.extend(lock.0.into_iter().filter(|finding| !args.accept_changes || finding.rule == Rule::LockFile));
    Findings(findings)
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let inspection = context.inspect()?;
    let path = context.folder().join(LOCK_FILE).display().to_string();
    if args.check {
        let mut findings = inspection.defects();
        findings.0.extend(inspection.lock_findings().cloned());
        if !findings.0.is_empty() {
            return Err(findings.into());
        }
        say(&format!("{path} is up to date: {}", counted(&inspection)));
        return Ok(());
    }
    let findings = refused(&inspection, args, || context.committed_lock());
    if !findings.0.is_empty() {
        return Err(findings.into());
    }
    warn(&inspection);
    if args.import {
        warn_of_style(&inspection);
    }
    // Nothing of the old lock is left that the files do not say: what must not go was refused above.
    let new = inspection.set().lock();
    if Some(&new) == inspection.lock.as_ref() && !new.entries().is_empty() {
        say(&format!("{path} is up to date: {}", counted(&inspection)));
        return Ok(());
    }
    lockfile::write(context.folder(), &new)?;
    let files = lockfile::count(new.entries().len(), "file");
    say(&format!("locked {files} of {} in {path}", counted(&inspection)));
    Ok(())
}

fn counted(inspection: &Inspection) -> String {
    lockfile::count(inspection.set().migrations().len(), "migration")
}

/// Says what is accepted as it is.
fn warn_of_style(inspection: &Inspection) {
    let style: Vec<_> = inspection
        .defects()
        .0
        .into_iter()
        .filter(|finding| finding.rule.is_style())
        .map(stairwell::Diagnostic::as_warning)
        .collect();
    if style.is_empty() {
        return;
    }
    let more = style.len().saturating_sub(MOST_WARNINGS);
    let shown = Findings(style.into_iter().take(MOST_WARNINGS).collect());
    say(&render_findings(&shown, color()));
    if more > 0 {
        say(&format!("\n… and {more} warnings more"));
    }
    say("\nThese are accepted as they are. A new migration is held to the rules.");
}
