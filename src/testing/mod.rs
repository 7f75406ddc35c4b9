//! A migrated database for each test, in the time that a copy takes.
//!
//! ```no_run
//! use stairwell::include_dir::{Dir, include_dir};
//! use stairwell::testing::TestDatabase;
//!
//! static MIGRATIONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/migrations");
//!
//! # fn hidden() {
//! let db = TestDatabase::new(&MIGRATIONS);
//! db.client().execute("INSERT INTO users (email) VALUES ('ann@example.org')", &[]).unwrap();
//! # }
//! ```
//!
//! The server is the first of: `TEST_DATABASE_URL`; a container, through testcontainers (feature `testcontainers`); the Postgres that is
//! installed here, as a private server. It is one for all processes of a test run, and ends by itself when the last has ended, however that was.
//!
//! The schema is made once, in a template that the digest of the migrations names, and copied for each test. When a test ends its database is
//! dropped, and nobody waits for that; what a killed process left over is dropped by the next.
//!
//! | variable | meaning |
//! |---|---|
//! | `TEST_DATABASE_URL` | the server to use; its role has to be allowed to create databases |
//! | `STAIRWELL_TEST_SERVER` | `url`, `docker` or `local`: that one or none |
//! | `STAIRWELL_TEST_IMAGE` | the image of a container (`postgres:17`) |
//! | `STAIRWELL_TEST_KEEP` | `always`, `failed` or `never`: whose databases stay for an hour; `failed`, and `never` where `CI` is set |
//!
//! It needs PostgreSQL 13 or later, since before that nobody can drop a database that somebody is connected to.

mod assertions;
mod database;
mod environment;
mod error;
mod fixture;
mod kept;
mod migrations;
mod pool;
mod run;
mod server;
mod spare;
mod template;
mod thread;

pub use assertions::{assert_reversible, assert_schema};
pub use database::{Builder, TestDatabase};
pub use environment::Keep;
pub use error::TestingError;
pub use migrations::Migrations;
pub use run::{Outcome, run, run_async};

use std::sync::Arc;

use crate::postgres::Database;

/// The server of this process' tests, which is found or started now: a database that nobody drops, for tests that make their databases
/// themselves.
pub fn server() -> Result<&'static Database, Arc<TestingError>> {
    thread::blocking(server::server).map(|server| &server.admin)
}
