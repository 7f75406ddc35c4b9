//! `cargo xtask db …`: Postgres migrations that are part of your Cargo build, on the command line.
//!
//! A workspace has it with one member whose `src/main.rs` is
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     stairwell_xtask::main()
//! }
//! ```
//!
//! and with this in `.cargo/config.toml`:
//!
//! ```toml
//! [alias]
//! xtask = "run --package xtask --"
//! ```
//!
//! It never depends on the app: a broken migration fails the app's build, and must not stop the command that mends it.

mod cli;
mod context;
mod db;
mod failure;
mod git;
mod json;
#[cfg(feature = "lint")]
mod lint;
mod options;
mod schema;
mod settings;
mod spelling;
mod terminal;

use std::process::ExitCode;

/// Reads the arguments of this process, does what they say, and gives its exit code (documented in `cargo xtask db --help`).
pub fn main() -> ExitCode {
    let outcome = cli::parse().and_then(|xtask| {
        let cli::Task::Db(db) = xtask.task;
        db::run(db)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::print_failure(&failure);
            ExitCode::from(failure.code.number())
        }
    }
}
