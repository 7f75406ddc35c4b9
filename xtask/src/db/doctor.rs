//! `db doctor`: one page about a project and its server.

mod ask;
mod extensions;
mod finding;
mod ledger;
mod leftovers;
mod needs;
mod prepared;
mod privileges;
mod project;
mod server;
mod session;
mod sessions;
mod survey;
#[cfg(test)]
mod tests;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use postgres::Client;
use serde::Serialize;
use stairwell::postgres::Database;
use stairwell::{Findings, Inspection};

use self::ask::Asker;
use self::finding::{Check, Finding};
use self::project::Git;
use self::survey::Survey;
use crate::context::Context;
use crate::db::lockfile;
use crate::db::recreate::identifier;
use crate::failure::{Code, Failure};
use crate::json;
use crate::options::{Format, Locked, Output};
use crate::terminal::{print, say};

const HELP: &str = "\
A line a check, and below those that are not well what to do, as SQL where it can be said so. It changes nothing: every question is asked in a \
transaction that may not write. Of what others run it shows process, age and tables, and never the query.

  ok       as it should be
  warn     worth a look; no migration fails of it
  WRONG    it would keep a migration from running
  unknown  it could not be looked at, as when the role may not see it; the line says why

The project: the files, their lock, git. The server: its version, whether it takes changes, TLS, a pooler in between, clock, free connections, \
time-outs. The ledger, what is pending, who runs migrations now. What the role lacks to do what is pending, and extensions that the server \
lacks. Indexes and constraints that were begun and not ended, and transactions that a migration would wait for.

Exit codes:
  0  nothing is wrong; there may be warnings
  1  something is wrong, of the project or the server
  2  the arguments or the configuration make no sense
  4  no connection to the database; what can be said of the project is said

Examples:
  cargo xtask db doctor
  cargo xtask db doctor --json | jq '.checks[] | select(.state != \"ok\")'";

/// Show what is wrong, or soon may be, with the project and its server, and what to do about it
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    output: Output,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Document<'a> {
    database: Option<String>,
    ok: bool,
    checks: &'a [Finding],
}

/// What became of the server's half.
struct Looked {
    database: Option<Database>,
    findings: Vec<Finding>,
    /// How the command ends, where there is no connection.
    code: Option<Code>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let inspection = context.inspect();
    let mut findings = match &inspection {
        Ok(inspection) => about_project(context, inspection),
        Err(failure) => vec![Finding::of_failure(Check::Files, failure)],
    };
    let looked = about_server(context, &inspection.unwrap_or_default());
    findings.extend(looked.findings);
    let database = looked.database.map(|database| database.to_string());
    match args.output.format() {
        Format::Text => print(finding::page(database.as_deref().unwrap_or("no database"), &findings))?,
        Format::Json => {
            json::print("doctor", &Document { database, ok: !finding::is_wrong(&findings), checks: &findings })?;
        }
    }
    match (looked.code, finding::summary(&findings)) {
        (Some(code), summary) => Err(Failure::new(code, summary.unwrap_or_default())),
        (None, Some(summary)) if finding::is_wrong(&findings) => Err(Failure::new(Code::Failed, summary)),
        (None, Some(summary)) => {
            say(&summary);
            Ok(())
        }
        (None, None) => {
            say("all is well");
            Ok(())
        }
    }
}

fn about_project(context: &Context, inspection: &Inspection) -> Vec<Finding> {
    let policy = context.lock_policy(Locked { locked: false });
    let refused: Findings = lockfile::refused(inspection, || context.committed_lock(), policy);
    vec![
        project::files(inspection, context.folder()),
        project::lock(inspection, &refused),
        project::git(&Git::ask(context.folder())),
    ]
}

fn about_server(context: &Context, inspection: &Inspection) -> Looked {
    let database = match context.database() {
        Ok(database) => database,
        Err(failure) => {
            let findings = vec![Finding::of_failure(Check::Connection, &failure)];
            return Looked { database: None, findings, code: Some(failure.code) };
        }
    };
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (findings, code) = match connect(&database) {
        Ok(client) => match Survey::take(&database, &mut Asker::new(client), inspection, today) {
            Ok(survey) => {
                let connected = Finding::ok(Check::Connection, format!("as {}", survey.session.role));
                (std::iter::once(connected).chain(survey.findings(inspection)).collect(), None)
            }
            Err(why) => (vec![Finding::wrong(Check::Connection, why)], Some(Code::NoDatabase)),
        },
        Err(finding) => (vec![finding], Some(Code::NoDatabase)),
    };
    Looked { database: Some(database), findings, code }
}

/// How long to wait for a connection at most; `connect_timeout` in the URL may say less.
const MOST_PATIENCE: Duration = Duration::from_secs(15);

/// Connects, and gives up on a server that takes a connection and never says anything.
fn connect(database: &Database) -> Result<Client, Finding> {
    let (sender, receiver) = mpsc::channel();
    let place = database.clone();
    thread::spawn(move || {
        // Nobody listens any more where it took too long.
        let _ = sender.send(place.connect());
    });
    let silent = || {
        Finding::wrong(Check::Connection, format!("{database} has not answered within {MOST_PATIENCE:?}"))
            .help("is the server stopped or overloaded, or does a firewall swallow what is sent?")
    };
    let outcome = receiver.recv_timeout(MOST_PATIENCE).map_err(|_| silent())?;
    outcome.map_err(|error| {
        let may_not_connect = error.sqlstate() == Some("42501");
        let finding = Finding::of_failure(Check::Connection, &Failure::from(error));
        match database.user().filter(|_| may_not_connect) {
            Some(role) => finding.help("as the database's owner, or a superuser:").sql(format!(
                "GRANT CONNECT ON DATABASE {} TO {}",
                identifier(database.name()),
                identifier(role)
            )),
            None => finding,
        }
    })
}
