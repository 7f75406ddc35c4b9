//! `db status`: what is applied and what is pending.

use std::fmt::Write;

use serde::Serialize;
use stairwell::migration::{Migration, Script};
use stairwell::postgres::{Standing, Status, StatusRow};
use stairwell::{Findings, Inspection, Rule};

use crate::context::Context;
use crate::db::lockfile::count as count_of;
use crate::db::protect::in_words;
use crate::db::up::migrator;
use crate::db::view::{Name, View, readable};
use crate::failure::{Code, Failure, render_findings};
use crate::json;
use crate::options::{Format, Output};
use crate::terminal::{color, print, say};

const HELP: &str = "\
It creates nothing, and needs no more than SELECT on the ledger.

  applied       as it is here; a baseline of `db squash` is where all that it squashes is
  pending       to be applied by the next `db up`
  EDITED        its up file was edited after it was applied here; `db up` says what to do
  MISSING       applied here, and its file is gone
  OUT OF ORDER  not applied, and older than one that is
  UNFINISHED    a script outside of a transaction is running, or was interrupted; `db up` goes on with it

Exit codes:
  0  done; with --check: everything here is applied as it is, and nothing else
  1  with --check: something is pending, or else not as it should be";

/// Show what is applied and what is pending
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// For CI: end with 1 unless all is applied, and nothing is edited, missing or unfinished
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: Output,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Document<'a> {
    database: String,
    environment: Option<&'a str>,
    at_head: bool,
    migrations: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    name: Name,
    state: &'static str,
    applied_at: Option<&'a str>,
    irreversible: Option<&'a str>,
    squashes: Option<usize>,
    remarks: Vec<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let view = View::of(context)?;
    let database = context.database()?;
    let status = migrator(&view.inspection).status(&database)?;
    let place = database.to_string();
    match args.output.format() {
        Format::Text => print(table(&place, &status, &view.inspection))?,
        Format::Json => json::print("status", &document(place, &status, &view.inspection))?,
    }
    if let Some(amid) = &status.amid {
        say(&render_findings(&Findings(vec![amid.clone()]), color()));
    }
    view.end()?;
    if args.check && !status.is_at_head() {
        return Err(Failure::new(Code::Failed, format!("{database} is not at head: {}", status.summary())));
    }
    Ok(())
}

fn document<'a>(database: String, status: &'a Status, inspection: &Inspection) -> Document<'a> {
    let row = |row: &'a StatusRow| Row {
        name: Name::of_id(row.version, &row.id),
        state: state(row.standing),
        applied_at: row.applied_at.as_deref(),
        irreversible: row.irreversible.as_deref(),
        squashes: row.squashes,
        remarks: remarks(row, inspection),
    };
    let environment = status.mark.as_ref().map(|mark| mark.environment.as_str());
    let migrations = status.rows.iter().map(row).collect();
    Document { database, environment, at_head: status.is_at_head(), migrations }
}

/// How JSON calls it, here and in the other commands.
pub(super) fn state(standing: Standing) -> &'static str {
    match standing {
        Standing::Applied => "applied",
        Standing::CommentEdited => "comment_edited",
        Standing::Edited => "edited",
        Standing::Missing => "missing",
        Standing::Squashed => "squashed",
        Standing::Pending => "pending",
        Standing::OutOfOrder => "out_of_order",
        _ => "unfinished",
    }
}

/// How a person reads it: what needs one is in capitals.
pub(super) fn word(standing: Standing) -> String {
    match standing {
        Standing::Applied | Standing::CommentEdited | Standing::Squashed | Standing::Pending => standing.to_string(),
        other => other.to_string().to_uppercase(),
    }
}

/// The table, and a sentence below it.
fn table(database: &str, status: &Status, inspection: &Inspection) -> String {
    let marked = status.mark.as_ref().map(|mark| format!("  environment: {}\n", in_words(mark))).unwrap_or_default();
    let mut out = format!("{database}\n{marked}");
    let width = status.rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    for row in &status.rows {
        let when = row.applied_at.as_deref().map(|at| format!("  {}", readable(at))).unwrap_or_default();
        let mut said = remarks(row, inspection);
        said.extend(row.irreversible.as_ref().map(|reason| format!("irreversible: {reason}")));
        let said = if said.is_empty() { String::new() } else { format!("  ({})", said.join("; ")) };
        let line = format!("  {:<12} {:<width$}{when}{said}", word(row.standing), row.id);
        // Writing to a String does not fail.
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let _ = writeln!(out, "{}", status.summary());
    out
}

/// What is to be said about its files.
fn remarks(row: &StatusRow, inspection: &Inspection) -> Vec<String> {
    let mut remarks = Vec::from_iter(row.squashes.map(squashes));
    if row.standing == Standing::CommentEdited {
        remarks.push("comments edited since".to_owned());
    }
    if let Some(migration) = inspection.set().get(row.version) {
        remarks.extend(lock_remarks(migration, inspection).into_iter().map(str::to_owned));
    }
    remarks
}

/// What is said of a baseline where the migrations that it squashes were applied.
pub(super) fn squashes(count: usize) -> String {
    format!("squashes {} applied here", count_of(count, "migration"))
}

/// How its files stand to the lock, where they are not as it has them.
pub(super) fn lock_remarks(migration: &Migration, inspection: &Inspection) -> Vec<&'static str> {
    let files: Vec<_> = migration.scripts().map(Script::path).collect();
    let concerned = inspection.lock_findings().filter(|f| f.path.as_deref().is_some_and(|path| files.contains(&path)));
    let mut lock: Vec<_> = concerned
        .map(|finding| match finding.rule {
            Rule::NotLocked => "not locked",
            Rule::Edited => "edited since it was locked",
            _ => "older than the newest locked one",
        })
        .collect();
    lock.dedup();
    lock
}
