//! A set's files on disk.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

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
    // With a separator at its end.
    let shown_folder = shown.join("").display().to_string();
    let mut failed = None;
    let entries = WalkDir::new(folder).min_depth(1).max_depth(1).into_iter();
    let entries = entries.map_while(|entry| entry.map_err(|error| failed = Some(error.into())).ok());
    let sources = entries.filter_map(|entry| source(&entry, &shown_folder).transpose());
    let load = |file: &str, ()| read(&folder.join(file)).map(Into::into);
    let inspection = Inspection::of(sources, &format!("{shown_folder}{LOCK_FILE}"), load);
    failed.map_or(Ok(inspection), |source| Err(error(source)))
}

/// What is checked of an entry: nothing of what may stand beside migrations, and nothing that is no plain file.
fn source(entry: &DirEntry, shown_folder: &str) -> Result<Option<Source<()>>, Box<Diagnostic>> {
    let path = format!("{shown_folder}{}", entry.file_name().display());
    let Some(file) = entry.file_name().to_str() else {
        let finding = Diagnostic::error(Rule::FileName, "the name of this file is not valid UTF-8");
        return Err(finding.at(path).help("rename or delete it").into());
    };
    if is_ignored(file) {
        return Ok(None);
    }
    // The type is the entry's own: a link is not followed, and its target never read.
    let kind = entry.file_type();
    if kind.is_file() {
        return Ok(Some(Source { path, bytes: () }));
    }
    let what = if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a folder"
    } else {
        "no plain file (a pipe, a socket or a device)"
    };
    let message = format!("`{file}` is {what}, and migrations are plain files in one flat folder");
    let finding = Diagnostic::error(Rule::FileKind, message).at(path).note("it was not read");
    Err(finding.help("put the file itself here, or move this elsewhere").into())
}

/// `fs::read` that asks only large files for their length: of a thousand small ones each call counts.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let (mut bytes, mut block) = (Vec::new(), [0; 8192]);
    while bytes.len() < block.len() {
        match file.read(&mut block) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(block.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A README and dot files may stand beside the migrations.
pub(crate) fn is_ignored(file: &str) -> bool {
    file.starts_with('.') || matches!(file, "README" | "README.md" | "README.txt" | "README.adoc" | "README.rst")
}
