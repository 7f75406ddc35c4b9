//! `db server`: the private Postgres that serves while no database is configured.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::json;
use crate::options::{Format, Output};
use crate::terminal::{print, say};
use stairwell::server::{Home, Status};

const HELP: &str = "\
It listens on a Unix socket that only you can reach, and on no port. Its data is under target/, so `cargo clean` removes it; it is \
for development, and a crash of the machine may lose it (fsync is off). Where no Postgres is installed and Docker runs, it is a \
container. STAIRWELL_PG_BIN names the folder of the binaries to use, STAIRWELL_PG_IMAGE the image.";

/// The private Postgres that serves while no database is configured
#[derive(Debug, Clone, Copy, Subcommand)]
#[command(after_long_help = HELP)]
pub(crate) enum Args {
    /// Start it, or find it running, and print its URL
    Start,
    /// Stop it; its data stays
    Stop,
    /// Say whether it runs, and where its data and log are
    Status {
        #[command(flatten)]
        output: Output,
    },
    /// Print the URL of the running server's database, for psql and other tools
    Url,
}

/// What `status` prints as JSON.
#[derive(Debug, Serialize)]
struct Document {
    state: &'static str,
    url: Option<String>,
    pid: Option<u32>,
    postgres: Option<String>,
    data: Option<PathBuf>,
    log: Option<PathBuf>,
    container: Option<String>,
    reason: Option<String>,
}

impl Document {
    fn of(status: &Status) -> Self {
        let home = match status {
            Status::NotCreated { .. } => None,
            Status::Stopped { home } | Status::Busy { home, .. } | Status::Running { home, .. } => Some(home),
        };
        let (data, log, container) = match home {
            Some(Home::Folder { data, log }) => (Some(data.clone()), Some(log.clone()), None),
            Some(Home::Container { name }) => (None, None, Some(name.clone())),
            None => (None, None, None),
        };
        let found = Self { state: "", url: None, pid: None, postgres: None, data, log, container, reason: None };
        match status {
            Status::NotCreated { .. } => Self { state: "not_created", ..found },
            Status::Stopped { .. } => Self { state: "stopped", ..found },
            Status::Busy { reason, .. } => Self { state: "busy", reason: Some(reason.clone()), ..found },
            Status::Running { pid, version, url, .. } => Self {
                state: "running",
                url: Some(url.clone()),
                pid: *pid,
                postgres: version.map(|version| version.to_string()),
                ..found
            },
        }
    }
}

pub(super) fn run(context: &Context, command: Args) -> Result<(), Failure> {
    let server = context.server()?;
    match command {
        Args::Start => print(format_args!("{}\n", server.ensure(&mut |line| say(line))?))?,
        Args::Stop => {
            if !server.stop(&mut |line| say(line))? {
                say("it does not run");
            }
        }
        Args::Status { output } => {
            let status = server.status()?;
            match output.format() {
                Format::Text => print(format_args!("{status}\n"))?,
                Format::Json => json::print("server status", &Document::of(&status))?,
            }
        }
        Args::Url => match server.status()? {
            Status::Running { url, .. } => print(format_args!("{url}\n"))?,
            _ => {
                return Err(Failure::new(
                    Code::NoDatabase,
                    "the private server does not run\n  = help: `cargo xtask db server start` starts it and prints the URL",
                ));
            }
        },
    }
    if context.configured()?.is_some() {
        say("note: a database is configured, so the other commands use that one and not the private server");
    }
    Ok(())
}
