//! Arguments and exit codes.

use std::fmt::Display;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

const MORE: &str = "\
Environment:
  DATABASE_URL            where the service's data is; without it libpq's PGHOST, PGDATABASE, …
  DATABASE_MIGRATION_URL  where migrations go, if that is another address: past the pooler
  LISTEN_ADDR, PORT       127.0.0.1:8080 by default; PORT alone means every address of the machine
  POOL_SIZE               connections of the service, 16 by default
  STAIRWELL_MIGRATIONS    run (the default), verify (write nothing, wait for somebody else), off
  STAIRWELL_ON_FAILURE    degrade (the default: serve all the same, and try again), abort,
                          degrade-transient (abort only for what will not pass by itself)
  STAIRWELL_ENV           the environment, such as staging: a database marked with another one
                          (`cargo xtask db protect`) is left alone
  STAIRWELL_WAIT          how long `abort` and `app migrate` wait for a server, in seconds; 60
  STAIRWELL_RETRY         the longest pause between two tries in the background, in seconds; 60
  RUST_LOG                info by default

Exit codes:
  0  done
  1  a migration failed, or contradicts the database
  2  arguments or configuration make no sense
  3  the migrations in this program are not in order
  4  there is no connection to the database
  5  refused, to keep data safe";

/// An assessment service. It applies its migrations when it starts, and keeps serving when they fail.
#[derive(Debug, Parser)]
#[command(
    name = "app",
    bin_name = "app",
    version = concat!(env!("CARGO_PKG_VERSION"), " (migrations up to ", env!("STAIRWELL_HEAD"), ")"),
    after_help = MORE
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until told to stop; the default
    Serve,
    /// Bring the database to another version, and end
    Migrate(MigrateArguments),
    /// Ask the service that runs here how it is; ends with 0 if well, and with 1 if not
    Health {
        /// What to ask
        #[arg(value_enum, default_value_t = Probe::Ready)]
        probe: Probe,
    },
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    #[command(subcommand)]
    pub(crate) what: Option<Migrate>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Apply what is pending; the default
    Up {
        /// Apply also what loses data
        #[arg(long)]
        allow_destructive: bool,
    },
    /// Undo the newest, down to a version that stays
    Down {
        /// The version that stays, or `base` to undo all
        #[arg(long, value_name = "VERSION")]
        to: String,
        /// The name of the environment that the database is marked with, or else of the database, since what the migrations made is
        /// dropped with the data in it
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
    /// Show what is applied and what is pending
    Status {
        /// End with 1 unless everything is applied
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Probe {
    /// Whether it may be sent requests
    Ready,
    /// Whether the process works
    Live,
}

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A migration failed, or contradicts the database.
    Failed = 1,
    /// Arguments or configuration make no sense.
    Usage = 2,
    /// The migrations in this program are not in order.
    Files = 3,
    /// There is no connection to the database.
    NoDatabase = 4,
    /// Refused, to keep data safe.
    Refused = 5,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Says why, and ends with this code.
pub(crate) fn fail(code: Code, error: &dyn Display) -> ExitCode {
    let text = error.to_string();
    // What comes from a script is headed already.
    let heading = if text.starts_with("error[") { "" } else { "error: " };
    eprintln!("{heading}{text}");
    code.into()
}
