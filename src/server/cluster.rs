//! Starting, adopting and stopping a project's private Postgres.
//!
//! Every function here that changes something expects its caller to hold the project's lock.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{self, Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::address::{Address, Answer, Connection};
use super::data;
use super::error::ServerError;
use super::find::{Found, Installation, program};
use super::logfile::LogFile;
use super::place::{Place, Presence, SOCKET};
use super::postmaster::{self, Phase, PidFile, Process, Signal};

/// How long a server may take to start, to recover from a crash, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the processes of a server that was killed may take to notice that. They are usually gone in a second, and one
/// that is in the midst of a long query isn't.
const ORPHANS: Duration = Duration::from_secs(15);

const STILL_USED: &str =
    "processes of a server that was killed still use the data; they end with what they do, or by `kill`";

const PAUSE: Duration = Duration::from_millis(20);

/// How a private server is run.
///
/// It is one developer's database, which he can make anew: so it needn't survive a crash of the machine (`fsync`,
/// `full_page_writes`), and commits cost no wait for the disk. It does survive a crash of its own: `synchronous_commit`
/// hands every commit to the operating system before it is reported, as in production. No TCP: a port would clash with
/// the next project's, and let everyone on the machine in.
const SETTINGS: [&str; 10] = [
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=on",
    "max_connections=100",
    "log_destination=stderr",
    "logging_collector=off",
    "log_timezone=UTC",
];

/// Becomes the command in its arguments, without the files that we inherited beyond the standard three: a test runner may
/// wait for the end of one (bats does of 3). A shell knows only those of one digit.
const WITHOUT_INHERITED_FILES: &str = r#"exec "$@" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-"#;

/// A private server: where it is, and what of the caller's environment it is to know.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) place: Place,
    /// The project's root, which paths are shown relative to.
    pub(super) root: PathBuf,
    /// The caller's `XDG_RUNTIME_DIR`.
    pub(super) runtime_dir: Option<PathBuf>,
    /// The caller's `TZ`.
    pub(super) time_zone: Option<String>,
}

/// A server that answers.
pub(super) struct Open {
    pub(super) pid: u32,
    pub(super) address: Address,
    pub(super) connection: Connection,
}

impl Cluster {
    /// Whether its data folder has been made.
    pub(super) fn exists(&self) -> bool {
        self.place.data.exists()
    }

    /// Why the server's user can't run the programs in `bin`, if he can't.
    pub(super) fn can_run(&self, bin: &Path) -> Result<(), String> {
        match self.place.account.barrier(bin) {
            Some(barrier) => {
                Err(format!("{}, whom root runs it as, cannot pass {}", self.place.account.name, barrier.display()))
            }
            None => Ok(()),
        }
    }

    /// The lock file of the server that runs on the data folder, whoever started it.
    pub(super) fn running(&self) -> Option<PidFile> {
        let file = PidFile::read(&self.place.data.join("postmaster.pid"))?;
        (postmaster::process(file.pid, &self.place.data) == Process::Server).then_some(file)
    }

    /// Connects to the server if one runs, waiting while it starts or recovers. One that can't be reached any more, because
    /// its socket was removed, is stopped.
    pub(super) fn adopt(&self, say: &mut dyn FnMut(&str)) -> Result<Option<Open>, ServerError> {
        let began = Instant::now();
        while let Some(file) = self.running() {
            let last = match self.knock(&file)? {
                Knock::Open(open) => return Ok(Some(open)),
                Knock::NotYet(last) => last,
                Knock::Unreachable => {
                    // A logout removes XDG_RUNTIME_DIR, under a server that goes on.
                    say(&format!("restarting Postgres (process {}), whose socket was removed", file.pid));
                    self.end(file.pid, &self.place.data, Signal::Fast)?;
                    return Ok(None);
                }
            };
            if began.elapsed() >= PATIENCE {
                let log = LogFile::existing(&self.place.log);
                return Err(self.no_answer(file.pid, began, last, &log));
            }
            thread::sleep(PAUSE);
        }
        Ok(None)
    }

    /// Asks a running server once.
    pub(super) fn knock(&self, file: &PidFile) -> Result<Knock, ServerError> {
        let Some(folder) = &file.socket_dir else {
            return Ok(match file.phase {
                Phase::Ready => Knock::Unreachable,
                Phase::Other => Knock::NotYet("it is starting".into()),
            });
        };
        match self.place.verify_socket_dir(folder)? {
            Presence::There if folder.join(SOCKET).exists() || file.phase == Phase::Other => {}
            _ => return Ok(Knock::Unreachable),
        }
        let address = Address::Socket(folder.clone());
        match address.knock() {
            Answer::Open(connection) => Ok(Knock::Open(Open { pid: file.pid, address, connection })),
            Answer::NotYet(last) => Ok(Knock::NotYet(last)),
            Answer::Refused(error) => Err(error),
        }
    }

    /// Starts the server, which doesn't run, with the fitting one of the installations; makes its data folder first if
    /// there is none.
    pub(super) fn start(&self, found: &Found, say: &mut dyn FnMut(&str)) -> Result<Open, ServerError> {
        let of = data::major(&self.place.data)?;
        let installation = data::choose(found, &self.place.data, of)?;
        let socket_dir = self.place.socket_dir(self.runtime_dir.as_deref());
        self.place.claim_socket_dir(&socket_dir)?;
        if of.is_none() {
            self.place.prepare()?;
            say(&format!(
                "initialising a private Postgres {} in {}",
                installation.version,
                self.shown(&self.place.data)
            ));
            data::initialise(&self.place, &installation, self.time_zone.as_deref())?;
        }
        self.clear_the_way(&socket_dir, say)?;
        let open = self.launch(&installation, &socket_dir, say)?;
        say(&format!(
            "started Postgres {} (process {}), its log is {}",
            installation.version,
            open.pid,
            self.shown(&self.place.log)
        ));
        Ok(open)
    }

    /// Removes what makes a new server refuse to start although no other runs.
    ///
    /// Postgres itself sees that a lock file is stale when its process is gone. When the number is another process' by now,
    /// as after a reboot or in a container, it can't tell, and refuses.
    fn clear_the_way(&self, socket_dir: &Path, say: &mut dyn FnMut(&str)) -> Result<(), ServerError> {
        let in_data = self.place.data.join("postmaster.pid");
        let at_socket = socket_dir.join(format!("{SOCKET}.lock"));
        for lock in [in_data, at_socket] {
            let Some(file) = PidFile::read(&lock) else {
                continue;
            };
            match postmaster::process(file.pid, &self.place.data) {
                Process::Gone => {}
                // The project was built into another target directory before, and its server of there wants the same socket.
                Process::Unrelated if postmaster::process(file.pid, &file.data) == Process::Server => {
                    say(&format!(
                        "ending Postgres (process {}), which serves this project from another target directory; its data stays in {}",
                        file.pid,
                        file.data.display()
                    ));
                    self.end(file.pid, &file.data, Signal::Fast)?;
                }
                Process::Unrelated => {
                    fs::remove_file(&lock).map_err(ServerError::file("remove the stale lock file", &lock))?;
                    say(&format!("removed the stale {}: process {} is not its server", self.shown(&lock), file.pid));
                }
                // `cargo clean` removed the data under a server, which would end by itself within a minute.
                Process::Server => {
                    say(&format!("ending Postgres (process {}), whose data was removed", file.pid));
                    self.end(file.pid, &self.place.data, Signal::Immediate)?;
                }
            }
        }
        Ok(())
    }

    fn launch(
        &self,
        installation: &Installation,
        socket_dir: &Path,
        say: &mut dyn FnMut(&str),
    ) -> Result<Open, ServerError> {
        let began = Instant::now();
        let mut waiting = false;
        loop {
            let (log, mut child) = self.spawn(installation, socket_dir)?;
            match self.wait_for(&mut child, socket_dir, &log)? {
                Launched::Open(open) => return Ok(open),
                Launched::Ended(reason) => {
                    let tail = log.tail();
                    // Processes of a server that was killed still use its memory (`PGSharedMemoryCreate`).
                    let orphans = tail.contains("pre-existing shared memory block");
                    if !orphans || began.elapsed() >= ORPHANS {
                        let reason = if orphans { STILL_USED.into() } else { reason };
                        return Err(ServerError::Start { log: self.place.log.clone(), tail, reason });
                    }
                    if !waiting {
                        say("waiting for the last processes of a server that was killed");
                        waiting = true;
                    }
                    thread::sleep(Duration::from_millis(250));
                }
            }
        }
    }

    /// Starts the process, so that it outlives us: in a process group of its own, which Ctrl-C in the terminal doesn't
    /// reach, and with none of our pipes, whose reader would wait for their end. (A hangup only makes Postgres read its
    /// configuration again.) `pg_ctl` would do most of this too, but puts the data folder's name into a shell command.
    fn spawn(&self, installation: &Installation, socket_dir: &Path) -> Result<(LogFile, Child), ServerError> {
        let (log, file) = LogFile::open(&self.place.log)?;
        let stdout = file.try_clone().map_err(ServerError::file("open the log", &self.place.log))?;
        let postgres = program(&installation.bin, "postgres");
        let mut command = self.place.account.command(Path::new("/bin/sh"), self.time_zone.as_deref());
        command.args(["-c", WITHOUT_INHERITED_FILES, "sh"]).arg(&postgres);
        let mut sockets = OsString::from("unix_socket_directories=");
        sockets.push(socket_dir);
        command.arg("-D").arg(&self.place.data).arg("-c").arg(sockets);
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        command.stdout(stdout).stderr(file).process_group(0);
        let child = command.spawn();
        let child = child.map_err(|error| ServerError::Program {
            program: format!("/bin/sh, for {}", postgres.display()),
            reason: error.to_string(),
        })?;
        Ok((log, child))
    }

    fn wait_for(&self, child: &mut Child, socket_dir: &Path, log: &LogFile) -> Result<Launched, ServerError> {
        let began = Instant::now();
        let address = Address::Socket(socket_dir.to_owned());
        let pid_file = self.place.data.join("postmaster.pid");
        let mut last = "it is starting".to_owned();
        loop {
            match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return Ok(Launched::Ended(format!("it ended with {status}"))),
                Err(error) => return Ok(Launched::Ended(format!("it cannot be watched: {error}"))),
            }
            // Asking earlier would put an error into the log for each time.
            let file = PidFile::read(&pid_file).filter(|file| file.pid == child.id());
            if file.is_some_and(|file| file.phase == Phase::Ready) {
                match address.knock() {
                    Answer::Open(connection) => {
                        return Ok(Launched::Open(Open { pid: child.id(), address, connection }));
                    }
                    Answer::NotYet(reason) => last = reason,
                    Answer::Refused(error) => return Err(error),
                }
            }
            if began.elapsed() >= PATIENCE {
                return Err(self.no_answer(child.id(), began, last, log));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Stops the server if one runs, and says its process.
    pub(super) fn stop(&self) -> Result<Option<u32>, ServerError> {
        let socket_dir = self.place.socket_dir(self.runtime_dir.as_deref());
        let stopped = if let Some(file) = self.running() {
            self.end(file.pid, &self.place.data, Signal::Fast)?;
            Some(file.pid)
        } else {
            let left = PidFile::read(&socket_dir.join(format!("{SOCKET}.lock")));
            let left = left.filter(|file| postmaster::process(file.pid, &self.place.data) == Process::Server);
            left.map(|file| self.end(file.pid, &self.place.data, Signal::Immediate).map(|()| file.pid)).transpose()?
        };
        // Only an empty folder is removed; nothing depends on it.
        let _ = fs::remove_dir(&socket_dir);
        Ok(stopped)
    }

    fn end(&self, pid: u32, data: &Path, signal: Signal) -> Result<(), ServerError> {
        let began = Instant::now();
        postmaster::signal(pid, signal)?;
        while postmaster::process(pid, data) == Process::Server {
            if began.elapsed() >= PATIENCE {
                let tail = LogFile::existing(&self.place.log).tail();
                return Err(ServerError::Stop { pid, waited: began.elapsed(), log: self.place.log.clone(), tail });
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn shown<'a>(&self, path: &'a Path) -> path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    fn no_answer(&self, pid: u32, began: Instant, last: String, log: &LogFile) -> ServerError {
        ServerError::NoAnswer {
            server: format!("the private Postgres (process {pid})"),
            waited: began.elapsed(),
            last,
            place: self.place.log.display().to_string(),
            tail: log.tail(),
        }
    }
}

/// What a running server says.
pub(super) enum Knock {
    Open(Open),
    NotYet(String),
    /// Nothing, ever: it has no socket that could be reached.
    Unreachable,
}

enum Launched {
    Open(Open),
    Ended(String),
}
