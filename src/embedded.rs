//! A set's files in the binary.

use include_dir::{Dir, DirEntry};

use crate::diagnostic::{Diagnostic, Rule};
use crate::directory::is_ignored;
use crate::lock::LOCK_FILE;
use crate::migration::file_in;
use crate::set::{Inspection, Source};

/// Checks what `include_dir!` put into the binary, as [`directory::inspect`](crate::directory::inspect) does for a folder.
///
/// The build check has seen the same files, so a finding here means that the app's `build.rs` does not call
/// [`build::check`](crate::build::check).
pub fn inspect(dir: &Dir<'static>) -> Inspection {
    let (mut sources, mut findings) = (Vec::new(), Vec::new());
    for entry in dir.entries() {
        let path = entry.path().display().to_string();
        let file = path.get(file_in(&path)..).unwrap_or_default();
        match entry {
            _ if is_ignored(file) => {}
            DirEntry::File(content) => sources.push(Source { bytes: content.contents(), path }),
            DirEntry::Dir(_) => findings.push(
                Diagnostic::error(
                    Rule::FileKind,
                    format!("`{file}` is a folder, and migrations are plain files in one flat folder"),
                )
                .at(path),
            ),
        }
    }
    Inspection::of(sources, findings, LOCK_FILE, |_, bytes| Ok(bytes.into()))
}
