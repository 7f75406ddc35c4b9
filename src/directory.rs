//! A set's files on disk.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::diagnostic::{Diagnostic, Rule};
use crate::lock::LOCK_FILE;
use crate::set::{Inspection, Source};

/// A folder of migrations cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the migrations folder `{}`: {source}\n  = help: create it, or name another one with `--dir` (in build.rs: the argument of `stairwell::build::check`)", folder.display())]
pub struct FolderError {
    /// The folder.
    pub folder: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Reads a folder and checks all that is in it. Files that are no migrations are findings, except the lock, a README and dot files.
pub fn inspect(folder: &Path) -> Result<Inspection, FolderError> {
    inspect_as(folder, folder)
}

/// The same, with the paths in messages as if the folder were `shown`.
pub(crate) fn inspect_as(folder: &Path, shown: &Path) -> Result<Inspection, FolderError> {
    let error = |source| FolderError { folder: shown.to_owned(), source };
    // walkdir follows a link only when it is the root, which is how a workspace may share one folder.
    if !fs::metadata(folder).map_err(error)?.is_dir() {
        return Err(error(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder")));
    }
    let (mut sources, mut findings) = (Vec::new(), Vec::new());
    // With a separator at its end.
    let shown_folder = shown.join("").display().to_string();
    for entry in WalkDir::new(folder).min_depth(1).max_depth(1) {
        let entry = entry.map_err(|e| error(e.into()))?;
        let Some(file) = entry.file_name().to_str() else {
            findings.push(
                Diagnostic::error(Rule::FileName, "the name of this file is not valid UTF-8")
                    .at(shown.join(entry.file_name()).display().to_string())
                    .help("rename or delete it"),
            );
            continue;
        };
        if is_ignored(file) {
            continue;
        }
        let path = format!("{shown_folder}{file}");
        // The type is the entry's own: a link is not followed, and its target never read.
        let kind = entry.file_type();
        if kind.is_file() {
            sources.push(Source { path, bytes: () });
            continue;
        }
        let what = if kind.is_symlink() {
            "a symbolic link"
        } else if kind.is_dir() {
            "a folder"
        } else {
            "no plain file (a pipe, a socket or a device)"
        };
        findings.push(
            Diagnostic::error(
                Rule::FileKind,
                format!("`{file}` is {what}, and migrations are plain files in one flat folder"),
            )
            .at(path)
            .note("it was not read")
            .help("put the file itself here, or move this elsewhere"),
        );
    }
    let read = |file: &str, ()| read(&folder.join(file)).map(Into::into);
    Ok(Inspection::of(sources, findings, &format!("{shown_folder}{LOCK_FILE}"), read))
}

/// `fs::read` without asking for the length first: of a thousand small files each call counts.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let (mut bytes, mut block) = (Vec::new(), [0; 8192]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(block.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A README and dot files may stand beside the migrations.
pub(crate) fn is_ignored(file: &str) -> bool {
    file.starts_with('.') || matches!(file, "README" | "README.md" | "README.txt" | "README.adoc" | "README.rst")
}
