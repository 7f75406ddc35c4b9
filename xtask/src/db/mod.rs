//! The commands, one a file.

mod down;
mod guard;
mod lock;
mod lockfile;
mod new;
mod recreate;
mod redo;
mod reset;
mod server;
mod status;
mod up;

use crate::cli::{Command, Db};
use crate::context::Context;
use crate::failure::Failure;

/// Does what the command line says.
pub(crate) fn run(db: Db) -> Result<(), Failure> {
    let context = Context::new(db.global)?;
    match db.command {
        Command::New(args) => new::run(&context, &args),
        Command::Up(args) => up::run(&context, &args),
        Command::Down(args) => down::run(&context, &args),
        Command::Redo(args) => redo::run(&context, &args),
        Command::Reset(args) => reset::run(&context, &args),
        Command::Status => status::run(&context),
        Command::Lock(args) => lock::run(&context, &args),
        Command::Server(command) => server::run(&context, command),
    }
}
