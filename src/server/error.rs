//! What can go wrong with a project's server, in the shape of a compiler's error: what, where, why, and what mends it.

use std::fmt::{Display, Write as _};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::version::PgVersion;

/// Why a project's server couldn't be found, started, reached or stopped.
///
/// `Display` is the whole message, several lines long: the first says what failed, then the place (`-->`), what a program
/// said (`|`), and the reasons and remedies (`=`).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A file or folder of the server's couldn't be read, written or made.
    #[error("cannot {action}\n  --> {}\n   = {source}{}", .path.display(), file_help(.source))]
    File {
        /// What was tried, as it follows "cannot": `create the folder`.
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// A program that has to be there couldn't be run.
    #[error("cannot run `{program}`\n   = {reason}")]
    Program {
        /// The program, with its arguments where they matter.
        program: String,
        /// What the operating system said.
        reason: String,
    },

    /// `STAIRWELL_PG_BIN` names a folder without a usable Postgres. Nothing else is tried then.
    #[error(
        "STAIRWELL_PG_BIN is not a Postgres installation\n  --> {}\n   = {reason}\n   = help: set it to the folder that holds `initdb` and `postgres`, or unset it", .folder.display()
    )]
    Override {
        /// What the variable says.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// There is neither a Postgres on this machine nor a Docker Engine that answers.
    #[error(
        "no database is configured, and there is no Postgres to run one with{}\n   = {docker}\n   = help: install Postgres: {install}\n   = help: or name a database: export DATABASE_URL=postgresql://user:password@host/dbname",
        notes(.rejected)
    )]
    NoPostgres {
        /// Installations that were found and can't be used, each with the reason.
        rejected: Vec<String>,
        /// Why it isn't a container either.
        docker: String,
        /// The command that installs Postgres on this platform.
        install: &'static str,
    },

    /// The data folder was made by a major version of Postgres that isn't installed (any more).
    #[error(
        "the project's data is of Postgres {of}, and {}\n  --> {}\n   = Postgres reads only data of its own major version\n   = help: install Postgres {of}; or start afresh without that data: `cargo xtask db server stop`, then delete the folder",
        installed_list(.installed), .data.display()
    )]
    OtherMajor {
        /// The data folder.
        data: PathBuf,
        /// What made it.
        of: u32,
        /// What is installed instead.
        installed: Vec<PgVersion>,
    },

    /// The data folder isn't one, or is damaged.
    #[error("the project's data folder is damaged: {reason}\n  --> {}\n   = help: delete it to start afresh; everything in that database is lost then", .data.display())]
    Damaged {
        /// The data folder.
        data: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// `initdb` failed.
    #[error(
        "cannot initialise a private Postgres {version}\n  --> {}{}\n   = {reason}\n   = help: the folder must be on a file system with owners and modes; CARGO_TARGET_DIR moves it, DATABASE_URL does without", .data.display(), quote(.output)
    )]
    Init {
        /// Of which Postgres.
        version: PgVersion,
        /// The folder it was to make.
        data: PathBuf,
        /// The last lines of what it wrote.
        output: String,
        /// How it ended.
        reason: String,
    },

    /// `postgres` ended instead of serving.
    #[error("the private Postgres did not start\n  --> {}{}\n   = {reason}", .log.display(), quote(.tail))]
    Start {
        /// The server's log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
        /// How it ended.
        reason: String,
    },

    /// The server runs and doesn't answer.
    #[error(
        "{server} has not answered within {} s\n  --> {place}{}\n   = {last}\n   = help: `cargo xtask db server stop`, then try again",
        .waited.as_secs(), quote(.tail)
    )]
    NoAnswer {
        /// What was asked, with its process or container.
        server: String,
        /// How long it was waited for.
        waited: Duration,
        /// The last answer, or the lack of one.
        last: String,
        /// The log file, or the command that shows the log.
        place: String,
        /// The last lines of the log.
        tail: String,
    },

    /// The server doesn't end.
    #[error("process {pid} has not stopped within {} s\n  --> {}{}\n   = help: `kill -QUIT {pid}` ends it at once", .waited.as_secs(), .log.display(), quote(.tail))]
    Stop {
        /// The server's process.
        pid: u32,
        /// How long it was waited for.
        waited: Duration,
        /// The server's log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// A folder that has to be ours alone isn't: someone made it first, or put a link there.
    #[error("cannot use a folder that is not ours: {reason}\n  --> {}\n   = help: {help}", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is, and whose it should be.
        reason: String,
        /// What to do about it.
        help: String,
    },

    /// Running as root, and the account that the server runs as can't get to its data.
    #[error(
        "the server runs as {account}, who can no longer reach its data\n  --> {}\n   = {} does not let that user pass\n   = help: chmod o+x {}", .data.display(), .barrier.display(), .barrier.display()
    )]
    Unreachable {
        /// The data folder.
        data: PathBuf,
        /// The first folder on the way that refuses.
        barrier: PathBuf,
        /// Who has to pass.
        account: String,
    },

    /// Running as root, and there is no account to run the server as.
    #[error(
        "Postgres refuses to run as root, and there is no user `postgres` or `nobody` to run it as\n   = help: useradd --system postgres"
    )]
    NoAccount,

    /// Another command holds the project's server lock.
    #[error(
        "another command is busy with this project's server: waited {} s for {holder}\n  --> {}\n   = help: let it finish, or end it, and try again", .waited.as_secs(), .lock.display()
    )]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// Who holds it.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },

    /// The server answers, and refuses what was asked of it.
    #[error("cannot {action}\n  --> {server}\n   = {}", reason(.source))]
    Database {
        /// What was tried, as it follows "cannot": ``create the database `x` ``.
        action: String,
        /// The server's URL.
        server: String,
        /// What it said.
        source: postgres::Error,
    },

    /// A `docker` command failed.
    #[error("`{command}` failed{}\n   = help: {help}", quote(.output))]
    Docker {
        /// The command.
        command: String,
        /// The last lines of what it wrote.
        output: String,
        /// What to do about it.
        help: String,
    },
}

impl ServerError {
    /// A [`ServerError::File`] for `map_err`.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

/// What a server or a client said, without the `db error: ` and `error connecting to server` that hide it.
pub(super) fn reason(error: &postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return db.to_string();
    }
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The last lines of a program's output or a log: at most fifteen, without empty ones at the end.
pub(super) fn last_lines(text: &str) -> String {
    const SHOWN: usize = 15;
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}

fn quote(text: &str) -> impl Display {
    let mut quoted = String::new();
    for line in text.lines() {
        // Writing to a `String` can't fail.
        let _ = write!(quoted, "\n   | {line}");
    }
    quoted
}

fn notes(lines: &[String]) -> impl Display {
    lines.iter().fold(String::new(), |text, line| text + "\n   = " + line)
}

fn installed_list(installed: &[PgVersion]) -> impl Display {
    if installed.is_empty() {
        return "no Postgres is installed".to_owned();
    }
    let versions: Vec<String> = installed.iter().map(PgVersion::to_string).collect();
    format!("installed is {}", versions.join(", "))
}

fn file_help(source: &io::Error) -> impl Display {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "\n   = help: it must be yours to write; CARGO_TARGET_DIR moves it, DATABASE_URL does without"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "\n   = help: free some space and try again",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_why_and_how_to_mend_it() {
        let error = ServerError::NoPostgres {
            rejected: vec!["/opt/pg/bin has no `postgres`".into()],
            docker: "there is no `docker` either".into(),
            install: "sudo apt install postgresql",
        };
        assert_eq!(
            error.to_string(),
            "no database is configured, and there is no Postgres to run one with\n   \
             = /opt/pg/bin has no `postgres`\n   \
             = there is no `docker` either\n   \
             = help: install Postgres: sudo apt install postgresql\n   \
             = help: or name a database: export DATABASE_URL=postgresql://user:password@host/dbname"
        );
    }

    #[test]
    fn a_failed_start_quotes_the_log() {
        let error = ServerError::Start {
            log: "/t/server.log".into(),
            tail: "FATAL: a\nHINT: b".into(),
            reason: "exit 1".into(),
        };
        assert_eq!(
            error.to_string(),
            "the private Postgres did not start\n  --> /t/server.log\n   | FATAL: a\n   | HINT: b\n   = exit 1"
        );
    }

    #[test]
    fn data_of_another_major_names_both() {
        let installed = vec![PgVersion { major: 15, minor: Some(18) }, PgVersion { major: 19, minor: None }];
        let error = ServerError::OtherMajor { data: "/t/data".into(), of: 17, installed };
        let text = error.to_string();
        assert!(
            text.starts_with("the project's data is of Postgres 17, and installed is 15.18, 19 (pre-release)\n"),
            "{text}"
        );
    }

    #[test]
    fn only_the_last_lines_of_a_log_are_quoted() {
        let log = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(last_lines(&log).lines().count(), 15);
        assert!(last_lines(&log).ends_with("\n99"));
        assert_eq!(last_lines("\n"), "");
    }
}
