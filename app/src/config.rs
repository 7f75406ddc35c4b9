//! What the environment says.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use stairwell::postgres::{Database, DatabaseError};
use stairwell::startup::{Backoff, Policy, PolicyError};

/// All that the service has to know. `Debug` shows no password.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the service's data is: `DATABASE_URL`, or libpq's variables.
    pub database: Database,
    /// Where migrations go, past the pooler: `DATABASE_MIGRATION_URL` and what hosts of databases call it.
    pub migrations: Database,
    /// Where it listens, as `host:port`: `LISTEN_ADDR`, or every address with `PORT`.
    pub listen: String,
    /// How many connections it has at most: `POOL_SIZE`.
    pub pool_size: usize,
    /// What is done about migrations: `STAIRWELL_MIGRATIONS` and `STAIRWELL_ON_FAILURE`.
    pub policy: Policy,
    /// The environment that it runs in: `STAIRWELL_ENV`. A database that is marked with another one is left alone.
    pub environment: Option<String>,
    /// The pauses between two tries: `STAIRWELL_RETRY` is the longest, in seconds.
    pub backoff: Backoff,
    /// How long a start that may fail waits for a database: `STAIRWELL_WAIT`, in seconds.
    pub patience: Duration,
}

/// A variable that cannot be used. No message repeats a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No database is named.
    #[error(
        "no database is configured\n  = help: set DATABASE_URL, or run `cargo xtask db up` first, which starts a private one (builds with debug assertions find it)"
    )]
    NoDatabase,
    /// The connection string is wrong.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A policy is wrong.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Another variable is wrong.
    #[error("the variable `{name}` has a value that cannot be used\n  = help: it takes {takes}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What it takes.
        takes: &'static str,
    },
}

/// Where it listens unless told: this machine only, so that nobody is served by accident.
const LISTEN: &str = "127.0.0.1:8080";
const POOL_SIZE: usize = 16;

impl Config {
    /// Reads it; `variable` looks one up, and one that is empty counts as not set.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let backoff = Backoff::default();
        let most = seconds(&variable, "STAIRWELL_RETRY")?.unwrap_or(backoff.most);
        let size = number(&variable, "POOL_SIZE", "a number of connections, from 1")?;
        Ok(Self {
            database: configured(Database::from_environment(&variable)?)?,
            migrations: configured(Database::for_migrations(&variable)?)?,
            listen: listen(&variable)?,
            pool_size: size.map_or(POOL_SIZE, |size: usize| size.max(1)),
            policy: Policy::from_environment(&variable)?,
            environment: set(&variable, "STAIRWELL_ENV"),
            backoff: Backoff { first: backoff.first.min(most), most },
            patience: seconds(&variable, "STAIRWELL_WAIT")?.unwrap_or(Duration::from_secs(60)),
        })
    }
}

/// Where the service listens.
pub(crate) fn listen(variable: &dyn Fn(&str) -> Option<String>) -> Result<String, ConfigError> {
    if let Some(address) = set(variable, "LISTEN_ADDR") {
        return Ok(address);
    }
    let port: Option<u16> = number(variable, "PORT", "a port, 0 to 65535")?;
    Ok(port.map_or_else(|| LISTEN.to_owned(), |port| format!("0.0.0.0:{port}")))
}

/// A variable that is set to something.
pub(crate) fn set(variable: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn number<T: FromStr>(
    variable: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    takes: &'static str,
) -> Result<Option<T>, ConfigError> {
    set(variable, name).map(|value| value.parse().map_err(|_| ConfigError::Value { name, takes })).transpose()
}

fn seconds(variable: &dyn Fn(&str) -> Option<String>, name: &'static str) -> Result<Option<Duration>, ConfigError> {
    Ok(number(variable, name, "a whole number of seconds")?.map(Duration::from_secs))
}

/// In builds with debug assertions, without anything configured, the database that `cargo xtask db up` started.
fn configured(database: Option<Database>) -> Result<Database, ConfigError> {
    match database {
        Some(database) => Ok(database),
        None => match stairwell::local::database_url(Path::new(env!("CARGO_MANIFEST_DIR"))) {
            Some(url) => Ok(Database::parse(&url)?),
            None => Err(ConfigError::NoDatabase),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Config::from_environment(value)
    }

    const URL: (&str, &str) = ("DATABASE_URL", "postgresql://u:hunter2@pooler:6543/shop");

    #[test]
    fn migrations_and_service_may_have_an_address_each() {
        let config = of(&[URL, ("DATABASE_MIGRATION_URL", "postgresql://u:hunter2@direct/shop")]).unwrap();
        assert_eq!(config.database.to_string(), "`shop` on pooler:6543");
        assert_eq!(config.migrations.to_string(), "`shop` on direct");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn it_listens_to_this_machine_unless_told_otherwise() {
        let listen = |more: &[(&str, &str)]| of(&[&[URL], more].concat()).unwrap().listen;
        assert_eq!(listen(&[]), "127.0.0.1:8080");
        assert_eq!(listen(&[("PORT", "3000")]), "0.0.0.0:3000");
        assert_eq!(listen(&[("PORT", "3000"), ("LISTEN_ADDR", "[::1]:1")]), "[::1]:1");
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_the_variable_and_not_the_value() {
        for name in ["PORT", "POOL_SIZE", "STAIRWELL_WAIT", "STAIRWELL_RETRY", "STAIRWELL_MIGRATIONS"] {
            let error = of(&[URL, (name, "hunter2")]).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")) && error.contains("help: it takes"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
