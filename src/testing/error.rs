//! Why a test has no database.

use crate::plan::ReferenceError;
use crate::postgres::{ConnectError, DatabaseError, RunError};
use crate::server::ServerError;

/// Why a test could not get a database. `Display` says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestingError {
    /// A variable has a value that means nothing.
    #[error("the variable `{name}` is `{value}`, and should be {expected}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// There is no server.
    #[error(
        "there is no Postgres for the tests{}\n  = help: set TEST_DATABASE_URL to a server's where the tests may create databases, start a \
         Docker Engine, or install Postgres", listed(.tried)
    )]
    NoServer {
        /// For each way that was tried, its name and why it did not do.
        tried: Vec<(&'static str, String)>,
    },
    /// `TEST_DATABASE_URL` cannot be used.
    #[error("`TEST_DATABASE_URL`: {0}")]
    Url(#[from] DatabaseError),
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The project's own server does not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The migrations cannot be read.
    #[error("the migrations cannot be used\n{0}")]
    Set(String),
    /// The schema as it was is asked for, and there is no such migration.
    #[error(transparent)]
    At(#[from] ReferenceError),
    /// A migration fails.
    #[error("{0}")]
    Migration(Box<RunError>),
    /// A fixture fails.
    #[error("the fixture `{name}` fails: {reason}")]
    Fixture {
        /// Its name.
        name: String,
        /// What it said.
        reason: String,
    },
    /// The server refuses something.
    #[error("the server of the tests refuses: {reason}{}", .help.map(|help| format!("\n  = help: {help}")).unwrap_or_default())]
    Refused {
        /// The SQLSTATE.
        code: String,
        /// What it said.
        reason: String,
        /// What mends it.
        help: Option<&'static str>,
    },
    /// The server ends, and none is to be started in its place.
    #[error("{0} is ending")]
    Ending(String),
    /// A file that processes of one test run share.
    #[error("cannot {action}\n  --> {path}\n   = {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

fn listed(tried: &[(&'static str, String)]) -> String {
    tried.iter().fold(String::new(), |list, (way, why)| list + "\n   = " + way + ": " + why)
}
