//! `--backup-command`: a copy of the data before it is changed.

use std::process::{Command, Stdio};
use std::time::Instant;

use stairwell::postgres::Database;

use crate::failure::{Code, Failure};
use crate::terminal::{duration, say};

/// What makes a copy first.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Backup {
    /// Run this in a shell before anything is changed, and change nothing if it fails: `pg_dump --format=custom --file=before.dump`.
    /// It finds the database by PGHOST, PGUSER, PGPASSWORD and the like, as every libpq program does
    #[arg(long, value_name = "COMMAND")]
    backup_command: Option<String>,
}

impl Backup {
    /// Whether there is one to make.
    pub(super) fn is_wanted(&self) -> bool {
        self.backup_command.is_some()
    }

    /// Makes it, if it is wanted. What the command prints is shown.
    pub(super) fn make(&self, database: &Database) -> Result<(), Failure> {
        let Some(text) = &self.backup_command else { return Ok(()) };
        say(&format!("backup of {database}: the command runs"));
        let began = Instant::now();
        let status = command(text, database).status();
        let why = match status {
            Ok(status) if status.success() => {
                say(&format!("backup of {database}: done in {}", duration(began.elapsed())));
                return Ok(());
            }
            Ok(status) => format!("it ended with {status}"),
            Err(error) => format!("no shell can be started: {error}"),
        };
        Err(Failure::new(
            Code::Failed,
            format!(
                "the backup failed, and nothing was done: {why}\n  \
                 = help: what the command printed stands above; it is run by `{}`, here, with PGHOST, PGDATABASE and the like set",
                SHELL.join(" ")
            ),
        ))
    }
}

#[cfg(unix)]
const SHELL: [&str; 2] = ["sh", "-c"];
#[cfg(not(unix))]
const SHELL: [&str; 2] = ["cmd", "/C"];

/// The connection goes to it in its environment, where other users of this machine cannot see it.
fn command(text: &str, database: &Database) -> Command {
    let [shell, option] = SHELL;
    let mut command = Command::new(shell);
    command.args([option, text]);
    for (name, value) in database.to_variables() {
        match value {
            Some(value) => command.env(name, value),
            // What was set for another connection must not mix with this one.
            None => command.env_remove(name),
        };
    }
    // Standard output is for what a command of ours prints; and nobody answers a backup's questions.
    command.stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr()));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_no_argument() {
        let database = Database::parse("postgresql://ann:hunter2@db/shop").unwrap();
        let command = command("pg_dump > x", &database);
        assert!(command.get_args().all(|argument| !argument.to_string_lossy().contains("hunter2")));
        let set =
            |name: &str, is: &str| command.get_envs().any(|(n, value)| n == name && value.is_some_and(|v| v == is));
        assert!(set("PGPASSWORD", "hunter2") && set("PGHOST", "db") && set("PGDATABASE", "shop"));
    }
}
