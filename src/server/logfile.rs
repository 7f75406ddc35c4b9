//! The log that a private server writes to.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::{ServerError, last_lines};

/// A log that has grown beyond this many bytes is put aside when the server is started next.
const LARGE: u64 = 8 << 20;

/// No more than this many bytes of a log are read to find its last lines.
const READ: u64 = 64 << 10;

/// A log file, and how much of it earlier servers had written.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    begin: u64,
}

impl LogFile {
    /// Opens the log for a new server to append to, after putting a large one aside as `server.log.1`.
    pub(super) fn open(path: &Path) -> Result<(Self, File), ServerError> {
        let mut begin = fs::metadata(path).map_or(0, |found| found.len());
        if begin > LARGE {
            let aside = path.with_extension("log.1");
            fs::rename(path, &aside).map_err(ServerError::file("rename", path))?;
            begin = 0;
        }
        let file =
            OpenOptions::new().create(true).append(true).open(path).map_err(ServerError::file("open the log", path))?;
        Ok((Self { path: path.to_owned(), begin }, file))
    }

    /// The log as it is, of whichever server.
    pub(super) fn existing(path: &Path) -> Self {
        Self { path: path.to_owned(), begin: 0 }
    }

    /// The last lines that were written since this was opened. A log that can't be read has none.
    pub(super) fn tail(&self) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.begin.max(end.saturating_sub(READ))))?;
            let mut bytes = Vec::new();
            file.take(READ).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        last_lines(&String::from_utf8_lossy(&read().unwrap_or_default()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_what_the_new_server_wrote_is_its_tail() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("server.log");
        fs::write(&path, "old\n").unwrap();
        let (log, mut file) = LogFile::open(&path).unwrap();
        assert_eq!(log.tail(), "");
        file.write_all(b"new\n").unwrap();
        assert_eq!(log.tail(), "new");
        assert_eq!(LogFile::existing(&path).tail(), "old\nnew");
    }

    #[test]
    fn a_large_log_is_put_aside() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("server.log");
        File::create(&path).unwrap().set_len(LARGE + 1).unwrap();
        LogFile::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert!(temp.path().join("server.log.1").exists());
    }

    #[test]
    fn a_missing_log_has_no_lines() {
        assert_eq!(LogFile::existing(Path::new("/nonexistent/log")).tail(), "");
    }
}
