//! `db shell`: psql, connected.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use stairwell::postgres::Database;

use crate::context::Context;
use crate::failure::{Code, Failure};

const HELP: &str = "\
psql connects to the configured database, or the private one, which is started if it does not run. \
The password goes to it in its environment, where other users of this machine cannot see it, and so do the settings about TLS.

Exit codes: those of psql (0 all was well, 1 an error of its own, 2 the connection was lost, 3 a script failed and ON_ERROR_STOP was \
set); 127 there is no psql. STAIRWELL_PG_BIN names a folder to look in before PATH.

Examples:
  cargo xtask db shell
  cargo xtask db shell -c 'select count(*) from users'
  cargo xtask db shell --csv -v ON_ERROR_STOP=1 -f report.sql";

/// Open psql on the database
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// What psql is given, such as `-c 'select 1'`; behind `--` also what this command would understand itself
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PSQL ARGUMENT")]
    arguments: Vec<OsString>,
}

const INSTALL: &str = "install it (Debian and Ubuntu: `apt install postgresql-client`, Fedora: `dnf install postgresql`, macOS: `brew install \
libpq`, Windows: `winget install PostgreSQL.PostgreSQL.17`), and have its folder in PATH";

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let database = context.database()?;
    let program = program(std::env::var_os("STAIRWELL_PG_BIN").map(PathBuf::from).as_deref());
    replace(command(&program, &database, &args.arguments), &program)
}

/// psql of this folder, if it has one, or of PATH.
fn program(folder: Option<&Path>) -> PathBuf {
    let name = format!("psql{}", std::env::consts::EXE_SUFFIX);
    folder.map(|folder| folder.join(&name)).filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}

fn command(program: &Path, database: &Database, arguments: &[OsString]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in database.to_variables() {
        match value {
            Some(value) => command.env(name, value),
            // What was set for another connection must not mix with this one.
            None => command.env_remove(name),
        };
    }
    command
}

fn missing(program: &Path, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::NotFound {
        Failure::new(Code::NoProgram, format!("there is no `{}`\n  = help: {INSTALL}", program.display()))
    } else {
        Failure::new(Code::NoProgram, format!("`{}` cannot be started: {error}", program.display()))
    }
}

/// Becomes psql, so that Ctrl-C and the terminal are its own, and its exit code is this one's.
#[cfg(unix)]
fn replace(mut command: Command, program: &Path) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    Err(missing(program, &command.exec()))
}

#[cfg(not(unix))]
fn replace(mut command: Command, program: &Path) -> Result<(), Failure> {
    let status = command.status().map_err(|error| missing(program, &error))?;
    std::process::exit(status.code().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_no_argument() {
        let database = Database::parse("postgresql://ann:hunter2@db/shop").unwrap();
        let command = command(Path::new("psql"), &database, &["-c".into(), "select 1".into()]);
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments, ["-c", "select 1"]);
        assert!(command.get_envs().any(|(name, value)| name == "PGPASSWORD" && value.is_some_and(|v| v == "hunter2")));
    }

    #[test]
    fn a_folder_without_psql_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(program(Some(folder.path())), program(None));
        let psql = folder.path().join(program(None));
        std::fs::write(&psql, "").unwrap();
        assert_eq!(program(Some(folder.path())), psql);
    }
}
