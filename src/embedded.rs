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
    let source = |entry: &'static DirEntry<'static>| {
        let path = entry.path().display().to_string();
        let file = path.get(file_in(&path)..).unwrap_or_default();
        match entry {
            _ if is_ignored(file) => None,
            DirEntry::File(content) => Some(Ok(Source { bytes: content.contents(), path })),
            DirEntry::Dir(_) => {
                let message = format!("`{file}` is a folder, and migrations are plain files in one flat folder");
                Some(Err(Diagnostic::error(Rule::FileKind, message).at(path).into()))
            }
        }
    };
    Inspection::of(dir.entries().iter().filter_map(source), LOCK_FILE, |_, bytes: &'static [u8]| Ok(bytes.into()))
}
