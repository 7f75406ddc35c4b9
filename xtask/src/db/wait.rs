//! `db wait`: until the server answers, or someone has migrated the database.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use stairwell::postgres::{Database, Migrator, RunErrorKind, Standing, Status};
use stairwell::{Findings, Inspection, MigrationSet};

use crate::context::Context;
use crate::db::url;
use crate::failure::{Code, Failure};
use crate::options::time;
use crate::terminal::say;

const HELP: &str = "\
For containers and CI, where the server starts at the same time, or another process migrates. It creates nothing and migrates nothing; \
`--for head` wants SELECT on the ledger.

What time cannot mend ends it at once: a wrong password, files that are not in order, a migration that was edited after it was applied. A \
database that does not exist does so as well, but not with `--for head`: who migrates it may create it first. With nothing configured it \
waits for the private server, which it does not start.

Exit codes: 0 it is as wanted; 1 the server answers, and the database is not at head in time or never can be; 3 the files are not in \
order; 4 no connection in time, or never.

Examples:
  cargo xtask db wait && cargo xtask db up
  cargo xtask db wait --for head --timeout 5min && ./serve";

/// Wait until the server answers, or the database is migrated
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// What to wait for
    #[arg(long = "for", value_enum, default_value = "server", value_name = "WHAT")]
    until: Until,
    /// How long at most, as `500ms`, `60s` or `5min`
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Until {
    /// The server answers and takes queries
    Server,
    /// All migrations here are applied
    Head,
}

/// How long to rest between two looks.
const REST: Duration = Duration::from_millis(250);
/// How long one look may take. A server that is stopped or behind a broken route takes a connection and never says anything.
const ONE_LOOK: Duration = Duration::from_secs(5);

/// What a look gave.
#[derive(Debug)]
enum Look {
    /// It is as wanted; the words say how it is.
    Done(String),
    /// It is not yet, for this reason, and the command would end with this code.
    NotYet(Code, String),
    /// It never will be.
    Never(Failure),
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let end = Instant::now() + args.timeout;
    // What is wrong with the files is not mended by waiting either.
    let set = match args.until {
        Until::Server => None,
        Until::Head => Some(Arc::new(checked(context)?.set().clone())),
    };
    let mut last: Option<(Code, String)> = None;
    loop {
        let look = match located(context)? {
            Some(database) => bounded(end, &database, set.clone()),
            None => Some(Look::NotYet(Code::NoDatabase, "the private server does not run".to_owned())),
        };
        match look {
            Some(Look::Done(words)) => {
                say(&words);
                return Ok(());
            }
            Some(Look::Never(failure)) => return Err(failure),
            Some(Look::NotYet(code, reason)) => {
                if last.as_ref().is_none_or(|(_, said)| *said != reason) {
                    say(&format!("waiting: {reason}"));
                }
                last = Some((code, reason));
            }
            None => {}
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let silence = || (Code::NoDatabase, "the server does not answer".to_owned());
            let (code, reason) = last.unwrap_or_else(silence);
            return Err(timed_out(args, code, &reason));
        }
        thread::sleep(REST.min(left));
    }
}

fn timed_out(args: &Args, code: Code, reason: &str) -> Failure {
    let help = match (code, args.until) {
        (Code::NoDatabase, _) => {
            "is the server running, and are host and port right? `cargo xtask db url` prints where it is looked for"
        }
        (_, Until::Server) => "`--timeout` gives it longer",
        (_, Until::Head) => "`cargo xtask db status` shows where it stands; `cargo xtask db up` migrates it",
    };
    let waited = args.timeout;
    Failure::new(code, format!("waited {waited:?}, and still: {reason}\n  = help: {help}"))
}

fn checked(context: &Context) -> Result<Inspection, Failure> {
    let inspection = context.inspect()?;
    let defects = inspection.defects();
    if defects.0.is_empty() { Ok(inspection) } else { Err(defects.into()) }
}

/// The configured database, or the private server's if that runs.
fn located(context: &Context) -> Result<Option<Database>, Failure> {
    match context.configured()? {
        Some(database) => Ok(Some(database)),
        None => url::running(context),
    }
}

/// One look, which is given up when it takes too long; nothing if it was the end that came before an answer. Its thread is left to itself:
/// it ends with the process.
fn bounded(end: Instant, database: &Database, set: Option<Arc<MigrationSet>>) -> Option<Look> {
    let (sender, receiver) = mpsc::channel();
    let place = database.clone();
    thread::spawn(move || {
        // Nobody listens any more where it took too long.
        let _ = sender.send(look(&place, set.as_deref()));
    });
    // Also at the end it is given the time that a server which is there needs.
    let time = ONE_LOOK.min(end.saturating_duration_since(Instant::now())).max(REST);
    let silent = || Look::NotYet(Code::NoDatabase, format!("{database} takes a connection and does not answer"));
    receiver.recv_timeout(time).ok().or_else(|| (time == ONE_LOOK).then(silent))
}

fn look(database: &Database, set: Option<&MigrationSet>) -> Look {
    // As a simple query it works through every pooler.
    let answer = database.connect().map(|mut client| client.simple_query("SELECT 1").map(|_| ()));
    match (answer, set) {
        (Ok(Ok(())), None) => Look::Done(format!("{database} answers")),
        (Ok(Ok(())), Some(set)) => at_head(database, set),
        // It went away in between.
        (Ok(Err(error)), _) => Look::NotYet(Code::NoDatabase, format!("{database} took no query: {error}")),
        (Err(error), _) if error.is_passing() => {
            Look::NotYet(Code::NoDatabase, format!("{database} takes no connection: {}", error.reason()))
        }
        (Err(error), Some(_)) if error.sqlstate() == Some("3D000") => {
            Look::NotYet(Code::Failed, format!("{database} does not exist yet"))
        }
        (Err(error), _) => Look::Never(error.into()),
    }
}

fn at_head(database: &Database, set: &MigrationSet) -> Look {
    match Migrator::new(set).status(database) {
        Ok(status) => standing(database, &status),
        Err(error) => match &error.kind {
            RunErrorKind::Connect(connect) if connect.is_passing() => {
                Look::NotYet(Code::NoDatabase, format!("{database} takes no connection: {}", connect.reason()))
            }
            RunErrorKind::Interrupted(interruption) => Look::NotYet(Code::Failed, interruption.to_string()),
            _ => Look::Never(error.into()),
        },
    }
}

/// What the ledger says of the migrations that are here. Newer ones are a newer release's.
fn standing(database: &Database, status: &Status) -> Look {
    let of = |standing| status.rows.iter().filter(move |row| row.standing == standing);
    if let Some(row) = of(Standing::Edited).next() {
        return Look::Never(Failure::new(
            Code::Failed,
            format!(
                "`{}` was edited after it was applied to {database}, and waiting does not mend that\n  = help: `cargo xtask db status` shows all of them, and `cargo xtask db up` says how to mend it",
                row.id
            ),
        ));
    }
    if let Some(amid) = &status.amid {
        return Look::Never(Findings(vec![amid.clone()]).into());
    }
    let left = of(Standing::Pending).count() + of(Standing::OutOfOrder).count() + of(Standing::Unfinished).count();
    let all = status.rows.len() - of(Standing::Missing).count();
    match (left, status.rows.iter().rev().find(|row| row.standing != Standing::Missing)) {
        (0, Some(head)) => Look::Done(format!("{database} has all migrations that are here: it is at {}", head.id)),
        (0, None) => Look::Done(format!("{database} answers, and there are no migrations here")),
        (left, _) => Look::NotYet(Code::Failed, format!("{database} has {} of {all} migrations", all - left)),
    }
}
