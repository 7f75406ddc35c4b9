//! The example backend: an assessment service that brings its database up to date when it starts.
//!
//! `app` serves; `app migrate` applies the migrations and ends, for a container that has no Cargo; `app health` asks a running one. What it
//! needs to know is in the environment: [`Config`].
//!
//! It listens before its migrations are done, and answers `/health/live` and `/health/ready` from the first moment: whoever watches it would
//! kill it otherwise while it waits for a database that is not there yet. Everything else is answered with 503 until the start is over, and
//! from then on by what the policy says ([`stairwell::startup`]).

mod cli;
mod config;
mod error;
mod extract;
mod grading;
mod health;
mod logging;
mod migrate;
mod pool;
mod routes;
mod serve;

use std::process::ExitCode;

use clap::Parser;
use stairwell::include_dir::{self, Dir, include_dir};
use stairwell::{MigrationSet, SetError};

pub use cli::Code;
pub use config::{Config, ConfigError};

use cli::{Cli, Command, fail};

/// The folder as it was when this was built.
pub static MIGRATIONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../migrations");

/// What the ledger names as the program that applied a migration.
const PROGRAM: &str = concat!("app ", env!("CARGO_PKG_VERSION"));

/// The migrations in the binary.
pub fn migrations() -> Result<MigrationSet, SetError> {
    MigrationSet::from_embedded(&MIGRATIONS)
}

/// The program, with its arguments and its environment. Where the migrations come from is up to the caller: a test brings its own.
pub fn main(migrations: impl FnOnce() -> Result<MigrationSet, SetError>) -> ExitCode {
    let arguments = Cli::parse();
    if let Err(error) = logging::start(&|name| std::env::var(name).ok()) {
        return fail(Code::Usage, &error);
    }
    let variable = |name: &str| std::env::var(name).ok();
    if let Some(Command::Health { probe }) = &arguments.command {
        return health::ask(*probe, &variable);
    }
    let config = match Config::from_environment(variable) {
        Ok(config) => config,
        Err(error) => return fail(Code::Usage, &error),
    };
    let set = match migrations() {
        Ok(set) => set,
        Err(error) => return fail(Code::Files, &error),
    };
    match arguments.command {
        Some(Command::Migrate(migrate)) => migrate::run(&config, &set, migrate.what),
        Some(Command::Serve | Command::Health { .. }) | None => serve::run(config, set),
    }
}
