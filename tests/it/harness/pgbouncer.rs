//! PgBouncer in transaction mode, with a pool of two, before a server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use stairwell::postgres::Database;
use tempfile::TempDir;

use super::Skip;
use super::account::Account;
use super::cluster::free_port;
use super::database::TestDatabase;

/// One before the server of a database; gone when dropped.
pub(crate) struct PgBouncer {
    process: Child,
    _folder: TempDir,
    url: String,
}

impl PgBouncer {
    /// Starts one and waits until it answers.
    pub(crate) fn before(database: &TestDatabase) -> Result<Self, Skip> {
        Self::with(database.database(), "")
    }

    /// The same with these lines in its configuration.
    pub(crate) fn with(at: &Database, lines: &str) -> Result<Self, Skip> {
        let program = program().ok_or_else(|| Skip("PgBouncer is not installed".to_owned()))?;
        let host = at.hosts().join(",");
        let account = if host.starts_with('/') { Account::owner_of(Path::new(&host))? } else { Account::find()? };
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let user = at.user().unwrap_or("postgres");
        let users = folder.path().join("users");
        fs::write(&users, format!("\"{user}\" \"{}\"\n", super::database::password())).unwrap();
        let configuration = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={host} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 200\n{lines}\n",
            at.port(),
            users.display()
        );
        fs::write(&configuration, text).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        for path in [folder.path(), &users, &configuration] {
            account.give(path);
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = account.command(&program).arg(&configuration).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let url = format!("postgresql://{user}@127.0.0.1:{port}/{}", at.name());
        let mut bouncer = Self { process, _folder: folder, url };
        let began = Instant::now();
        while let Err(error) = bouncer.database().connect() {
            assert!(bouncer.process.try_wait().unwrap().is_none(), "PgBouncer ended: {error}");
            assert!(began.elapsed() < Duration::from_secs(30), "no answer through PgBouncer: {error}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(bouncer)
    }

    /// The URL of the database through it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The database through it.
    pub(crate) fn database(&self) -> Database {
        Database::parse(&self.url).unwrap()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Packages put it where only root's `PATH` goes.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())?;
    Command::new(&found).arg("--version").stdout(Stdio::null()).status().ok().filter(ExitStatus::success)?;
    Some(found)
}
