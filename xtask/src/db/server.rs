//! `db server`: the private Postgres that serves while no database is configured.

use crate::cli::Server;
use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::server::Status;
use crate::terminal::say;

pub(super) fn run(context: &Context, command: Server) -> Result<(), Failure> {
    let server = context.server()?;
    match command {
        Server::Start => println!("{}", server.ensure(&mut |line| say(line))?),
        Server::Stop => {
            if !server.stop(&mut |line| say(line))? {
                say("it does not run");
            }
        }
        Server::Status => println!("{}", server.status()?),
        Server::Url => match server.status()? {
            Status::Running { url, .. } => println!("{url}"),
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
