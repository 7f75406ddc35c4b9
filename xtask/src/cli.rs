//! The command line: what `--help` teaches.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::db::Command;
use crate::failure::{Code, Failure};

/// Tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", version, about = "Tasks of this workspace", max_term_width = 100)]
pub(crate) struct Xtask {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Database migrations
    #[command(long_about = ABOUT, after_help = AFTER, after_long_help = AFTER)]
    Db(Db),
}

const ABOUT: &str = "Database migrations.

A migration is a pair of files in `migrations/`: `<version>_<name>.up.sql` applies it, `<version>_<name>.down.sql` undoes it. \
`migrations/stairwell.lock` holds the digest of each that was accepted; commit it, as you do Cargo.lock.

    cargo xtask db new create_users   # writes both files; edit them
    cargo xtask db up                 # applies what is pending, and locks it
    cargo xtask db redo               # undoes the newest and applies it as it is now";

const AFTER: &str = "Which database, the first of these that is set:
  --database-url <URL>; a variable that goes past a pooler: DATABASE_MIGRATION_URL, DATABASE_URL_UNPOOLED,
  DATABASE_DIRECT_URL, DIRECT_DATABASE_URL, DIRECT_URL, POSTGRES_URL_NON_POOLING; DATABASE_URL; libpq's
  (PGHOST, …). `.env` is read. With none of them, a private Postgres of this project's own, under target/
  (see `db server`).

Exit codes:
  0  done, or nothing to do
  1  a migration failed, or contradicts what the database has; the message says what is true now.
     With --check: the answer is no
  2  the arguments or the configuration make no sense
  3  the files or their lock are not in order; nothing was run
  4  no connection to the database
  5  refused, to keep data safe";

#[derive(Debug, Args)]
pub(crate) struct Db {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The migrations folder [default: `migrations` in the workspace's folder]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Where")]
    pub(crate) dir: Option<PathBuf>,
    /// The database: `postgresql://user:password@host:5432/name`. Other users of this machine can see arguments; a variable or
    /// `.env` keeps a password from them
    #[arg(long, global = true, value_name = "URL", help_heading = "Where")]
    pub(crate) database_url: Option<String>,
}

/// Reads this process' arguments. Help, and what clap says of arguments that make no sense, is printed and ends the process.
///
/// clap repeats such an argument, and a URL among them may hold a password: that comes back as a failure that repeats nothing.
pub(crate) fn parse() -> Result<Xtask, Failure> {
    Xtask::try_parse().map_err(|error| {
        let has_url = std::env::args_os().any(|argument| argument.to_string_lossy().contains("://"));
        if !has_url || !error.use_stderr() {
            error.exit();
        }
        Failure::new(
            Code::Usage,
            "the arguments make no sense, and are not repeated because a URL is among them\n  \
             = help: a database is named by `--database-url <URL>`, or the variable DATABASE_URL; `--help` shows the rest",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every page, as `--help` prints it.
    #[test]
    fn help_teaches() {
        fn pages(command: &mut clap::Command, out: &mut String) {
            let name = command.get_bin_name().unwrap_or_default().to_owned();
            let help = command.render_long_help().to_string();
            out.extend(["$ ", &name, " --help\n", &help, "\n"]);
            let names: Vec<String> =
                command.get_subcommands().map(|c| c.get_name().to_owned()).filter(|name| name != "help").collect();
            for name in names {
                if let Some(sub) = command.find_subcommand_mut(&name) {
                    pages(sub, out);
                }
            }
        }
        let mut command = Xtask::command().term_width(100);
        command.build();
        let mut out = String::new();
        pages(&mut command, &mut out);
        insta::assert_snapshot!(out);
    }

    #[test]
    fn the_command_line_is_consistent() {
        Xtask::command().debug_assert();
    }
}
