//! Which server and which database.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use tokio::runtime::Handle;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::error::ConnectError;
use super::pairs::{begins_with_pair, plain_pairs};
use super::passfile;
use super::tls::{self, Connector, Tls, TlsSettingError, Tries};
use super::url::plain_query;

/// Where to connect. Neither `Display` nor `Debug` shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Database {
    config: Config,
    tls: Tls,
}

/// A connection string or variable that cannot be used. No message repeats a value: it may be the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The scheme is not Postgres'.
    #[error(
        "`{0}://` is not a Postgres URL\n  = help: write `postgresql://user:password@host:5432/database`; `postgres://` and SQLAlchemy's `postgresql+driver://` work, too"
    )]
    Scheme(String),
    /// Neither a URL nor `key=value` pairs.
    #[error(
        "the connection string cannot be read: {0}\n  = help: write `postgresql://user:password@host:5432/database`, with `%40` for an `@` and `%2F` for a `/` in user or password"
    )]
    Syntax(String),
    /// A parameter that nobody knows.
    #[error(
        "unknown parameter `{0}` in the connection string\n  = help: remove it; what libpq calls a connection parameter is understood"
    )]
    Parameter(String),
    /// What is said about TLS cannot be done.
    #[error(transparent)]
    Tls(#[from] TlsSettingError),
    /// A variable that holds a connection string which cannot be used.
    #[error("`{name}`: {error}")]
    In {
        /// Its name.
        name: &'static str,
        /// What is wrong with the string.
        error: Box<DatabaseError>,
    },
    /// A variable whose value is wrong.
    #[error("the variable `{name}` has a value that cannot be used: {why}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}

impl Database {
    /// Reads `postgresql://…` (also `postgres://` and, as SQLAlchemy writes it, `postgresql+asyncpg://`) or libpq's `key=value …`.
    pub fn parse(text: &str) -> Result<Self, DatabaseError> {
        let text = text.trim();
        let mut tls = Tls::default();
        let url = text.split_once("://").filter(|_| !begins_with_pair(text));
        let plain = match url {
            Some((scheme, rest)) => {
                let base = scheme.split('+').next().unwrap_or_default().to_ascii_lowercase();
                if !matches!(base.as_str(), "postgres" | "postgresql") {
                    // What stands there may be a password if the string is garbled; a scheme has letters and few others.
                    let shown = if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b)) {
                        scheme
                    } else {
                        "…"
                    };
                    return Err(DatabaseError::Scheme(shown.to_owned()));
                }
                // A second one belongs to the password, and what stands behind it would be taken for the host and shown.
                if rest.matches('@').count() > 1 {
                    return Err(DatabaseError::Syntax("there is more than one `@`".to_owned()));
                }
                format!("postgresql://{}", plain_query(rest, &mut tls)?)
            }
            None => plain_pairs(text, &mut tls)?,
        };
        let mut config: Config = plain.parse().map_err(|error: tokio_postgres::Error| {
            // The inner error names the key and never the value.
            let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            DatabaseError::Syntax(if url.is_some() { why } else { "expected `key=value` pairs or a URL".to_owned() })
        })?;
        tls.check()?;
        tls.apply(&mut config);
        Ok(Self { config, tls })
    }

    /// What libpq's variables say (`PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, …), or `None` where they name no server
    /// and no database. `variable` looks one up.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, DatabaseError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if set("PGSERVICE").is_some() {
            return Err(DatabaseError::Variable {
                name: "PGSERVICE",
                why: "service files are not read; set PGHOST, PGUSER and PGDATABASE, or DATABASE_URL",
            });
        }
        if ["PGHOST", "PGHOSTADDR", "PGDATABASE"].iter().all(|name| set(name).is_none()) {
            return Ok(None);
        }
        Self { config: Config::new(), tls: Tls::default() }.with_defaults(variable).map(Some)
    }

    /// Fills what the connection string left open from libpq's variables, the password file and libpq's own defaults.
    ///
    /// A URL that names a host and no port means 5432, whatever `PGPORT` says.
    pub fn with_defaults(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, DatabaseError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let config = &mut self.config;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            if let Some(address) = set("PGHOSTADDR") {
                config.hostaddr(
                    address
                        .parse::<IpAddr>()
                        .map_err(|_| DatabaseError::Variable { name: "PGHOSTADDR", why: "it is no IP address" })?,
                );
            }
            match set("PGHOST") {
                Some(hosts) => hosts.split(',').for_each(|host| {
                    config.host(host);
                }),
                None if config.get_hostaddrs().is_empty() => {
                    let sockets = ["/var/run/postgresql", "/tmp"]
                        .into_iter()
                        .find(|dir| Path::new(dir).join(".s.PGSQL.5432").exists());
                    config.host(sockets.unwrap_or("localhost"));
                }
                None => {}
            }
        }
        if config.get_ports().is_empty()
            && let Some(port) = set("PGPORT")
        {
            config.port(
                port.parse().map_err(|_| DatabaseError::Variable { name: "PGPORT", why: "it is no port number" })?,
            );
        }
        if config.get_user().is_none()
            && let Some(user) = set("PGUSER")
        {
            config.user(user);
        }
        if config.get_dbname().is_none()
            && let Some(name) = set("PGDATABASE")
        {
            config.dbname(name);
        }
        if config.get_options().is_none()
            && let Some(options) = set("PGOPTIONS")
        {
            config.options(options);
        }
        if config.get_connect_timeout().is_none()
            && let Some(seconds) = set("PGCONNECT_TIMEOUT")
        {
            let seconds: u64 = seconds.parse().map_err(|_| DatabaseError::Variable {
                name: "PGCONNECT_TIMEOUT",
                why: "it is no number of seconds",
            })?;
            if seconds > 0 {
                config.connect_timeout(std::time::Duration::from_secs(seconds));
            }
        }
        self.tls.fill(&set)?;
        self.tls.apply(&mut self.config);
        if self.config.get_password().is_none() {
            let password = set("PGPASSWORD").or_else(|| passfile::password(&self, &set));
            if let Some(password) = password {
                self.config.password(password);
            }
        }
        Ok(self)
    }

    /// The database's name: as given, or the user's as Postgres has it.
    pub fn name(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or("postgres")
    }

    /// The role to connect as, if one is given.
    pub fn user(&self) -> Option<&str> {
        self.config.get_user()
    }

    /// Another database on the same server, as the same role.
    #[must_use]
    pub fn with_name(&self, name: &str) -> Self {
        let mut database = self.clone();
        database.config.dbname(name);
        database
    }

    /// The same under this name in `pg_stat_activity`, unless it has one.
    pub(crate) fn with_application(&self, name: &str) -> Self {
        let mut database = self.clone();
        if database.config.get_application_name().is_none() {
            database.config.application_name(name);
        }
        database
    }

    /// The hosts as a person reads them: names, addresses, or a socket's folder.
    pub fn hosts(&self) -> Vec<String> {
        let named = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        let mut hosts: Vec<String> = named.collect();
        if hosts.is_empty() {
            hosts.extend(self.config.get_hostaddrs().iter().map(ToString::to_string));
        }
        hosts
    }

    /// The port of the first host.
    pub fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(5432)
    }

    /// Whether every host is this machine: a socket, `localhost`, or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let host_is_local = |host: &Host| match host {
            Host::Tcp(name) => {
                name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        };
        let addresses = self.config.get_hostaddrs();
        // An address, where given, is where the connection goes, whatever the name beside it says.
        if addresses.is_empty() {
            !self.config.get_hosts().is_empty() && self.config.get_hosts().iter().all(host_is_local)
        } else {
            addresses.iter().all(IpAddr::is_loopback)
        }
    }

    /// A plain connection with the blocking client, for whatever an app or a test has to ask.
    ///
    /// Call it outside of an async runtime, as all of the `postgres` crate: on a thread that is not the runtime's.
    pub fn connect(&self) -> Result<postgres::Client, ConnectError> {
        if Handle::try_current().is_ok() {
            return Err(ConnectError::inside_runtime(self));
        }
        let mut tries = Tries::of(self)?;
        while let Some(next) = tries.next() {
            match postgres::Config::from(next.config.clone()).connect(next.connector.clone()) {
                Ok(client) => return Ok(client),
                Err(error) => tries.failed(&next, &error),
            }
        }
        Err(tries.into_error())
    }

    /// The same, where each try to connect ends after this time at the latest, unless the connection string has a time of its own.
    #[cfg(feature = "startup")]
    pub(crate) fn connecting_within(&self, most: std::time::Duration) -> Self {
        let mut database = self.clone();
        if database.config.get_connect_timeout().is_none() {
            database.config.connect_timeout(most);
        }
        database
    }

    /// What a pool of the app's own makes its connections with: the configuration, and what makes TLS connections where they are to
    /// be ones. A server's certificate is verified as for every other connection of this database.
    ///
    /// A pool makes a connection in one try, so two things are otherwise: `sslmode=allow` is as `prefer`, and neither falls back to a
    /// connection without TLS where the server has TLS and the handshake fails. Files are read once: make a new pool for a new certificate. A socket
    /// beside hosts that are to have TLS is passed over.
    ///
    /// Fails if a file cannot be used that the settings name or need.
    ///
    /// ```no_run
    /// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
    /// let (config, connector) = stairwell::postgres::Database::parse("postgresql://ann@db.example/shop")?.pool_parts()?;
    /// // deadpool-postgres: `Manager::new(config, connector)`; or without a pool:
    /// let (client, connection) = config.connect(connector).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pool_parts(&self) -> Result<(Config, Connector), ConnectError> {
        tls::pool_parts(self)
    }

    /// What a connection is made of.
    pub(super) fn settings(&self) -> (&Config, &Tls) {
        (&self.config, &self.tls)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on {}", self.name(), self.hosts().join(", "))?;
        match self.port() {
            5432 => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(text: &str) -> Database {
        Database::parse(text).unwrap()
    }

    #[test]
    fn the_schemes_of_other_tools_are_understood() {
        for scheme in
            ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2", "postgres+psycopg", "POSTGRESQL"]
        {
            let database = database(&format!("{scheme}://u:p@db.example:6432/shop?statement_cache_size=0"));
            assert_eq!(
                (database.name(), database.port(), database.hosts()),
                ("shop", 6432, vec!["db.example".to_owned()])
            );
        }
        assert_eq!(Database::parse("mysql://u@h/d"), Err(DatabaseError::Scheme("mysql".into())));
    }

    #[test]
    fn no_text_shows_the_password() {
        let secrets = [
            "postgresql://u:hunter2@h/d",
            "postgresql://u:hunter2%40@h/d?host=/tmp",
            "host=h user=u password=hunter2",
            "postgres://h/d?password=hunter2",
        ];
        for text in secrets {
            let database = database(text);
            assert!(!format!("{database} {database:?} {database:#?}").contains("hunter2"), "{text}");
        }
        for text in [
            "password=hunter2 bogus",
            "postgresql://u:hunter2@h:port/d",
            "hunter2://u",
            "host=db passwrd=hunter2://u",
            "SHOP_URL=postgres://u:hunter2@h/d",
            "hunter2",
            "postgresql://u:hunter2@h/d?bogus=hunter2",
        ] {
            let error = Database::parse(text).map(|_| ()).unwrap_err();
            assert!(text == "hunter2://u" || !format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_the_string_leaves_open_comes_from_libpqs_variables() {
        let variable = |name: &str| {
            Some(
                match name {
                    "PGHOST" => "/run/sockets",
                    "PGPORT" => "5433",
                    "PGUSER" => "ann",
                    "PGDATABASE" => "shop",
                    "PGPASSWORD" => "hunter2",
                    _ => return None,
                }
                .to_owned(),
            )
        };
        let all = Database::from_variables(variable).unwrap().unwrap();
        assert_eq!(all.to_string(), "`shop` on /run/sockets:5433");
        let given = database("postgresql://bob@other/x").with_defaults(variable).unwrap();
        assert_eq!((given.to_string(), given.user()), ("`x` on other".to_owned(), Some("bob")));
        assert_eq!(Database::from_variables(|_| None), Ok(None));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for text in [
            "postgresql://localhost/d",
            "postgresql://127.0.0.9/d",
            "postgresql://[::1]/d",
            "postgresql:///d?host=/tmp",
            "host=localhost",
        ] {
            assert!(database(text).is_loopback(), "{text}");
        }
        for text in [
            "postgresql://db/d",
            "postgresql://localhost,db/d",
            "postgresql://10.0.0.1/d",
            "postgresql://localhost/d?hostaddr=10.0.0.1",
            "postgresql://localhost.example.com/d",
        ] {
            assert!(!database(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn inside_a_runtime_the_blocking_client_says_how_to_call_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let error = runtime.block_on(async { database("postgresql://localhost/d").connect().err().unwrap() });
        assert!(error.to_string().contains("postgres::spawn"), "{error}");
    }
}
