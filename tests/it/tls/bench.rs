//! A server whose certificate can be changed, and a client's files.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use postgres::Client;
use stairwell::postgres::Database;
use tempfile::TempDir;

use super::certificates::{Authority, Pair};
use crate::harness::account::Account;
use crate::harness::cluster::Cluster;
use crate::harness::{Skip, database, xtask};

/// Which library is tested.
pub(crate) const LIBRARY: &str = if cfg!(feature = "rustls") { "rustls" } else { "native" };

/// What the certificates of servers are for, in these tests: the host that clients call, and its address.
pub(crate) const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A server, and what belongs to it.
pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) authority: Authority,
    account: Account,
    server: TempDir,
    client: TempDir,
}

/// The one that the tests share, one after the other: to make a server takes longer than most of them.
static SHARED: Mutex<Option<Bench>> = Mutex::new(None);

/// A test's turn.
pub(crate) struct Turn(MutexGuard<'static, Option<Bench>>);

impl Deref for Turn {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        self.0.as_ref().unwrap()
    }
}

/// Stops the shared one. A static would never be dropped.
pub(crate) fn stop() {
    drop(SHARED.lock().unwrap_or_else(PoisonError::into_inner).take());
}

impl Bench {
    /// The shared one, as good as new: it lets everyone in and has a certificate that its authority signed. Clients' certificates have to
    /// be that authority's, too.
    pub(crate) fn take() -> Result<Turn, Skip> {
        if !cfg!(any(feature = "rustls", feature = "native-tls")) {
            return Err(Skip("built without TLS: `cargo test --features rustls`".to_owned()));
        }
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bench = shared.take().map_or_else(Self::new, Ok)?;
        bench.client = tempfile::tempdir().unwrap();
        bench.write("root.crt", &bench.authority.certificate);
        bench.cluster.rules("local all all trust\nhost all all 127.0.0.1/32 trust\n");
        bench.present(&bench.authority.server(&NAMES));
        let clean = "DROP SCHEMA IF EXISTS stairwell CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        bench.cluster.client().batch_execute(clean).unwrap();
        *shared = Some(bench);
        Ok(Turn(shared))
    }

    /// One of the test's own, without TLS until it presents a certificate.
    pub(crate) fn new() -> Result<Self, Skip> {
        let account = Account::find()?;
        let (server, client) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        account.give(server.path());
        let path = |file: &str| server.path().join(file).display().to_string();
        let settings = [
            format!("ssl_cert_file={}", path("server.crt")),
            format!("ssl_key_file={}", path("server.key")),
            format!("ssl_ca_file={}", path("clients.crt")),
            format!("unix_socket_directories={}", server.path().display()),
        ];
        let cluster = Cluster::new(&settings.each_ref().map(String::as_str))?;
        let authority = Authority::new("an authority of the test");
        let bench = Self { cluster, authority, account, server, client };
        bench.server_file("clients.crt", &bench.authority.certificate);
        Ok(bench)
    }

    /// From now on the server has this certificate.
    pub(crate) fn present(&self, pair: &Pair) {
        self.server_file("server.crt", &pair.certificate);
        self.server_file("server.key", &pair.key);
        self.cluster.ask("ALTER SYSTEM SET ssl = on");
        self.cluster.reload();
    }

    /// From now on the server has no TLS.
    pub(crate) fn end_tls(&self) {
        self.cluster.ask("ALTER SYSTEM SET ssl = off");
        self.cluster.reload();
    }

    fn server_file(&self, name: &str, content: &str) {
        let path = self.server.path().join(name);
        fs::write(&path, content).unwrap();
        restrict(&path);
        self.account.give(&path);
    }

    /// Writes a file of the client's, for its eyes only.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.client.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        restrict(&path);
        path
    }

    /// The folder of the client's files.
    pub(crate) fn home(&self) -> &Path {
        self.client.path()
    }

    /// The folder of the server's socket, and of its certificate (`server.crt`, `server.key`).
    pub(crate) fn server(&self) -> &Path {
        self.server.path()
    }

    /// The server's URL as its superuser, with these parameters; `<root>` is the file with its authority's certificate.
    pub(crate) fn url(&self, parameters: &str) -> String {
        self.url_as("postgres", parameters)
    }

    pub(crate) fn url_as(&self, user: &str, parameters: &str) -> String {
        let files = self.home().display().to_string();
        let parameters = parameters.replace("<root>", &format!("{files}/root.crt")).replace("<files>", &files);
        // The address keeps the order of what `localhost` resolves to out of the tests.
        format!("postgresql://{user}@localhost:{}/postgres?hostaddr=127.0.0.1&{parameters}", self.cluster.port())
    }

    /// What comes of connecting so: `TLS`, `plain`, or what went wrong.
    pub(crate) fn outcome(&self, parameters: &str) -> Result<String, String> {
        outcome(&Database::parse(&self.url(parameters)).unwrap()).map_err(|error| self.anonymous(&error))
    }

    /// What comes of it with psql, where there is one: `TLS`, `plain` or `error`.
    pub(crate) fn psql(&self, url: &str) -> Option<String> {
        let mut psql = Command::new(self.cluster.program("psql"));
        xtask::clean(&mut psql);
        let output = psql.args(["-XAtqc", QUESTION, url]).env("HOME", self.home()).output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Some(if output.status.success() { said } else { "error".to_owned() })
    }

    pub(crate) fn has_psql(&self) -> bool {
        self.psql(&self.url("")).is_some()
    }

    /// The same text on every machine and day.
    pub(crate) fn anonymous(&self, text: &str) -> String {
        let port = self.cluster.port().to_string();
        let text = text.replace(&self.home().display().to_string(), "<files>").replace(&port, "<port>");
        // A certificate's time was over so many days ago, and tomorrow it is one more.
        match text.split_once("expired ").and_then(|(before, rest)| Some((before, rest.split_once(" days")?))) {
            Some((before, (_, behind))) => format!("{before}expired <number> days{behind}"),
            None => text,
        }
    }
}

/// What comes of connecting to this: `TLS`, `plain`, or what went wrong.
pub(crate) fn outcome(database: &Database) -> Result<String, String> {
    database.connect().map(|mut client| encryption(&mut client)).map_err(|error| error.to_string())
}

/// Whether a connection is encrypted.
pub(crate) const QUESTION: &str =
    "SELECT CASE WHEN ssl THEN 'TLS' ELSE 'plain' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

fn encryption(client: &mut Client) -> String {
    database::ask(client, QUESTION)
}

#[cfg(unix)]
fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn restrict(_: &Path) {}
