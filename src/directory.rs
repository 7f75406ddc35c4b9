//! A set's files on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::diagnostic::{Diagnostic, Rule};
use crate::lock::LOCK_FILE;
use crate::parallel;
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
    let (mut files, mut findings) = (Vec::new(), Vec::new());
    for entry in WalkDir::new(folder).min_depth(1).max_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|e| error(e.into()))?;
        let path = shown.join(entry.file_name()).display().to_string();
        let Some(file) = entry.file_name().to_str() else {
            findings.push(
                Diagnostic::error(Rule::FileName, "the name of this file is not valid UTF-8")
                    .at(path)
                    .help("rename or delete it"),
            );
            continue;
        };
        if is_ignored(file) {
            continue;
        }
        // The type is the entry's own: a link is not followed, and its target never read.
        let kind = entry.file_type();
        if !kind.is_file() {
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
            continue;
        }
        files.push((file.to_owned(), path, entry.into_path()));
    }
    let read = parallel::map(files, |(file, path, place)| match fs::read(place) {
        Ok(bytes) => Ok(Source { file, path, bytes: bytes.into() }),
        Err(error) => Err(Diagnostic::error(Rule::Unreadable, format!("cannot be read: {error}")).at(path)),
    });
    let mut sources = Vec::with_capacity(read.len());
    for source in read {
        match source {
            Ok(source) => sources.push(source),
            Err(finding) => findings.push(finding),
        }
    }
    Ok(Inspection::of(sources, findings, &shown.join(LOCK_FILE).display().to_string()))
}

/// A README and dot files may stand beside the migrations.
pub(crate) fn is_ignored(file: &str) -> bool {
    file.starts_with('.') || matches!(file, "README" | "README.md" | "README.txt" | "README.adoc" | "README.rst")
}
