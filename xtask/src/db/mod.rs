//! The commands, one a file.

mod backup;
mod check;
mod completions;
mod create;
mod current;
mod diff;
mod doctor;
mod down;
mod drop;
mod dry_run;
mod dump;
mod guard;
mod history;
#[cfg(feature = "lint")]
mod lint;
mod lock;
pub(crate) mod lockfile;
mod losses;
mod new;
mod protect;
mod rebase;
mod recreate;
mod redo;
mod repair;
mod reset;
mod server;
mod shell;
mod show;
mod sql;
mod squash;
mod stamp;
mod status;
mod unprotect;
mod up;
mod url;
pub(crate) mod view;
mod wait;

use clap::Subcommand;

pub(crate) use self::up::migrator;

use crate::cli::Db;
use crate::context::Context;
use crate::failure::Failure;

/// The menu. What a command does, takes and says is in its file.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // The aliases are Alembic's.
    #[command(alias = "revision")]
    New(new::Args),
    #[command(alias = "upgrade")]
    Up(up::Args),
    #[command(alias = "downgrade")]
    Down(down::Args),
    Redo(redo::Args),
    Reset(reset::Args),
    Status(status::Args),
    Current(current::Args),
    History(history::Args),
    Show(show::Args),
    Sql(sql::Args),
    Diff(diff::Args),
    Dump(dump::Args),
    Check(check::Args),
    #[cfg(feature = "lint")]
    Lint(lint::Args),
    Doctor(doctor::Args),
    Stamp(stamp::Args),
    Repair(repair::Args),
    Protect(protect::Args),
    Unprotect(unprotect::Args),
    Lock(lock::Args),
    Rebase(rebase::Args),
    Squash(squash::Args),
    Wait(wait::Args),
    Create(create::Args),
    Drop(drop::Args),
    Shell(shell::Args),
    Url(url::Args),
    #[command(subcommand)]
    Server(server::Args),
    Completions(completions::Args),
}

/// Does what the command line says.
pub(crate) fn run(db: Db) -> Result<(), Failure> {
    // Of no project in particular, and not to be stopped by an `.env`.
    if let Command::Completions(args) = &db.command {
        return completions::run(args);
    }
    let context = Context::new(db.global)?;
    match db.command {
        Command::New(args) => new::run(&context, &args),
        Command::Up(args) => up::run(&context, &args),
        Command::Down(args) => down::run(&context, &args),
        Command::Redo(args) => redo::run(&context, &args),
        Command::Reset(args) => reset::run(&context, &args),
        Command::Status(args) => status::run(&context, &args),
        Command::Current(args) => current::run(&context, &args),
        Command::History(args) => history::run(&context, &args),
        Command::Show(args) => show::run(&context, &args),
        Command::Sql(args) => sql::run(&context, &args),
        Command::Diff(args) => diff::run(&context, &args),
        Command::Dump(args) => dump::run(&context, &args),
        Command::Check(args) => check::run(&context, &args),
        #[cfg(feature = "lint")]
        Command::Lint(args) => lint::run(&context, &args),
        Command::Doctor(args) => doctor::run(&context, &args),
        Command::Stamp(args) => stamp::run(&context, &args),
        Command::Repair(args) => repair::run(&context, &args),
        Command::Protect(args) => protect::run(&context, &args),
        Command::Unprotect(args) => unprotect::run(&context, &args),
        Command::Lock(args) => lock::run(&context, &args),
        Command::Rebase(args) => rebase::run(&context, &args),
        Command::Squash(args) => squash::run(&context, &args),
        Command::Wait(args) => wait::run(&context, &args),
        Command::Create(args) => create::run(&context, &args),
        Command::Drop(args) => drop::run(&context, &args),
        Command::Shell(args) => shell::run(&context, &args),
        Command::Url(args) => url::run(&context, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Server(args) => server::run(&context, args),
    }
}
