//! The command line: what `--help` teaches.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use stairwell::migration::parse_duration;
use stairwell::postgres::{Migrator, Transactions};
use stairwell::{Target, Version};

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
  --database-url <URL>, DATABASE_URL, DATABASE_URL in `.env`, libpq's variables (PGHOST, …).
  With none of them, a private Postgres of this project's own, under target/ (see `db server`).

Exit codes:
  0  done, or nothing to do
  1  a migration failed, or contradicts what the database has; the message says what is true now
  2  the arguments or the configuration make no sense
  3  the files or their lock are not in order; nothing was run
  4  no connection to the database
  5  refused, to keep data safe";

const NEW: &str = "\
The version is the UTC time, and later than the newest there is. Nothing is overwritten.

The script runs in one transaction with its row in the ledger. In the comments at its top, one a line:
  -- stairwell: no-transaction            one statement that cannot run in a transaction, such as
                                          CREATE INDEX CONCURRENTLY
  -- stairwell: irreversible <reason>     there is no way back; delete the down file
  -- stairwell: destructive <reason>      it drops or overwrites data knowingly; without
                                          this, an up script that does so is refused
  -- stairwell: lock-timeout <duration>   how long a statement may wait for a lock, such as 30s
  -- stairwell: allow <rule> <reason>     silences a rule in this script: `empty`,
                                          `session-state`, `enum-value-used` or `opaque-sql`";

const UP: &str = "\
Each migration and its row in the ledger commit together, so an interrupted run leaves whole migrations and is simply run again. \
Of two runs at once one waits for the other.

Examples:
  cargo xtask db up                      everything
  cargo xtask db up 1                    only the next one
  cargo xtask db up --to 20261121093000  up to that version, and it as well
  cargo xtask db up --locked             as in CI: fails if something is not locked";

const DOWN: &str = "\
A migration is undone by its down file; if its up file was edited since it was applied, or is not here, by the down script that the \
database kept. One that is `irreversible` stops the command before anything is undone.

Examples:
  cargo xtask db down                      the newest
  cargo xtask db down 3                    the newest three
  cargo xtask db down --to 20261121093000  back to that version, which stays
  cargo xtask db down --all                all";

const REDO: &str = "\
For a migration that you are still writing: what was applied is undone by the down script of that time, then the files are applied \
and locked as they are now. Rows that the down script drops are gone.

Examples:
  cargo xtask db redo                      the newest
  cargo xtask db redo --to 20261121093000  everything from that version on, and it as well";

const RESET: &str = "\
The files are checked first, so a broken migration costs no data. Owner, encoding and locale stay; sessions that are connected are \
ended. A database on this machine that nobody calls production is dropped without a question.";

const STATUS: &str = "\
It creates nothing, and needs no more than SELECT on the ledger.

  applied       as it is here
  pending       to be applied by the next `db up`
  EDITED        its up file was edited after it was applied here; `db up` says what to do
  MISSING       applied here, and its file is gone
  OUT OF ORDER  not applied, and older than one that is
  UNFINISHED    a script outside of a transaction is running, or was interrupted; `db up` goes on with it";

const LOCK: &str = "\
`db up` locks what it applies, so this is needed only to lock without a database, to check in CI, and to take over a history.

Examples:
  cargo xtask db lock --check    in CI: is every migration locked, and none edited?
  cargo xtask db lock --import   a history that another tool has applied so far";

const SERVER: &str = "\
It listens on a Unix socket that only you can reach, and on no port. Its data is under target/, so `cargo clean` removes it; it is \
for development, and a crash of the machine may lose it (fsync is off). Where no Postgres is installed and Docker runs, it is a \
container. STAIRWELL_PG_BIN names the folder of the binaries to use, STAIRWELL_PG_IMAGE the image.";

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

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a new migration: an up and a down file, ready to edit
    #[command(after_long_help = NEW)]
    New(New),
    /// Apply what is pending, and lock it
    #[command(after_long_help = UP)]
    Up(Up),
    /// Undo the newest migration, or more
    #[command(after_long_help = DOWN)]
    Down(Down),
    /// Undo and apply again, after an edit that has not left this machine
    #[command(after_long_help = REDO)]
    Redo(Redo),
    /// Drop the database, create it, and apply everything
    #[command(after_long_help = RESET)]
    Reset(Reset),
    /// Show what is applied and what is pending
    #[command(after_long_help = STATUS)]
    Status,
    /// Bring `stairwell.lock` up to date without running anything
    #[command(after_long_help = LOCK)]
    Lock(Lock),
    /// The private Postgres that serves while no database is configured
    #[command(subcommand, after_long_help = SERVER)]
    Server(Server),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// What it does, like `add_phone_to_users`; anything but letters and digits becomes `_`
    pub(crate) name: String,
}

/// What may change the lock.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Locked {
    /// Fail instead of changing `stairwell.lock` [implied where `CI` is set, and where it cannot be written]
    #[arg(long)]
    pub(crate) locked: bool,
}

/// The word that the guard of `db/guard.rs` wants.
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// The database's name, to confirm that its data may be lost. Needed where it is not on this machine, or is production
    /// (`STAIRWELL_ENV=production`, or `ALTER DATABASE … SET stairwell.environment = 'production'`); in a terminal it is asked for
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

impl Confirm {
    /// What was given.
    pub(crate) fn name(&self) -> Option<&str> {
        self.confirm.as_deref()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// How many to apply [default: all that are pending]
    pub(crate) count: Option<NonZeroUsize>,
    /// Apply up to this version, and it as well
    #[arg(long, value_name = "VERSION", conflicts_with = "count")]
    pub(crate) to: Option<Version>,
    /// Also apply a pending migration that is older than the newest applied one
    #[arg(long)]
    pub(crate) allow_out_of_order: bool,
    #[command(flatten)]
    pub(crate) single: Single,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) locked: Locked,
}

/// What commits together.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Single {
    /// All of them in one transaction: a failure leaves none. Locks are kept until the end
    #[arg(long)]
    single_transaction: bool,
}

impl Single {
    pub(crate) fn transactions(self) -> Transactions {
        if self.single_transaction { Transactions::Single } else { Transactions::Each }
    }
}

/// How long a run bears with locks.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Patience {
    /// How long a statement may wait for a lock, as `500ms`, `2s` or `1min`; a script's own `lock-timeout` goes before it [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    lock_timeout: Option<Duration>,
    /// How often to try a script that a lock time-out, a deadlock or a serialization failure rolled back [default: 10]
    #[arg(long, value_name = "N")]
    tries: Option<NonZeroU32>,
}

impl Patience {
    /// Passes it on.
    pub(crate) fn of(self, mut migrator: Migrator<'_>) -> Migrator<'_> {
        if let Some(timeout) = self.lock_timeout {
            migrator = migrator.lock_timeout(timeout);
        }
        if let Some(tries) = self.tries {
            migrator = migrator.tries(tries);
        }
        migrator
    }
}

fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write it as `500ms`, `2s` or `1min`, at most a day".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    /// How many to undo
    #[arg(default_value = "1")]
    pub(crate) count: NonZeroUsize,
    /// Undo what is newer than this version, which stays
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["count", "all"])]
    pub(crate) to: Option<Version>,
    /// Undo everything
    #[arg(long, conflicts_with = "count")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) single: Single,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) confirm: Confirm,
}

#[derive(Debug, Args)]
pub(crate) struct Redo {
    /// How many to undo and apply again
    #[arg(default_value = "1")]
    pub(crate) count: NonZeroUsize,
    /// Everything from this version on, and it as well
    #[arg(long, value_name = "VERSION", conflicts_with = "count")]
    pub(crate) to: Option<Version>,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) confirm: Confirm,
    #[command(flatten)]
    pub(crate) locked: Locked,
}

#[derive(Debug, Args)]
pub(crate) struct Reset {
    #[command(flatten)]
    pub(crate) confirm: Confirm,
    #[command(flatten)]
    pub(crate) locked: Locked,
}

#[derive(Debug, Args)]
pub(crate) struct Lock {
    /// Change nothing; exit with 3 if the lock is not up to date
    #[arg(long, conflicts_with_all = ["import", "accept_changes"])]
    pub(crate) check: bool,
    /// Accept an existing history as it is: wrong order and duplicates are errors, style is a warning
    #[arg(long)]
    pub(crate) import: bool,
    /// Accept edits, deletions and a changed order of what was locked. Databases that applied the old text will refuse the new
    #[arg(long)]
    pub(crate) accept_changes: bool,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Server {
    /// Start it, or find it running, and print its URL
    Start,
    /// Stop it; its data stays
    Stop,
    /// Say whether it runs, and where its data and log are
    Status,
    /// Print the URL of the running server's database, for psql and other tools
    Url,
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

impl Up {
    pub(crate) fn target(&self) -> Target {
        match (self.to, self.count) {
            (Some(version), _) => Target::Version(version),
            (None, Some(count)) => Target::Steps(count),
            (None, None) => Target::Head,
        }
    }
}

impl Down {
    pub(crate) fn target(&self) -> Target {
        match (self.to, self.all) {
            (Some(version), _) => Target::Version(version),
            (None, true) => Target::Base,
            (None, false) => Target::Steps(self.count),
        }
    }
}

impl Redo {
    pub(crate) fn target(&self) -> Target {
        self.to.map_or(Target::Steps(self.count), Target::Version)
    }
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
