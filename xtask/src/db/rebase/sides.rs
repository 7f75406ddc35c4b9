//! Whose is what: read from the index of git where the lock is in conflict there, from its markers, or from a lock that is whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use stairwell::Findings;
use stairwell::lock::{Conflict, Entry, LOCK_FILE, Lock};
use stairwell::migration::file_name;

use super::operation::{Branch, Operation, Whose};
use super::plan::{Content, Files, Sides};
use crate::failure::{Code, Failure};
use crate::git;

/// What the folder and git say.
pub(super) struct Found {
    pub(super) sides: Sides,
    pub(super) files: Files,
    pub(super) operation: Operation,
    /// The lock as it stands, if it can be read.
    pub(super) lock: Option<Lock>,
}

/// The stages that the index has of a file in conflict (manual of git-read-tree, "3-way merge").
const BASE: char = '1';
const OURS: char = '2';
const THEIRS: char = '3';

/// Looks, and changes nothing. `whose` says which side is mine where git is not to decide.
pub(super) fn look(folder: &Path, whose: Option<Whose>) -> Result<Found, Failure> {
    let path = folder.join(LOCK_FILE);
    let shown = path.display().to_string();
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::new(Code::Files, format!("cannot read `{shown}`: {error}"))),
    };
    let mut files = read(folder)?;
    // No lock is one in which nothing is locked.
    let lock = if text.trim().is_empty() { Ok(Lock::default()) } else { Lock::parse(&shown, &text) };
    let marked = Conflict::parse(&shown, &text);
    let label = marked.as_ref().ok().and_then(|found| found.as_ref()).map(|conflict| conflict.label.clone());
    let operation = Operation::of(folder, label.as_deref());
    let whose = whose.unwrap_or_else(|| operation.mine(Branch::of(folder)));
    let staged = staged(folder, &shown)?;
    let is_staged = staged.is_some();
    let sides = match (staged, lock.as_ref()) {
        (Some(conflict), lock) => settled(sides(conflict, whose), lock.ok(), &files),
        (None, Ok(lock)) => Sides { theirs: lock.clone(), mine: Lock::default(), base: None },
        (None, Err(damaged)) => match marked.map_err(|finding| Findings(vec![finding]))? {
            Some(conflict) => sides(conflict, whose),
            None => return Err(Findings(vec![damaged.clone()]).into()),
        },
    };
    if is_staged {
        // What both added under one name is in the folder once, as a conflict or as one of the two.
        let is_both =
            |entry: &&Entry| sides.theirs.checksum(&entry.file).is_some_and(|theirs| theirs != entry.checksum);
        for entry in sides.mine.entries().iter().filter(is_both) {
            let texts = [OURS, THEIRS].into_iter().filter_map(|stage| stage_of(folder, stage, &entry.file));
            files.in_git.extend(texts.map(|bytes| (entry.file.clone(), Content::of(bytes))));
        }
    }
    Ok(Found { sides, files, operation, lock: lock.ok() })
}

/// The migrations' files, by the names that are migrations' names.
fn read(folder: &Path) -> Result<Files, Failure> {
    let error =
        |error| Failure::new(Code::Files, format!("cannot read the migrations folder `{}`: {error}", folder.display()));
    let mut files = Files::default();
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name();
        let Some(file) = name.to_str().filter(|file| file_name(file).is_ok()) else { continue };
        let bytes = fs::read(entry.path()).map_err(|error| {
            Failure::new(Code::Files, format!("cannot read `{}`: {error}; nothing was changed", entry.path().display()))
        })?;
        files.here.insert(file.to_owned(), Content::of(bytes));
    }
    Ok(files)
}

/// What the index has of a file at this stage.
fn stage_of(folder: &Path, stage: char, file: &str) -> Option<Vec<u8>> {
    git::ask(folder, &["cat-file", "blob", &format!(":{stage}:./{file}")])
}

/// The sides as the index has them, if the lock is in conflict there. They are whole files, which the text with markers is not: what git
/// could merge stands on both sides of that.
fn staged(folder: &Path, shown: &str) -> Result<Option<Conflict>, Failure> {
    let text = |stage| Some(String::from_utf8_lossy(&stage_of(folder, stage, LOCK_FILE)?).into_owned());
    let (Some(ours), Some(theirs)) = (text(OURS), text(THEIRS)) else { return Ok(None) };
    let parse = |text: &str, side| {
        Lock::parse(&format!("{shown} ({side})"), text).map_err(|finding| Failure::from(Findings(vec![finding])))
    };
    // Of two bases git makes one, which may have markers of its own.
    let base = match text(BASE) {
        Some(text) => Lock::parse(shown, &text).ok(),
        None => Some(Lock::default()),
    };
    Ok(Some(Conflict { ours: parse(&ours, "ours")?, theirs: parse(&theirs, "theirs")?, base, label: String::new() }))
}

fn sides(conflict: Conflict, whose: Whose) -> Sides {
    let (mine, theirs) = match whose {
        Whose::Ours => (conflict.ours, conflict.theirs),
        Whose::Theirs => (conflict.theirs, conflict.ours),
    };
    Sides { theirs, mine, base: conflict.base }
}

/// The same after someone has taken their lock or made a new one. What it has beside theirs is mine; of what I had, what is still here.
fn settled(sides: Sides, lock: Option<&Lock>, files: &Files) -> Sides {
    let has = |lock: &Lock, entry: &Entry| lock.checksum(&entry.file) == Some(entry.checksum);
    let Some(lock) = lock.filter(|lock| sides.theirs.entries().iter().all(|entry| has(lock, entry))) else {
        return sides;
    };
    let is_old = |entry: &&Entry| sides.base.as_ref().is_some_and(|base| has(base, entry));
    let here = |entry: &&Entry| files.here.contains_key(&entry.file) || is_old(entry);
    let now: BTreeSet<&str> = lock.entries().iter().map(|entry| entry.file.as_str()).collect();
    let before = sides.mine.entries().iter().filter(here).filter(|entry| !now.contains(entry.file.as_str()));
    let mine = Lock::from_entries(lock.entries().iter().chain(before).cloned());
    Sides { mine, ..sides }
}
