//! Doing it: all of it, or nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::plan::{Rebase, Step};
use crate::db::lockfile;
use crate::failure::{Code, Failure};

/// How a step is taken back.
enum Undo {
    Rename { from: PathBuf, to: PathBuf },
    Write { path: PathBuf, bytes: Vec<u8> },
    Remove(PathBuf),
}

impl Undo {
    fn undo(&self) -> io::Result<()> {
        match self {
            Self::Rename { from, to } => fs::rename(from, to),
            Self::Write { path, bytes } => fs::write(path, bytes),
            Self::Remove(path) => fs::remove_file(path),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Rename { from: path, .. } | Self::Write { path, .. } | Self::Remove(path) => path,
        }
    }
}

/// Renames and writes the files, and the lock last. If one of these fails, the others are put back.
pub(super) fn carry_out(folder: &Path, rebase: &Rebase) -> Result<(), Failure> {
    let mut done = Vec::new();
    let steps = rebase.steps.iter().try_for_each(|step| {
        take(folder, step, &mut done).map_err(|error| {
            let (verb, file) = match step {
                Step::Rename { from, .. } => ("rename", from),
                Step::Write { file, .. } => ("write", file),
            };
            Failure::new(Code::Files, format!("cannot {verb} `{}`: {error}", folder.join(file).display()))
        })
    });
    let Err(failure) = steps.and_then(|()| lockfile::write(folder, &rebase.lock)) else { return Ok(()) };
    let stuck: Vec<_> = done
        .iter()
        .rev()
        .filter_map(|undo| {
            undo.undo()
                .err()
                .map(|error| format!("\n  = note: `{}` could not be put back: {error}", undo.path().display()))
        })
        .collect();
    let state = if stuck.is_empty() { "; nothing was changed".to_owned() } else { stuck.concat() };
    Err(Failure::new(Code::Files, format!("{}{state}", failure.message())))
}

fn take(folder: &Path, step: &Step, done: &mut Vec<Undo>) -> io::Result<()> {
    match step {
        Step::Rename { from, to } => {
            let (from, to) = (folder.join(from), folder.join(to));
            fs::rename(&from, &to)?;
            done.push(Undo::Rename { from: to, to: from });
        }
        Step::Write { file, bytes } => {
            let path = folder.join(file);
            done.push(match fs::read(&path) {
                Ok(bytes) => Undo::Write { path: path.clone(), bytes },
                Err(error) if error.kind() == io::ErrorKind::NotFound => Undo::Remove(path.clone()),
                Err(error) => return Err(error),
            });
            fs::write(&path, bytes)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn texts(folder: &Path) -> BTreeMap<String, String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|entry| entry.path().is_file());
        files
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path()).unwrap()))
            .collect()
    }

    #[test]
    fn what_fails_half_way_leaves_everything_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["1_a.up.sql", "2_b.up.sql", "stairwell.lock"] {
            fs::write(folder.path().join(file), file).unwrap();
        }
        // Nothing can be renamed or written to where a folder with something in it is.
        fs::create_dir_all(folder.path().join("9_x.up.sql/x")).unwrap();
        let rename = |from: &str, to: &str| Step::Rename { from: from.into(), to: to.into() };
        let write = |file: &str| Step::Write { file: file.into(), bytes: b"new".to_vec() };
        let before = texts(folder.path());
        for last in [rename("2_b.up.sql", "9_x.up.sql"), rename("gone", "x"), write("9_x.up.sql")] {
            let steps = vec![rename("1_a.up.sql", "8_a.up.sql"), write("8_a.up.sql"), write("7_new.up.sql"), last];
            let failure = carry_out(folder.path(), &Rebase { steps, ..Rebase::default() }).unwrap_err();
            assert_eq!(failure.code, Code::Files);
            assert!(failure.message().ends_with("nothing was changed"), "{}", failure.message());
            assert_eq!(texts(folder.path()), before);
        }
    }
}
