//! One command at a time for one project's server.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fs4::{FileExt, TryLockError};

use super::error::ServerError;

/// How long another command is waited for: its `initdb` and its server's start fit in, with room.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long before the wait is said.
const UNREMARKABLE: Duration = Duration::from_secs(1);

const PAUSE: Duration = Duration::from_millis(25);

/// The lock, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

/// Takes the lock at `path`, whose folder exists. Waits a minute for another holder.
pub(super) fn hold(path: &Path, say: &mut dyn FnMut(&str)) -> Result<Held, ServerError> {
    hold_within(path, PATIENCE, say)
}

/// The same, with another patience.
pub(crate) fn hold_within(path: &Path, patience: Duration, say: &mut dyn FnMut(&str)) -> Result<Held, ServerError> {
    let started = Instant::now();
    let mut remarked = false;
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(ServerError::file("open the lock file", path))?;
        // Named in full: `File` has a method of that name since Rust 1.89.
        match FileExt::try_lock(&file) {
            // `cargo clean` may have removed the file that we waited for; then the lock is on one that no one else opens.
            Ok(()) if is_at(&file, path) => {
                // Only for messages, so it doesn't matter if it fails.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                return Ok(Held { _file: file });
            }
            Ok(()) => continue,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                return Err(ServerError::file("lock", path)(source));
            }
        }
        let waited = started.elapsed();
        if waited >= patience {
            return Err(ServerError::Busy { lock: path.to_owned(), holder: holder(&mut file), waited });
        }
        if waited >= UNREMARKABLE && !remarked {
            say(&format!("waiting for {}, which is busy with this project's server", holder(&mut file)));
            remarked = true;
        }
        thread::sleep(PAUSE);
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Elsewhere a file that is open can't be removed.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    fs::metadata(path).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_second_command_waits_for_the_first_and_names_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("lock");
        let first = hold_within(&path, Duration::ZERO, &mut |_| {}).unwrap();
        let error = hold_within(&path, Duration::from_millis(60), &mut |_| {}).unwrap_err();
        let ServerError::Busy { holder, .. } = &error else { panic!("{error}") };
        assert_eq!(*holder, format!("process {}", std::process::id()));
        drop(first);
        hold_within(&path, Duration::ZERO, &mut |_| {}).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_on_a_removed_file_does_not_count() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("lock");
        let _removed = hold_within(&path, Duration::ZERO, &mut |_| {}).unwrap();
        fs::remove_file(&path).unwrap();
        hold_within(&path, Duration::ZERO, &mut |_| {}).unwrap();
    }
}
