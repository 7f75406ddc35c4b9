//! Postgres migrations that are part of your Cargo build.
//!
//! Three crates of a workspace use this one:
//!
//! * the app's `build.rs` calls [`build::check`], which turns every defect of the migrations folder into a compile error;
//! * the app embeds the folder with [`include_dir!`](https://docs.rs/include_dir) (feature `embed`), and applies it when it starts with
//!   `startup::Startup` (feature `startup`: async, by policy, with health) or `postgres::Migrator` (feature `postgres`);
//! * the `xtask` member, crate `stairwell-xtask`, gives `cargo xtask db …`. What it compares schemas with is `schema` (feature `schema`):
//!   a database's catalog as a value, the statements between two of them, and their proof on scratch databases.
//!
//! Tests get a migrated database each from `testing` (feature `testing`).
//!
//! Without features it is what a build script wants to compile: no Postgres client, no async runtime.
//!
//! Deciding is pure and doing is thin: files become a [`MigrationSet`], a set and what the database has become a [`Plan`], and a plan
//! is run.
//!
//! ```
//! use stairwell::{Inspection, Rule};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("1_create_users.up.sql"), "CREATE TABLE users (id bigint PRIMARY KEY);")?;
//! let found: Inspection = stairwell::inspect(folder.path())?;
//! assert_eq!(found.findings[0].rule, Rule::MissingDown);
//! # Ok(())
//! # }
//! ```
//!
//! What it does not do: it is no ORM, it has no migrations in Rust code, and it knows no database but Postgres (12 and later). The
//! lexer in [`sql`] tells where statements begin and what they do to a transaction, and nothing more: what is sent to the server is
//! the script as it stands.

pub mod build;
mod checksum;
mod diagnostic;
mod directory;
#[cfg(feature = "embed")]
mod embedded;
pub mod local;
pub mod lock;
pub mod migration;
mod parallel;
pub mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "server")]
pub mod server;
mod set;
pub mod sql;
#[cfg(feature = "startup")]
pub mod startup;
#[cfg(feature = "testing")]
pub mod testing;
mod version;

pub use checksum::{Checksum, ChecksumError};
pub use diagnostic::{Color, Diagnostic, Rule, Severity};
pub use directory::{FolderError, inspect};
#[cfg(feature = "embed")]
pub use embedded::inspect as inspect_embedded;
#[cfg(feature = "embed")]
pub use include_dir;
pub use plan::{OutOfOrder, Plan, Target};
pub use set::{Findings, Inspection, MigrationSet, SetError};
#[cfg(feature = "testing")]
pub use stairwell_macros::test;
pub use version::{Version, VersionError};
