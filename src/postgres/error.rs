//! What can go wrong between here and the server.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tokio_postgres::error::DbError;

use super::database::Database;
use super::failure::ScriptFailure;
use super::losses::NotAllowed;
use super::migrator::Transactions;
use super::session::Row;
use super::tls::Fault;
use crate::migration::Direction;
use crate::plan::PlanError;

/// No connection. It says where, what the server or the system said, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot connect to the database {place}: {reason}{}", help.as_ref().map(|help| format!("\n  = help: {help}")).unwrap_or_default())]
pub struct ConnectError {
    place: String,
    reason: String,
    help: Option<String>,
    sqlstate: Option<String>,
    /// Whether no server answered.
    silent: bool,
}

/// Why there is no connection now, and may be one soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passing {
    /// The server says: not now.
    Answering,
    /// No server answers.
    Silent,
}

impl ConnectError {
    pub(super) fn new(database: &Database, error: &tokio_postgres::Error) -> Self {
        let server = error.as_db_error();
        let reason = server.map_or_else(|| chain(error), |e| e.message().to_owned());
        let sqlstate = server.map(|error| error.code().code().to_owned());
        let name = database.name();
        let help = match sqlstate.as_deref() {
            Some("28000") if reason.contains("valid client certificate") => {
                "the server wants a certificate from this side: give it with `sslcert=<file>` and `sslkey=<file>`, over TLS (`sslmode=require` and stricter)".to_owned()
            }
            // Postgres before version 15 says it in other words, and PgBouncer in its own.
            Some("28000" | "08P01") if ["no encryption", "SSL off", "SSL required"].iter().any(|words| reason.contains(words)) => {
                "the server may let this role in over TLS alone: say `sslmode=require`, or better `verify-full`; else check user and password, and the server's pg_hba.conf".to_owned()
            }
            Some("28P01" | "28000") => "check user and password, and the server's pg_hba.conf".to_owned(),
            Some("3D000") => format!("create it: `cargo xtask db create`, or `CREATE DATABASE \"{name}\"` on that server"),
            Some("53300") => "the server has no free connection: close some, or raise `max_connections`".to_owned(),
            Some("57P03") => "the server is starting or stopping: try again in a few seconds".to_owned(),
            Some(_) => return Self { place: database.to_string(), reason, help: None, sqlstate, silent: false },
            None if reason.contains("password missing") => {
                "the server asks for a password: put it into the URL, PGPASSWORD or ~/.pgpass".to_owned()
            }
            None => "is the server running, and are host and port right? For a private one without any configuration, unset DATABASE_URL and PGHOST and run `cargo xtask db up`".to_owned(),
        };
        // Refused, reset, timed out, not to be resolved: not what is wrong with the connection string.
        let silent = error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        Self { place: database.to_string(), reason, help: Some(help), sqlstate, silent }
    }

    /// TLS was what it failed of.
    pub(super) fn tls(database: &Database, fault: &Fault) -> Self {
        Self {
            place: database.to_string(),
            reason: fault.to_string(),
            help: fault.help(),
            sqlstate: None,
            silent: fault.is_passing(),
        }
    }

    /// Nobody answered within this time.
    pub(super) fn timed_out(database: &Database, most: Duration) -> Self {
        Self {
            place: database.to_string(),
            reason: format!("no answer within {most:?}"),
            help: Some(
                "is the server stopped or overloaded, or does a firewall swallow what is sent? `connect_timeout` in the URL says how many seconds to wait"
                    .to_owned(),
            ),
            sqlstate: None,
            silent: true,
        }
    }

    /// This one and another try's, which was made in this way. It passes if both do.
    pub(super) fn beside(mut self, other: &Self, how: &str) -> Self {
        if self.reason != other.reason {
            self.reason = format!("{}; {how}: {}", self.reason, other.reason);
        }
        self.silent &= other.passing().is_some();
        self.help = self.help.or_else(|| other.help.clone());
        self
    }

    pub(super) fn inside_runtime(database: &Database) -> Self {
        Self {
            place: database.to_string(),
            reason: "this blocking call was made inside an async runtime".to_owned(),
            help: Some("call it through `stairwell::postgres::spawn(set, move |migrator| …).await`".to_owned()),
            sqlstate: None,
            silent: false,
        }
    }

    pub(super) fn no_runtime(database: &Database, error: &std::io::Error) -> Self {
        Self {
            place: database.to_string(),
            reason: format!("no event loop could be made: {error}"),
            help: None,
            sqlstate: None,
            silent: false,
        }
    }

    /// Why it may be otherwise in a moment, if it may.
    pub(super) fn passing(&self) -> Option<Passing> {
        match self.sqlstate.as_deref() {
            Some("57P01" | "57P02" | "57P03" | "53300") => Some(Passing::Answering),
            None if self.silent => Some(Passing::Silent),
            _ => None,
        }
    }

    /// Whether it may be otherwise in a moment: no server answers yet, or it says that it takes no connection now.
    pub fn is_passing(&self) -> bool {
        self.passing().is_some()
    }

    /// What was said, in one line.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The SQLSTATE, if it was the server that refused.
    pub fn sqlstate(&self) -> Option<&str> {
        self.sqlstate.as_deref()
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// A session that has a lock that others wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The server process.
    pub pid: String,
    /// Its `application_name`, or the kind of process it is where it gave none.
    pub application: String,
    /// Since when it is in its transaction, as `HH:MM:SS` in UTC; `None` where this role may not know.
    pub since: Option<String>,
}

impl Holder {
    /// What to select from `pg_stat_activity a` to know one. A session's query is left out: it may hold secrets.
    pub(super) const COLUMNS: &str = "a.pid, CASE WHEN a.application_name OPERATOR(pg_catalog.<>) '' THEN a.application_name ELSE a.backend_type END, \
        pg_catalog.to_char(a.xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS')";

    /// From a row of these columns.
    pub(super) fn of_row(row: &Row) -> Option<Self> {
        let value = |n| row.get(n).map(str::to_owned);
        Some(Self { pid: value(0)?, application: value(1).unwrap_or_default(), since: value(2) })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server process {}", self.pid)?;
        if !self.application.is_empty() {
            write!(f, " (`{}`)", self.application)?;
        }
        self.since.as_ref().map_or(Ok(()), |since| write!(f, ", in its transaction since {since} UTC"))
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunErrorKind {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Set and database contradict each other.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// A script failed.
    #[error("{0}")]
    Script(#[from] Box<ScriptFailure>),
    /// A script says `destructive`, there is something to lose, and nobody has given leave.
    #[error("{0}")]
    Destructive(Box<NotAllowed>),
    /// Another runner had the lock for longer than this one was told to wait.
    #[error("another runner has held the migration lock for {}: {}\n  = help: let it finish; if it hangs, end it with `SELECT pg_terminate_backend(<pid>)`", seconds(*.waited), .holder.as_ref().map_or_else(|| "it is gone now".to_owned(), ToString::to_string))]
    Locked {
        /// How long this runner waited.
        waited: Duration,
        /// Who had it last.
        holder: Option<Holder>,
    },
    /// A statement of the runner's own was refused.
    #[error("{doing} failed: {message} (SQLSTATE {sqlstate}){}", help.map(|help| format!("\n  = help: {help}")).unwrap_or_default())]
    Server {
        /// What it was.
        doing: String,
        /// What the server said.
        message: String,
        /// Its code.
        sqlstate: String,
        /// What to do.
        help: Option<&'static str>,
    },
    /// The ledger is not one that stairwell wrote.
    #[error(
        "the ledger `{ledger}` cannot be read: {why}\n  = help: it may belong to a newer stairwell, or was edited by hand"
    )]
    Ledger {
        /// Its name.
        ledger: String,
        /// What is wrong.
        why: String,
    },
    /// The server cannot take migrations.
    #[error("{what}\n  = help: {help}")]
    Unsuitable {
        /// Why.
        what: String,
        /// What to do.
        help: &'static str,
    },
    /// A script outside of a transaction, and a pooler between here and the server.
    #[error(
        "{id} runs outside of a transaction, and {database} is behind a pooler that lends server connections by the transaction (as PgBouncer does): no lock would hold there, and settings would reach other clients\n  = help: connect directly to the server for this: its own host and port (5432, and not the pooler's 6432 or 6543; on Neon the host without `-pooler`); the app may go on using the pooler"
    )]
    Pooled {
        /// The migration.
        id: String,
        /// Where, as [`Database`] is displayed.
        database: String,
    },
    /// The database is marked with another environment than the one that this runs for.
    #[error(
        "{database} is marked as `{marked}`, and this runs for `{configured}`, so nothing is run on it\n  = note: the mark is the database's own (`cargo xtask db protect`); STAIRWELL_ENV says what this runs for\n  = help: connect to the database of `{configured}`; if this one is meant: STAIRWELL_ENV={marked}"
    )]
    Environment {
        /// Where, as [`Database`] is displayed.
        database: String,
        /// What it is marked with.
        marked: String,
        /// What this runs for.
        configured: String,
    },
    /// The mark of the database is not the one that was to be changed.
    #[error(
        "{database} {}, so its mark was left as it is", found.as_ref().map_or_else(|| "is not marked".to_owned(), |found| format!("is marked as `{found}`"))
    )]
    Marked {
        /// Where, as [`Database`] is displayed.
        database: String,
        /// What it is marked with, if it is.
        found: Option<String>,
    },
    /// The connection broke and did not come back, or the ledger changed each time it was looked at.
    #[error("{0}")]
    Interrupted(Interruption),
}

/// What kept a run from going on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Interruption {
    /// The connection broke again and again.
    #[error(
        "the connection to the server was lost {times} times: {reason}\n  = help: run it again; what is done is in the ledger, and nothing runs twice"
    )]
    ConnectionLost {
        /// How often.
        times: u32,
        /// What was said the last time.
        reason: String,
    },
    /// Someone applies and undoes migrations at the same time.
    #[error(
        "the ledger changed while this run was under way: another runner is going the other way, or someone edits it\n  = help: `cargo xtask db status` shows where it stands; run one at a time"
    )]
    LedgerMoves,
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

impl RunErrorKind {
    /// A statement of the runner's own that the server refused while it was `doing` this.
    pub(super) fn server(doing: impl Into<String>, error: &tokio_postgres::Error) -> Self {
        let sqlstate = error.code().map_or_else(|| "none".to_owned(), |code| code.code().to_owned());
        let message = error.as_db_error().map_or_else(|| chain(error), |e: &DbError| e.message().to_owned());
        let help = match sqlstate.as_str() {
            "42501" => Some(
                "the role needs more: to create the ledger `GRANT CREATE ON DATABASE … TO …`, to read it `GRANT USAGE ON SCHEMA stairwell` and `GRANT SELECT`; `cargo xtask db doctor` says all that it lacks, as SQL",
            ),
            "25006" => Some("this server or role is read-only; connect to the primary"),
            _ => None,
        };
        Self::Server { doing: doing.into(), message, sqlstate, help }
    }
}

/// A run that ended early: why, and what is true now.
#[derive(Debug, thiserror::Error)]
#[error("{kind}{}", self.state())]
pub struct RunError {
    /// Why.
    pub kind: RunErrorKind,
    /// How many migrations this run did before that.
    pub done: usize,
    /// How many a redo undid before that; they are pending now.
    pub undone: usize,
    /// How many it was to do; 0 if it did not come as far as a plan.
    pub total: usize,
    /// Forward or back.
    pub direction: Direction,
    /// What was to commit together.
    pub transactions: Transactions,
}

impl RunError {
    /// One that came before there was a plan.
    pub(super) fn unplanned(kind: RunErrorKind, direction: Direction) -> Self {
        Self { kind, done: 0, undone: 0, total: 0, direction, transactions: Transactions::Each }
    }

    /// What is true now, in one sentence.
    pub fn state_sentence(&self) -> Option<String> {
        let verb = if self.direction == Direction::Up { "applied" } else { "undone" };
        let counted = match self.undone {
            0 => format!("{} of {} {verb}", self.done, self.total),
            undone => format!("{undone} undone, then {} of {} {verb}", self.done, self.total),
        };
        match &self.kind {
            _ if self.total == 0 && self.undone == 0 => None,
            // What was on its way when the connection broke may have been committed without a word.
            RunErrorKind::Connect(_) | RunErrorKind::Interrupted(Interruption::ConnectionLost { .. }) => Some(format!(
                "at least {counted}; what was under way when the connection broke may be as well: `cargo xtask db status` tells"
            )),
            // A second redo would undo what is newest now, which is another migration.
            RunErrorKind::Script(failure) if self.undone > 0 => Some(format!(
                "{counted}; {}; what is not applied again is pending: `cargo xtask db up` goes on (another `redo` would undo an older one)",
                failure.aftermath(self.direction)
            )),
            RunErrorKind::Script(failure) if self.transactions == Transactions::Single => Some(format!(
                "{counted}; {} was rolled back, and with it all of this run; nothing else changed",
                failure.id()
            )),
            RunErrorKind::Script(failure) => Some(format!("{counted}; {}", failure.aftermath(self.direction))),
            _ => Some(format!("{counted}; nothing else changed")),
        }
    }

    fn state(&self) -> String {
        self.state_sentence().map(|sentence| format!("\n  = state: {sentence}")).unwrap_or_default()
    }
}
