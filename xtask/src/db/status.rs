//! `db status`: what is applied and what is pending.

use std::fmt::Write;

use stairwell::migration::{Migration, Script};
use stairwell::postgres::{Standing, Status, StatusRow};
use stairwell::{Inspection, Rule};

use crate::context::Context;
use crate::db::up::migrator;
use crate::failure::Failure;
use crate::terminal::{color, say};

const HELP: &str = "\
It creates nothing, and needs no more than SELECT on the ledger.

  applied       as it is here
  pending       to be applied by the next `db up`
  EDITED        its up file was edited after it was applied here; `db up` says what to do
  MISSING       applied here, and its file is gone
  OUT OF ORDER  not applied, and older than one that is
  UNFINISHED    a script outside of a transaction is running, or was interrupted; `db up` goes on with it";

/// Show what is applied and what is pending
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {}

pub(super) fn run(context: &Context, _: &Args) -> Result<(), Failure> {
    let inspection = context.inspect()?;
    let defects = inspection.defects();
    if !defects.0.is_empty() {
        // What is broken cannot stand in the table, and must not be missing without a word.
        say(&crate::failure::render_findings(&defects, color()));
    }
    let database = context.database()?;
    let status = migrator(&inspection).status(&database)?;
    print!("{}", table(&database.to_string(), &status, &inspection));
    if defects.0.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(crate::failure::Code::Files, "some files are left out above, because they are not in order"))
    }
}

/// The table, and a sentence below it.
fn table(database: &str, status: &Status, inspection: &Inspection) -> String {
    let mut out = format!("{database}\n");
    let width = status.rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    for row in &status.rows {
        let when = row.applied_at.as_deref().map(|at| format!("  {at} UTC")).unwrap_or_default();
        let line = format!("  {:<12} {:<width$}{when}{}", word(row.standing), row.id, remarks(row, inspection));
        // Writing to a String does not fail.
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let _ = writeln!(out, "{}", summary(status));
    out
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Applied | Standing::CommentEdited => "applied",
        Standing::Edited => "EDITED",
        Standing::Missing => "MISSING",
        Standing::Pending => "pending",
        Standing::OutOfOrder => "OUT OF ORDER",
        _ => "UNFINISHED",
    }
}

fn remarks(row: &StatusRow, inspection: &Inspection) -> String {
    let mut remarks = Vec::new();
    if row.standing == Standing::CommentEdited {
        remarks.push("comments edited since".to_owned());
    }
    let files: Vec<_> =
        inspection.set().get(row.version).into_iter().flat_map(Migration::scripts).map(Script::path).collect();
    let concerned = inspection.lock_findings().filter(|f| f.path.as_deref().is_some_and(|path| files.contains(&path)));
    let mut lock: Vec<_> = concerned
        .map(|finding| match finding.rule {
            Rule::NotLocked => "not locked",
            Rule::Edited => "edited since it was locked",
            _ => "older than the newest locked one",
        })
        .collect();
    lock.dedup();
    remarks.extend(lock.into_iter().map(str::to_owned));
    if let Some(reason) = &row.irreversible {
        remarks.push(format!("irreversible: {reason}"));
    }
    if remarks.is_empty() { String::new() } else { format!("  ({})", remarks.join("; ")) }
}

fn summary(status: &Status) -> String {
    let applied = status.count(Standing::Applied) + status.count(Standing::CommentEdited);
    let mut parts = vec![format!("{applied} applied"), format!("{} pending", status.count(Standing::Pending))];
    for standing in [Standing::Edited, Standing::Missing, Standing::OutOfOrder, Standing::Unfinished] {
        match status.count(standing) {
            0 => {}
            count => parts.push(format!("{count} {}", word(standing).to_lowercase())),
        }
    }
    parts.join(", ")
}
