//! The folder: what git says of it, what is written and deleted, and what a run that was killed has left.
//!
//! The new files are written first, the up script last of them, then the old ones are deleted, then the lock is written. So a run that is
//! killed leaves all that it needs to go on, and as long as it has not, every command refuses the folder.

use std::fs;
use std::io;
use std::path::Path;

use stairwell::lock::{Entry, LOCK_FILE, Lock};
use stairwell::migration::{Direction, Script, file_name};
use stairwell::{Inspection, Version};

use super::baseline::Baseline;
use crate::db::lockfile;
use crate::failure::{Code, Failure};
use crate::git;

/// Refuses a folder of which git does not have everything: the old files go.
pub(super) fn check_git(folder: &Path) -> Result<(), Failure> {
    let refuse = |what: &str, help: &str| {
        Err(Failure::new(
            Code::Files,
            format!(
                "{what}, so the migrations that a squash deletes could not be brought back; nothing was changed\n  = help: {help}, or `--force`"
            ),
        ))
    };
    let shown = folder.display();
    match git::ask(folder, &["status", "--porcelain", "--ignored", "--", "."]) {
        None => refuse(&format!("`{shown}` is not in git"), "commit it first"),
        Some(changes) if !changes.is_empty() => {
            let changes = String::from_utf8_lossy(&changes);
            let first: Vec<&str> = changes.lines().take(3).map(str::trim).collect();
            refuse(&format!("`{shown}` has what is not committed ({})", first.join(", ")), "commit it first")
        }
        // A repository without a commit, or one that has the folder's files nowhere, has nothing to say of them either.
        Some(_) => match git::ask(folder, &["ls-tree", "--name-only", "HEAD", "--", LOCK_FILE]) {
            Some(listed) if !listed.is_empty() => Ok(()),
            _ => refuse(&format!("`{shown}` is not committed"), "commit it first"),
        },
    }
}

/// What becomes of the folder.
pub(super) struct Change<'a> {
    new: Vec<(String, &'a str)>,
    gone: Vec<String>,
    lock: Lock,
}

impl<'a> Change<'a> {
    /// The baseline in the place of all up to this version.
    pub(super) fn of(inspection: &Inspection, baseline: &'a Baseline, version: Version) -> Self {
        let old = inspection.lock.clone().unwrap_or_default();
        let (gone, kept): (Vec<Entry>, Vec<Entry>) =
            old.entries().iter().cloned().partition(|entry| entry.version <= version);
        let new: Vec<(String, &str)> = baseline.files().collect();
        let entries = new.iter().filter_map(|(file, text)| entry(file, text.as_bytes()));
        let lock = Lock::from_entries(kept.into_iter().chain(entries));
        Self { lock, gone: gone.into_iter().map(|entry| entry.file).collect(), new }
    }

    /// Does it. What fails before anything is deleted is taken back.
    pub(super) fn carry_out(&self, folder: &Path) -> Result<(), Failure> {
        for (file, text) in &self.new {
            if let Err(error) = write(folder, file, text) {
                for (file, _) in &self.new {
                    let _ = fs::remove_file(folder.join(file));
                }
                let path = folder.join(file);
                return Err(Failure::new(
                    Code::Files,
                    format!("cannot write `{}`: {error}; nothing was changed", path.display()),
                ));
            }
        }
        delete(folder, &self.gone)?;
        lockfile::write(folder, &self.lock)
    }
}

/// The line of the lock for a file.
fn entry(file: &str, bytes: &[u8]) -> Option<Entry> {
    let name = file_name(file).ok()?;
    let (script, _) = Script::parse(file.to_owned(), bytes, name.direction);
    Some(Entry {
        file: file.to_owned(),
        version: name.version,
        direction: name.direction,
        checksum: script?.checksum(),
    })
}

/// Beside and renamed, so that half of it never counts.
fn write(folder: &Path, file: &str, text: &str) -> io::Result<()> {
    let beside = folder.join(format!(".{file}.{}", std::process::id()));
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, folder.join(file))).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

fn delete(folder: &Path, files: &[String]) -> Result<(), Failure> {
    for file in files {
        let path = folder.join(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::new(
                    Code::Files,
                    format!(
                        "cannot delete `{}`: {error}; the baseline is written, and the lock is the old one\n  \
                         = help: mend that and run the same command again, or go back: `git checkout HEAD -- {folder} && git clean -f -- {folder}`",
                        path.display(),
                        folder = folder.display()
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is left to do after a run was killed: its baseline is there, and the lock does not have it.
pub(super) struct Unfinished {
    id: String,
    version: Version,
    squashed: usize,
    /// Those of the old files that are still there, and locked so.
    left: Vec<String>,
    /// One that is not as it was locked.
    changed: Option<String>,
    lock: Lock,
}

impl Unfinished {
    /// Looks for it.
    pub(super) fn look(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(LOCK_FILE)).ok()?;
        let lock = Lock::parse(LOCK_FILE, &text).ok()?;
        let files: Vec<String> =
            fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let read = |file: &str| entry(file, &fs::read(folder.join(file)).ok()?);
        let found = files.iter().filter(|file| lock.checksum(file).is_none()).find_map(|file| {
            let bytes = fs::read(folder.join(file)).ok()?;
            let name = file_name(file).ok().filter(|name| name.direction == Direction::Up)?;
            let (script, _) = Script::parse(file.clone(), &bytes, Direction::Up);
            let squashed = script?.directives().squashes.first()?.count;
            Some((file.strip_suffix(Direction::Up.suffix())?.to_owned(), name.version, squashed))
        });
        let (id, version, squashed) = found?;
        let (old, kept): (Vec<Entry>, Vec<Entry>) =
            lock.entries().iter().cloned().partition(|entry| entry.version <= version);
        if old.is_empty() {
            return None;
        }
        let here: Vec<&Entry> = old.iter().filter(|entry| files.contains(&entry.file)).collect();
        let changed = here.iter().find(|old| read(&old.file).as_ref() != Some(**old)).map(|entry| entry.file.clone());
        let of_baseline = [Direction::Down, Direction::Up].map(|way| format!("{id}{}", way.suffix()));
        let new: Vec<Entry> = of_baseline.iter().filter_map(|file| read(file)).collect();
        let left = here.into_iter().map(|entry| entry.file.clone()).collect();
        let lock = Lock::from_entries(kept.into_iter().chain(new));
        Some(Self { id, version, squashed, left, changed, lock })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn squashed(&self) -> usize {
        self.squashed
    }

    pub(super) fn changed(&self) -> Option<&str> {
        self.changed.as_deref()
    }

    pub(super) fn finish(&self, folder: &Path) -> Result<(), Failure> {
        delete(folder, &self.left)?;
        lockfile::write(folder, &self.lock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const OLD: [(&str, &str); 4] = [
        ("1_a.up.sql", "create table a ();\n"),
        ("1_a.down.sql", "drop table a;\n"),
        ("2_b.up.sql", "create table b ();\n"),
        ("2_b.down.sql", "drop table b;\n"),
    ];
    const NEWER: [(&str, &str); 2] = [("3_c.up.sql", "create table c ();\n"), ("3_c.down.sql", "drop table c;\n")];

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in OLD.into_iter().chain(NEWER) {
            fs::write(folder.path().join(file), text).unwrap();
        }
        let lock = stairwell::inspect(folder.path()).unwrap().set().lock();
        lockfile::write(folder.path(), &lock).unwrap();
        folder
    }

    fn baseline(folder: &Path) -> Baseline {
        let set = stairwell::inspect(folder).unwrap().set().clone();
        let histories = stairwell::plan::squash::histories(&set.migrations()[..2]);
        Baseline {
            id: "2_baseline".into(),
            up: format!("-- stairwell: squashes {}\ncreate table a (); create table b ();\n", histories[0]),
            down: Some("drop table b; drop table a;\n".into()),
            rows: 0,
            tables: 0,
        }
    }

    fn texts(folder: &Path) -> BTreeMap<String, String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path()).unwrap()))
            .collect()
    }

    fn squash(folder: &Path) {
        let baseline = baseline(folder);
        let inspection = stairwell::inspect(folder).unwrap();
        Change::of(&inspection, &baseline, Version::new(2).unwrap()).carry_out(folder).unwrap();
    }

    #[test]
    fn afterwards_the_folder_is_in_order() {
        let folder = folder();
        squash(folder.path());
        let after = stairwell::inspect(folder.path()).unwrap();
        assert_eq!(after.findings, []);
        assert_eq!(after.set().baseline().map(stairwell::migration::Migration::id), Some("2_baseline"));
        assert_eq!(after.set().migrations().len(), 2);
        assert!(Unfinished::look(folder.path()).is_none(), "and nothing is left to do");
    }

    #[test]
    fn killed_anywhere_it_is_taken_up_where_it_was() {
        let done = folder();
        squash(done.path());
        // What is deleted, after both files were written.
        for deleted in 0..=OLD.len() {
            let folder = folder();
            let baseline = baseline(folder.path());
            for (file, text) in baseline.files() {
                write(folder.path(), &file, text).unwrap();
            }
            for (file, _) in &OLD[..deleted] {
                fs::remove_file(folder.path().join(file)).unwrap();
            }
            assert!(
                !stairwell::inspect(folder.path()).unwrap().findings.is_empty(),
                "it is refused as long as it is so"
            );
            let unfinished = Unfinished::look(folder.path()).unwrap();
            assert_eq!((unfinished.id(), unfinished.squashed(), unfinished.changed()), ("2_baseline", 2, None));
            unfinished.finish(folder.path()).unwrap();
            assert_eq!(texts(folder.path()), texts(done.path()));
        }
        // Before the up script there is nothing to take up: its down script alone is refused by every command.
        let before = folder();
        let baseline = baseline(before.path());
        write(before.path(), "2_baseline.down.sql", baseline.down.as_deref().unwrap()).unwrap();
        assert!(Unfinished::look(before.path()).is_none());
        assert!(!stairwell::inspect(before.path()).unwrap().findings.is_empty());
    }

    #[test]
    fn what_is_not_as_it_was_locked_is_not_deleted() {
        let folder = folder();
        let baseline = baseline(folder.path());
        for (file, text) in baseline.files() {
            write(folder.path(), &file, text).unwrap();
        }
        fs::write(folder.path().join("2_b.up.sql"), "create table other ();\n").unwrap();
        assert_eq!(Unfinished::look(folder.path()).unwrap().changed(), Some("2_b.up.sql"));
    }
}
