//! A server of a test's own, which may be stopped, killed and started again.
//!
//! It runs as users' servers do, with its durability settings at their defaults.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use stairwell::postgres::Database;
use tempfile::TempDir;

use super::Skip;
use super::account::Account;

/// A start may have to wait for the last processes of a server that was killed, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Ends its sessions, writes everything and stops.
    Fast,
    /// Stops at once and recovers at the next start.
    Immediate,
}

/// A server on a free port of 127.0.0.1; gone when dropped, with its data.
pub(crate) struct Cluster {
    bin: PathBuf,
    account: Account,
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
    postmaster: Option<Child>,
}

impl Cluster {
    /// A new one with these settings (`max_connections=5`), started.
    pub(crate) fn new(settings: &[&str]) -> Result<Self, Skip> {
        let mut cluster = Self::prepare(settings)?;
        let mut initdb = cluster.account.command(&cluster.bin.join("initdb"));
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"]);
        succeed(initdb.arg(cluster.data()));
        cluster.start();
        Ok(cluster)
    }

    /// A standby of this one, with these settings, spawned and not waited for: without `hot_standby` it never answers.
    pub(crate) fn standby(&self, settings: &[&str]) -> Result<Self, Skip> {
        let mut standby = Self::prepare(settings)?;
        let mut backup = standby.account.command(&standby.bin.join("pg_basebackup"));
        backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--host=127.0.0.1"]);
        backup.args(["--username=postgres", &format!("--port={}", self.port), "-D"]);
        succeed(backup.arg(standby.data()));
        standby.spawn();
        Ok(standby)
    }

    fn prepare(settings: &[&str]) -> Result<Self, Skip> {
        let bin = newest_bin().ok_or_else(|| Skip("no Postgres binaries on this machine".to_owned()))?;
        let account = Account::find()?;
        let folder = tempfile::tempdir().unwrap();
        account.give(folder.path());
        let mut settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        if major(&bin) >= 14 {
            // Recovery begins by flushing every file of the data folder; one by one, that takes many seconds on a busy disk.
            settings.push("recovery_init_sync_method=syncfs".to_owned());
        }
        Ok(Self { bin, account, folder, port: free_port(), settings, postmaster: None })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(&mut self) {
        let began = Instant::now();
        loop {
            self.spawn();
            loop {
                if self.database().connect().is_ok() {
                    return;
                }
                assert!(began.elapsed() < PATIENCE, "no answer from the server:\n{}", self.log());
                if self.postmaster.as_mut().unwrap().try_wait().unwrap().is_some() {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
            // Processes of the one that was killed still use its memory, or someone else took the port in the meantime.
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts it without waiting.
    pub(crate) fn spawn(&mut self) {
        let log = self.folder.path().join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = self.account.command(&self.bin.join("postgres"));
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        self.postmaster = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// Stops it, and waits until it has stopped.
    pub(crate) fn stop(&mut self, how: Stop) {
        if let Some(mut postmaster) = self.postmaster.take() {
            signal(if how == Stop::Fast { "INT" } else { "QUIT" }, postmaster.id());
            postmaster.wait().unwrap();
        }
    }

    /// Kills its first process; the others see that and end by themselves, as after a crash.
    pub(crate) fn kill(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            postmaster.kill().unwrap();
            postmaster.wait().unwrap();
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where a program that came with the server is. (Debian's `psql` in `PATH` is a script that takes its time.)
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// The URL of a database of it, as its superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// The same, as this role. It is asked for no password.
    pub(crate) fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgresql://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its database `postgres`.
    pub(crate) fn database(&self) -> Database {
        Database::parse(&self.url("postgres")).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        self.database().connect().unwrap()
    }

    /// The first column of the first row, as text.
    pub(crate) fn ask(&self, question: &str) -> String {
        super::database::ask(&mut self.client(), question)
    }

    /// From now on everyone but its superuser is asked for a password.
    pub(crate) fn ask_for_passwords(&self) {
        self.rules("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n");
    }

    /// From now on these lines say who gets in (pg_hba.conf). Its superuser must, over 127.0.0.1.
    pub(crate) fn rules(&self, rules: &str) {
        fs::write(self.data().join("pg_hba.conf"), rules).unwrap();
        self.reload();
    }

    /// Makes it read its files again, and waits until it has.
    pub(crate) fn reload(&self) {
        let loaded = "SELECT pg_conf_load_time()";
        let before = self.ask(loaded);
        self.ask("SELECT pg_reload_conf()");
        // A new session is a child of the process that reads them, and knows when that was.
        let began = Instant::now();
        while self.ask(loaded) == before {
            assert!(began.elapsed() < PATIENCE, "the server does not reload:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(postmaster) = &mut self.postmaster {
            signal("QUIT", postmaster.id());
            drop(postmaster.wait());
        }
    }
}

/// Sends a signal to a process. `kill` is a program of its own on some systems only, and part of every shell.
pub(crate) fn signal(name: &str, pid: u32) {
    let script = format!("kill -{name} {pid}");
    drop(Command::new("/bin/sh").args(["-c", &script]).stderr(Stdio::null()).status());
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[track_caller]
fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What `postgres --version` says: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major(bin: &Path) -> u32 {
    let output = Command::new(bin.join("postgres")).arg("--version").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let digits = said.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

/// Distributions keep the server's programs out of `PATH`, and what lies there as `initdb` may be anything.
fn newest_bin() -> Option<PathBuf> {
    let packages = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = packages
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let configured = || {
        let output = Command::new("pg_config").arg("--bindir").output().ok()?;
        Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    };
    let complete =
        |bin: &Path| ["initdb", "postgres", "pg_basebackup"].iter().all(|program| bin.join(program).is_file());
    versions.into_iter().rev().map(|(_, bin)| bin).chain(configured()).find(|bin| complete(bin))
}
