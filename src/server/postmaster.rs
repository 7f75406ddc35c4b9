//! Telling whether a server runs: what its lock file says, and whether that process is what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::ServerError;

/// A lock file of Postgres: `postmaster.pid` in the data folder, or the one beside a socket.
///
/// Its lines are documented in Postgres' `src/include/utils/pidfile.h`; a server writes the later ones as it starts up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: u32,
    /// Its data folder, as it was told.
    pub(super) data: PathBuf,
    /// The folder of the first socket, once the server has one.
    pub(super) socket_dir: Option<PathBuf>,
    /// Whether the server said that it takes connections.
    pub(super) phase: Phase,
}

/// The last line of a `postmaster.pid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It takes connections.
    Ready,
    /// It starts, recovers or stops, or doesn't say.
    Other,
}

impl PidFile {
    /// Reads a lock file. `None` when it is missing or has no process in it.
    pub(super) fn read(path: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(path).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        let mut line = || lines.next().unwrap_or_default();
        // A standalone backend (`postgres --single`, which initdb uses) writes its own process as a negative number.
        let pid = line().trim_start_matches('-').parse().ok()?;
        let (data, _started, _port, socket_dir, _addresses, _memory) = (line(), line(), line(), line(), line(), line());
        let phase = if line() == "ready" { Phase::Ready } else { Phase::Other };
        Some(Self { pid, data: data.into(), socket_dir: (!socket_dir.is_empty()).then(|| socket_dir.into()), phase })
    }
}

/// What a process in a lock file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// The Postgres of that data folder.
    Server,
    /// A process that got the number later; or one that has ended, and that no one has waited for. In a container whose
    /// first process doesn't, a server that was killed stays one of these, and Postgres takes it for running.
    Unrelated,
    /// Nothing.
    Gone,
}

/// Looks at a process: is it the server of `data`?
pub(super) fn process(pid: u32, data: &Path) -> Process {
    match arguments(pid) {
        None => Process::Gone,
        Some(arguments) if is_server(&arguments, data) => Process::Server,
        Some(_) => Process::Unrelated,
    }
}

/// A postmaster keeps the command line it was started with; its children replace theirs by a title (`postgres: writer`).
fn is_server(arguments: &[u8], data: &Path) -> bool {
    let data = data.as_os_str().as_encoded_bytes();
    let names_data = arguments.split(|byte| *byte == 0).any(|argument| argument == data)
        // `ps` gives one line, with no end of an argument but a space.
        || (!cfg!(target_os = "linux") && arguments.windows(data.len()).any(|window| window == data));
    let program = arguments.split(|byte| *byte == 0 || *byte == b' ').next().unwrap_or_default();
    names_data && (arguments.starts_with(b"postgres ") || program.ends_with(b"/postgres") || !cfg!(target_os = "linux"))
}

/// The command line of a process, its arguments separated by NUL bytes (spaces outside Linux); empty if it has ended and
/// not been waited for.
fn arguments(pid: u32) -> Option<Vec<u8>> {
    if cfg!(target_os = "linux") {
        // Containers often have no `ps`.
        return fs::read(format!("/proc/{pid}/cmdline")).ok();
    }
    let mut ps = Command::new("ps");
    let output = ps.args(["-ww", "-o", "args=", "-p", &pid.to_string()]).stdin(Stdio::null()).output().ok()?;
    let line = output.stdout.trim_ascii().to_vec();
    (!line.is_empty()).then_some(line)
}

/// How a server is told to end ([Shutting Down the Server][manual]).
///
/// [manual]: https://www.postgresql.org/docs/current/server-shutdown.html
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Ends its sessions, writes everything and stops.
    Fast,
    /// Stops at once and recovers at the next start; also what a server does whose data folder is gone.
    Immediate,
}

/// Sends a signal to a server. That it has ended meanwhile is no error.
pub(super) fn signal(pid: u32, signal: Signal) -> Result<(), ServerError> {
    let name = match signal {
        Signal::Fast => "INT",
        Signal::Immediate => "QUIT",
    };
    // `kill` is a program of its own on some systems only, and part of every shell.
    let script = format!("kill -{name} {pid}");
    let status = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    status.map(drop).map_err(|error| ServerError::Program { program: script, reason: error.to_string() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_running_servers_lock_file_has_its_process_and_socket() {
        let text = "4711\n/t/data\n1700000000\n5432\n/tmp/stairwell-0-ab\n\n  5432001   3\nready   \n";
        let expected = PidFile {
            pid: 4711,
            data: "/t/data".into(),
            socket_dir: Some("/tmp/stairwell-0-ab".into()),
            phase: Phase::Ready,
        };
        assert_eq!(PidFile::parse(text), Some(expected));
    }

    #[test]
    fn a_starting_servers_lock_file_has_only_the_first_lines() {
        let expected = PidFile { pid: 4711, data: "/t/data".into(), socket_dir: None, phase: Phase::Other };
        assert_eq!(PidFile::parse("4711\n/t/data\n1700000000\n5432\n"), Some(expected));
        assert_eq!(
            PidFile::parse("4711\n/t/data\n1700000000\n5432\n\n\n\nstarting\n").map(|file| file.phase),
            Some(Phase::Other)
        );
    }

    #[test]
    fn a_lock_file_without_a_process_is_none() {
        for text in ["", "\n", "half", "0x12\n"] {
            assert_eq!(PidFile::parse(text), None, "{text:?}");
        }
        assert_eq!(PidFile::parse("-12\n").map(|file| file.pid), Some(12));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_a_postgres_of_that_data_folder_is_its_server() {
        let data = Path::new("/t/a b/data");
        for (arguments, server) in [
            (&b"/usr/lib/postgresql/15/bin/postgres\0-D\0/t/a b/data\0"[..], true),
            (b"/usr/lib/postgresql/15/bin/postgres\0-D\0/t/a b/data2\0", false),
            (b"/usr/bin/less\0/t/a b/data\0", false),
            (b"sleep\x001000\0", false),
            (b"postgres: checkpointer \0", false),
        ] {
            assert_eq!(is_server(arguments, data), server, "{}", String::from_utf8_lossy(arguments));
        }
    }

    #[test]
    fn this_test_is_a_process_and_no_server() {
        assert_eq!(process(std::process::id(), Path::new("/t/data")), Process::Unrelated);
        assert_eq!(process(4_194_305, Path::new("/t/data")), Process::Gone);
    }
}
