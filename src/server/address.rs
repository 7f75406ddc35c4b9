//! Where a server listens: as a URL, and as a connection.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};

use super::error::{ServerError, reason};
use super::version::PgVersion;

/// The role that owns everything in a project's own server.
pub(super) const ROLE: &str = "postgres";

/// The database that every server has.
const FIRST_DATABASE: &str = "postgres";

/// Where a project's server listens. There is no password: the way to it is closed to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A socket in a folder that only its user can enter.
    #[cfg_attr(not(unix), allow(dead_code))]
    Socket(PathBuf),
    /// A port of the loopback interface.
    Loopback(u16),
}

impl Address {
    /// The URL of a database, as libpq and tokio-postgres both read it.
    ///
    /// A folder can't stand in the URL's host part, so it is a parameter, which both accept.
    pub(super) fn url(&self, database: &str) -> String {
        let database = escape(database.as_bytes());
        match self {
            Self::Socket(folder) => {
                let folder = escape(folder.as_os_str().as_encoded_bytes());
                format!("postgresql:///{database}?host={folder}&user={ROLE}")
            }
            Self::Loopback(port) => format!("postgresql://{ROLE}@127.0.0.1:{port}/{database}"),
        }
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        match self {
            #[cfg(unix)]
            Self::Socket(folder) => config.host_path(folder),
            #[cfg(not(unix))]
            Self::Socket(folder) => config.host(&folder.to_string_lossy()),
            Self::Loopback(port) => config.host("127.0.0.1").port(*port),
        };
        config
            .user(ROLE)
            .dbname(FIRST_DATABASE)
            .application_name("cargo xtask")
            .connect_timeout(Duration::from_secs(5));
        config
    }

    /// Tries once to connect.
    pub(super) fn knock(&self) -> Answer {
        match self.config().connect(NoTls) {
            Ok(client) => Answer::Open(Connection { client: Box::new(client), address: self.clone() }),
            // Starting up, recovering from a crash, or shutting down; or no process to spare right now.
            Err(error) if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => Answer::NotYet(reason(&error)),
            Err(error) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => Answer::NotYet(reason(&error)),
            Err(source) if source.code().is_some() => Answer::Refused(ServerError::Database {
                action: "connect".into(),
                server: self.url(FIRST_DATABASE),
                source,
            }),
            // No socket yet, or Docker's proxy that takes connections before there is a server behind it.
            Err(error) => Answer::NotYet(reason(&error)),
        }
    }
}

/// What a server says to a connection.
pub(super) enum Answer {
    /// Come in.
    Open(Connection),
    /// Nothing, or that it isn't ready; with its words.
    NotYet(String),
    /// That it won't, ever.
    Refused(ServerError),
}

/// A session with a server.
pub(super) struct Connection {
    client: Box<Client>,
    address: Address,
}

impl Connection {
    /// Makes a database unless it exists; says whether it did.
    pub(super) fn create_database(&mut self, name: &str) -> Result<Created, ServerError> {
        let failed = |source| ServerError::Database {
            action: format!("create the database `{name}`"),
            server: self.address.url(FIRST_DATABASE),
            source,
        };
        let found = self.client.query_opt("SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1", &[&name]);
        if found.map_err(failed)?.is_some() {
            return Ok(Created::Before);
        }
        let statement = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
        match self.client.batch_execute(&statement) {
            Ok(()) => Ok(Created::Now),
            Err(error) if error.code() == Some(&SqlState::DUPLICATE_DATABASE) => Ok(Created::Before),
            Err(error) => Err(failed(error)),
        }
    }

    /// The server's version, if it can be read.
    pub(super) fn version(&mut self) -> Option<PgVersion> {
        let row = self.client.query_one("SHOW server_version", &[]).ok()?;
        PgVersion::parse(row.try_get(0).ok()?)
    }
}

/// When a database was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    /// It is new.
    Now,
    /// It was there.
    Before,
}

/// Percent-encodes everything but what can stand anywhere in a URL, and the slash.
///
/// tokio-postgres looks for an `@` in the whole URL and splits hosts at commas, so these must not stay as they are.
fn escape(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(char::from(*byte));
            }
            _ => {
                // Writing to a `String` can't fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use postgres::config::Host;

    #[test]
    fn a_socket_is_a_parameter_of_the_url() {
        let address = Address::Socket("/tmp/stairwell-0-ab12cd34".into());
        assert_eq!(address.url("main_dev"), "postgresql:///main_dev?host=/tmp/stairwell-0-ab12cd34&user=postgres");
    }

    #[test]
    fn a_port_is_on_the_loopback_interface() {
        assert_eq!(Address::Loopback(32768).url("main_dev"), "postgresql://postgres@127.0.0.1:32768/main_dev");
    }

    #[cfg(unix)]
    #[test]
    fn the_client_reads_back_any_folder_and_name() {
        for folder in ["/run/user/1000/x", "/tmp/it's, \"mine\" @ 100%&a=b?c#d", "/tmp/süß"] {
            let config: Config = Address::Socket(folder.into()).url("a/b @c").parse().unwrap();
            assert_eq!(config.get_hosts(), [Host::Unix(folder.into())]);
            assert_eq!(config.get_dbname(), Some("a/b @c"));
            assert_eq!(config.get_user(), Some("postgres"));
        }
    }
}
