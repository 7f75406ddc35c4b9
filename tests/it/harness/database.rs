//! A database of a test's own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use postgres::Client;
use stairwell::postgres::Database;

use super::proxy::{self, Proxy, Upstream};
use super::{Skip, server::server};

static COUNT: AtomicU32 = AtomicU32::new(0);
/// From here databases are made, one at a time: two clones of one template at once are refused (55006).
static MAKER: Mutex<Option<Client>> = Mutex::new(None);
static DROPPER: Mutex<Option<Client>> = Mutex::new(None);

/// An empty database, dropped when the test ends.
pub(crate) struct TestDatabase {
    server: &'static Database,
    database: Database,
    url: String,
}

impl TestDatabase {
    /// A new one, cloned from `template0`, so nothing that another test does to a template shows in it.
    pub(crate) fn new() -> Result<Self, Skip> {
        Self::from_template("template0")
    }

    /// A clone of this database, to which nobody may be connected.
    pub(crate) fn from_template(template: &str) -> Result<Self, Skip> {
        let server = server()?;
        let name = format!("it_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let clone = format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\" ENCODING 'UTF8'{}", strategy(server));
        admin(&MAKER, server, &clone).unwrap();
        let host = server.hosts().join(",");
        let user = server.user().unwrap_or("postgres");
        let url = if host.starts_with('/') {
            format!("postgresql:///{name}?host={host}&user={user}")
        } else {
            // Only the harness's own containers and TEST_DATABASE_URL get here; both have their password in the URL.
            format!("postgresql://{user}:{}@{host}:{}/{name}", password(), server.port())
        };
        Ok(Self { server, database: server.with_name(&name), url })
    }

    /// Where it is.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Its URL, for programs.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A proxy before its server, not yet started.
    pub(crate) fn proxy(&self) -> proxy::Builder {
        let host = self.database.hosts().join(",");
        let port = self.database.port();
        Proxy::before(if host.starts_with('/') {
            Upstream::Unix(PathBuf::from(host).join(format!(".s.PGSQL.{port}")))
        } else {
            Upstream::Tcp(host, port)
        })
    }

    /// Its URL through a proxy.
    pub(crate) fn url_through(&self, proxy: &Proxy) -> String {
        let user = self.database.user().unwrap_or("postgres");
        format!("postgresql://{user}:{}@127.0.0.1:{}/{}", password(), proxy.port(), self.database.name())
    }

    /// Itself through a proxy.
    pub(crate) fn through(&self, proxy: &Proxy) -> Database {
        Database::parse(&self.url_through(proxy)).unwrap()
    }

    /// A connection to it.
    pub(crate) fn client(&self) -> Client {
        self.database.connect().unwrap()
    }

    /// The first column of the first row, as text.
    pub(crate) fn ask(&self, question: &str) -> String {
        ask(&mut self.client(), question)
    }

    /// The versions in the ledger that are applied, in order.
    pub(crate) fn applied(&self) -> Vec<String> {
        if self.ask("SELECT to_regclass('stairwell.ledger') IS NULL") == "t" {
            return Vec::new();
        }
        let rows = self
            .client()
            .query("SELECT version::text FROM stairwell.ledger WHERE state = 'applied' ORDER BY version", &[])
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// The first column of the first row, as text.
pub(crate) fn ask(client: &mut Client, question: &str) -> String {
    let rows = client.simple_query(question).unwrap();
    rows.iter()
        .find_map(|message| match message {
            postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .unwrap_or_default()
}

/// Sends a statement on a connection that is kept: a new one costs a fifth of what making a database does.
fn admin(kept: &Mutex<Option<Client>>, server: &Database, statement: &str) -> Result<(), String> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let mut client = kept.take().map_or_else(|| server.connect(), Ok).map_err(|error| error.to_string())?;
    // One on which something failed is not used again.
    client.batch_execute(statement).map_err(|error| format!("{error:?}"))?;
    *kept = Some(client);
    Ok(())
}

/// A copy of files, where no disk is waited for, is half the work, and so is dropping what it made. Before 15 there is no name for it.
fn strategy(server: &Database) -> &'static str {
    static STRATEGY: OnceLock<&str> = OnceLock::new();
    STRATEGY.get_or_init(|| {
        let files =
            "SELECT current_setting('fsync') = 'off' AND current_setting('server_version_num')::integer >= 150000";
        if ask(&mut server.connect().unwrap(), files) == "t" { " STRATEGY file_copy" } else { "" }
    })
}

/// The password of the server's superuser; a server at a socket asks for none.
pub(crate) fn password() -> String {
    let url = std::env::var("TEST_DATABASE_URL").unwrap_or_default();
    let credentials =
        url.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(credentials, _)| credentials);
    credentials
        .and_then(|credentials| credentials.split_once(':'))
        .map_or_else(|| "postgres".to_owned(), |(_, password)| password.to_owned())
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.database.name());
        if let Err(error) = admin(&DROPPER, self.server, &drop) {
            eprintln!("test database {} stays behind: {error}", self.database.name());
        }
    }
}
