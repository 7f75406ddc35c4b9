//! `db server`: the private Postgres that serves while no database is configured.

use clap::Subcommand;

use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::server::Status;
use crate::terminal::{print, say};

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
    Status,
    /// Print the URL of the running server's database, for psql and other tools
    Url,
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
        Args::Status => print(format_args!("{}\n", server.status()?))?,
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
