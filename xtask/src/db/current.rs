//! `db current`: the newest applied migration.

use serde::Serialize;
use stairwell::plan::Seen;
use stairwell::postgres::{Standing, Status};

use crate::context::Context;
use crate::db::status::squashes;
use crate::db::up::migrator;
use crate::db::view::{Name, View};
use crate::failure::{Code, Failure};
use crate::json;
use crate::options::{Format, Output};
use crate::terminal::{print, say};

const HELP: &str = "\
It prints one line, such as `20261121093000_create_users (head)`, and nothing where no migration is applied. It creates nothing, and \
needs no more than SELECT on the ledger.

Exit codes:
  0  done; with --check: the database is at head
  1  with --check: it is not";

/// Print the newest applied migration
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// End with 1 unless everything here is applied as it is, and nothing else
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: Output,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Document {
    database: String,
    environment: Option<String>,
    current: Option<Name>,
    head: Option<Name>,
    at_head: bool,
    pending: usize,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let view = View::of(context)?;
    let database = context.database()?;
    let mut migrator = migrator(&view.inspection);
    let (history, marked) = migrator.history_and_mark(&database)?;
    let environment = marked.map(|mark| String::from(mark.environment));
    let set = view.inspection.set();
    let status = Status::of(set, &history);
    let newest = history.newest_applied();
    // Past what a baseline squashes it is at the baseline.
    let seen = Seen::of(set, &history);
    let newest_here = seen.history.newest_applied().filter(|_| seen.amid.is_none()).or(newest);
    let at_head = status.is_at_head();
    match args.output.format() {
        Format::Json => json::print(
            "current",
            &Document {
                database: database.to_string(),
                environment,
                current: newest_here.map(|row| Name::new(row.version, &row.name)),
                head: set.head().map(|migration| Name::new(migration.version, migration.name())),
                at_head,
                pending: status.count(Standing::Pending),
            },
        )?,
        Format::Text => match newest {
            Some(row) => {
                let id = if seen.amid.is_some() { row.id() } else { row.id_in(set) };
                print(format_args!("{id}{}\n", mark(&status, row.version, at_head, environment.as_deref())))?;
            }
            None => say(&format!("nothing is applied to {database}{}", environment.map(of).unwrap_or_default())),
        },
    }
    view.end()?;
    if args.check && !at_head {
        return Err(Failure::new(
            Code::Failed,
            format!("{database} is not at head: {}\n  = help: `cargo xtask db status` shows all", status.summary()),
        ));
    }
    Ok(())
}

/// ` (environment production)`, where there is no version to say it of.
fn of(environment: String) -> String {
    format!(" (environment {environment})")
}

/// What is worth knowing about it at once.
fn mark(status: &Status, newest: stairwell::Version, at_head: bool, environment: Option<&str>) -> String {
    let missing = |row: &&stairwell::postgres::StatusRow| row.version == newest && row.standing == Standing::Missing;
    let squashed = status.rows.iter().find(|row| row.version == newest).and_then(|row| row.squashes);
    let place = if at_head {
        Some("head".to_owned())
    } else {
        status.rows.iter().any(|row| missing(&row)).then(|| "not here".to_owned())
    };
    let environment = environment.map(|name| format!("environment {name}"));
    let said: Vec<String> = place.into_iter().chain(squashed.map(squashes)).chain(environment).collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join("; ")) }
}
