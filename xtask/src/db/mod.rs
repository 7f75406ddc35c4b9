//! The commands, one a file.

mod down;
mod guard;
mod lock;
mod lockfile;
mod new;
mod rebase;
mod recreate;
mod redo;
mod reset;
mod server;
mod status;
mod up;

use clap::Subcommand;

use crate::cli::Db;
use crate::context::Context;
use crate::failure::Failure;

/// The menu. What a command does, takes and says is in its file.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    New(new::Args),
    Up(up::Args),
    Down(down::Args),
    Redo(redo::Args),
    Reset(reset::Args),
    Status(status::Args),
    Lock(lock::Args),
    Rebase(rebase::Args),
    #[command(subcommand)]
    Server(server::Args),
}

/// Does what the command line says.
pub(crate) fn run(db: Db) -> Result<(), Failure> {
    let context = Context::new(db.global)?;
    match db.command {
        Command::New(args) => new::run(&context, &args),
        Command::Up(args) => up::run(&context, &args),
        Command::Down(args) => down::run(&context, &args),
        Command::Redo(args) => redo::run(&context, &args),
        Command::Reset(args) => reset::run(&context, &args),
        Command::Status(args) => status::run(&context, &args),
        Command::Lock(args) => lock::run(&context, &args),
        Command::Rebase(args) => rebase::run(&context, &args),
        Command::Server(args) => server::run(&context, args),
    }
}
