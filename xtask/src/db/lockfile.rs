//! Reading and writing `stairwell.lock` around a run.

use std::fs;
use std::path::Path;

use stairwell::lock::{Entry, LOCK_FILE, Lock};
use stairwell::migration::Migration;
use stairwell::plan::{History, State};
use stairwell::postgres::{Report, RunError};
use stairwell::{Diagnostic, Findings, Inspection, Rule};

use crate::context::{Context, LockPolicy};
use crate::failure::{Code, Failure};
use crate::terminal::{print_failure, say};

/// The findings about the lock that keep a run from beginning.
///
/// A line that git does not have at HEAD is this machine's alone, and its file may still be edited or dropped freely. `committed` is
/// the lock of HEAD, and is asked for only where that decides.
pub(super) fn refused(
    inspection: &Inspection,
    committed: impl FnOnce() -> Option<String>,
    policy: LockPolicy,
) -> Findings {
    let committed = std::cell::LazyCell::new(|| committed().unwrap_or_default());
    let is_committed = |entry: &Entry| committed.lines().any(|line| line == entry.to_string().trim_end());
    let refuse = |finding: &&Diagnostic| match (finding.rule, policy) {
        (Rule::LockFile | Rule::OutOfOrder, _) | (_, LockPolicy::Frozen(_)) => true,
        (Rule::NotLocked, LockPolicy::Update) => false,
        _ => entries(inspection, finding).any(is_committed),
    };
    let explain = |finding: &Diagnostic| match policy {
        LockPolicy::Frozen(reason) => finding.clone().note(format!("the lock must not change: {reason}")),
        LockPolicy::Update => finding.clone(),
    };
    Findings(inspection.lock_findings().filter(refuse).map(explain).collect())
}

/// The same, where an edit is why one comes. A lock that must not change would have to for it.
pub(super) fn refused_but_for_edits(
    inspection: &Inspection,
    committed: impl FnOnce() -> Option<String>,
    policy: LockPolicy,
) -> Findings {
    let mended = |rule| policy == LockPolicy::Update && rule == Rule::Edited;
    let refused = refused(inspection, committed, policy).0.into_iter();
    Findings(refused.filter(|finding| !mended(finding.rule)).collect())
}

/// The lines of the lock that a finding concerns.
fn entries<'a>(inspection: &'a Inspection, finding: &'a Diagnostic) -> impl Iterator<Item = &'a Entry> {
    let lines = inspection.lock.iter().flat_map(Lock::entries);
    lines.filter(|entry| finding.locked_files.contains(&entry.file))
}

/// The lock with the files of every migration that `accept` takes as they are now; of the others what it had.
fn updated(inspection: &Inspection, accept: impl Fn(&Migration) -> bool) -> Lock {
    let old = inspection.lock.clone().unwrap_or_default();
    let now = inspection.set().lock();
    let accepted: Vec<_> = inspection.set().migrations().iter().filter(|m| accept(m)).map(|m| m.version).collect();
    let is_accepted = |version| accepted.binary_search(&version).is_ok();
    let kept = old.entries().iter().filter(|entry| !is_accepted(entry.version));
    let taken = now.entries().iter().filter(|entry| is_accepted(entry.version));
    Lock::from_entries(kept.chain(taken).cloned())
}

/// Locks what a run has applied, also one that failed half-way; of two errors the run's own is the last word.
pub(super) fn lock_after(
    context: &Context,
    inspection: &Inspection,
    policy: LockPolicy,
    history: impl FnOnce() -> Result<History, RunError>,
    outcome: Result<Report, RunError>,
) -> Result<Report, Failure> {
    // The lock is as it should be: no need to ask the database.
    if inspection.lock_findings().next().is_none() {
        return Ok(outcome?);
    }
    let locked = match history() {
        Ok(history) => lock_applied(context, inspection, &history, policy),
        // Not reached: then there is nothing new to lock, and the outcome says why.
        Err(_) => Ok(()),
    };
    match (outcome, locked) {
        (Ok(report), locked) => locked.map(|()| report),
        (Err(error), locked) => {
            if let Err(failure) = locked {
                print_failure(&failure);
            }
            Err(error.into())
        }
    }
}

/// Locks what the database has exactly as the files are, and says so.
pub(super) fn lock_applied(
    context: &Context,
    inspection: &Inspection,
    history: &History,
    policy: LockPolicy,
) -> Result<(), Failure> {
    let applied = |m: &Migration| {
        history.get(m.version).is_some_and(|row| row.state == State::Applied && row.checksum == m.up.checksum())
    };
    let new = updated(inspection, applied);
    if Some(&new) == inspection.lock.as_ref() || policy != LockPolicy::Update {
        return Ok(());
    }
    let old = inspection.lock.clone().unwrap_or_default();
    let changed = new.entries().iter().filter(|entry| old.checksum(&entry.file) != Some(entry.checksum)).count();
    write(context.folder(), &new)?;
    let files = count(changed, "file");
    say(&format!("locked {files} in {}", context.folder().join(LOCK_FILE).display()));
    Ok(())
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Writes the lock beside and renames it, so that no one ever reads half of it.
pub(super) fn write(folder: &Path, lock: &Lock) -> Result<(), Failure> {
    let path = folder.join(LOCK_FILE);
    let beside = folder.join(format!(".{LOCK_FILE}.{}", std::process::id()));
    fs::write(&beside, lock.to_string()).and_then(|()| fs::rename(&beside, &path)).map_err(|error| {
        // What could not be renamed is of no use.
        let _ = fs::remove_file(&beside);
        Failure::new(Code::Files, format!("cannot write `{}`: {error}", path.display()))
    })
}
