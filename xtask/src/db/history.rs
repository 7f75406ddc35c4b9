//! `db history`: the whole line, newest first.

use std::fmt::Write;

use serde::Serialize;
use stairwell::migration::Script;
use stairwell::plan::{Applied, History, Record, squash};
use stairwell::postgres::{Standing, Status};
use stairwell::{MigrationSet, Version};

use crate::context::Context;
use crate::db::status::{state, word};
use crate::db::up::migrator;
use crate::db::view::{Name, View, readable};
use crate::failure::{Code, Failure};
use crate::json;
use crate::options::{Format, Output};
use crate::spelling::Spelling;
use crate::terminal::{duration, print, say};

const HELP: &str = "\
Every migration that is here or was applied, newest first: when it was applied, how long that took, by which role, and with which \
program. It creates nothing, and needs no more than SELECT on the ledger.

Examples:
  cargo xtask db history                     all
  cargo xtask db history --range 202611:     from that one on
  cargo xtask db history --range base:users  up to the one that is called users";

/// Show every migration, and when, by whom and how it was applied
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Only from this migration to that one, both included: `<from>:<to>`; what is left out is `base` and `head`
    #[arg(short, long, value_name = "FROM:TO", value_parser = range)]
    range: Option<Range>,
    /// With the comments at the top of each up script, and what was remarked in the ledger
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    output: Output,
}

/// A piece of the line.
#[derive(Debug, Clone)]
struct Range {
    from: Option<Spelling>,
    to: Option<Spelling>,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Document {
    database: String,
    migrations: Vec<Entry>,
}

/// One migration.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    name: Name,
    state: &'static str,
    squashes: Option<usize>,
    #[serde(flatten)]
    applied: HowApplied,
    description: Vec<String>,
    #[serde(skip)]
    id: String,
    #[serde(skip)]
    standing: Standing,
}

/// How it got into the ledger; all of it is null where it did not.
#[derive(Debug, Default, Serialize)]
pub(super) struct HowApplied {
    started_at: Option<String>,
    applied_at: Option<String>,
    elapsed_ms: Option<f64>,
    by: Option<String>,
    with: Option<String>,
    remarks: Vec<String>,
}

impl HowApplied {
    pub(super) fn of(record: Option<&Record>) -> Self {
        let Some(record) = record else { return Self::default() };
        Self {
            started_at: Some(record.started_at.clone()),
            applied_at: record.applied_at.clone(),
            elapsed_ms: record.elapsed.map(|elapsed| elapsed.as_secs_f64() * 1_000.0),
            by: Some(record.by.clone()),
            with: Some(record.with.clone()),
            remarks: record.remarks.iter().flat_map(|text| text.lines()).map(str::to_owned).collect(),
        }
    }

    /// What was done to the row, a line each.
    pub(super) fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// `2026-11-21 09:30:00 UTC  12 ms  by ann  with shop 1.4.2`
    pub(super) fn sentence(&self) -> String {
        let mut out = String::new();
        match (&self.applied_at, &self.started_at) {
            (Some(at), _) => out = readable(at),
            (None, Some(at)) => out = format!("begun {}", readable(at)),
            (None, None) => return out,
        }
        let elapsed = self.elapsed_ms.map(|ms| std::time::Duration::from_secs_f64(ms.max(0.0) / 1_000.0));
        // Writing to a String does not fail.
        let _ = write!(out, "  {:>7}", elapsed.map(duration).unwrap_or_default());
        let _ = write!(out, "  by {}  with {}", self.by.as_deref().unwrap_or("?"), self.with.as_deref().unwrap_or("?"));
        out
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let view = View::of(context)?;
    let database = context.database()?;
    let history = migrator(&view.inspection).history(&database)?;
    let set = view.inspection.set();
    let (from, to) = match &args.range {
        Some(range) => range.find(set, &history)?,
        None => (None, None),
    };
    let within = |version: Version| from.is_none_or(|from| version >= from) && to.is_none_or(|to| version <= to);
    let entries: Vec<Entry> =
        entries(set, &history).into_iter().filter(|(version, _)| within(*version)).map(|e| e.1).collect();
    match args.output.format() {
        Format::Json => {
            json::print("history", &Document { database: database.to_string(), migrations: entries })?;
        }
        Format::Text if entries.is_empty() => say("no migrations"),
        Format::Text => print(table(&entries, args.verbose))?,
    }
    view.end()
}

fn entries(set: &MigrationSet, history: &History) -> Vec<(Version, Entry)> {
    let status = Status::of(set, history);
    let entry = |row: &stairwell::postgres::StatusRow| Entry {
        name: Name::of_id(row.version, &row.id),
        state: state(row.standing),
        squashes: row.squashes,
        applied: HowApplied::of(history.get(row.version).and_then(|row| row.record.as_ref())),
        description: set.get(row.version).map(|migration| description(&migration.up)).unwrap_or_default(),
        id: row.id.clone(),
        standing: row.standing,
    };
    let squashed = |row: &Applied| {
        let id = row.id();
        let entry = Entry {
            name: Name::of_id(row.version, &id),
            state: state(Standing::Squashed),
            squashes: None,
            applied: HowApplied::of(row.record.as_ref()),
            description: Vec::new(),
            id,
            standing: Standing::Squashed,
        };
        (row.version, entry)
    };
    // All that a baseline squashes is older than what is here.
    let squashes = status.rows.iter().any(|row| row.squashes.is_some());
    let older = if squashes { squash::squashed(set, history) } else { &[] };
    status.rows.iter().rev().map(|row| (row.version, entry(row))).chain(older.iter().rev().map(squashed)).collect()
}

/// The comments at the top of a script, without directives.
pub(super) fn description(script: &Script) -> Vec<String> {
    let comments = script.text().lines().map_while(|line| line.trim().strip_prefix("--"));
    let said = comments.map(str::trim).filter(|line| !line.starts_with("stairwell:"));
    let mut lines: Vec<String> = said.skip_while(|line| line.is_empty()).map(str::to_owned).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn table(entries: &[Entry], verbose: bool) -> String {
    let width = entries.iter().map(|entry| entry.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for entry in entries {
        let settled = matches!(entry.standing, Standing::Applied | Standing::CommentEdited | Standing::Squashed);
        let state = if settled { String::new() } else { format!("{}  ", word(entry.standing)) };
        let squashes = entry.squashes.map(|n| format!("  (squashes the {n} below)")).unwrap_or_default();
        let line = format!("{:<width$}  {state}{}{squashes}", entry.id, entry.applied.sentence());
        let _ = writeln!(out, "{}", line.trim_end());
        let more = entry.applied.remarks.iter().chain(&entry.description).filter(|_| verbose);
        for line in more {
            let _ = writeln!(out, "{}", format!("    {line}").trim_end());
        }
    }
    out
}

fn range(text: &str) -> Result<Range, String> {
    let (from, to) = text.split_once(':').ok_or("write it as `<from>:<to>`; either may be left out")?;
    let end = |text: &str| if text.trim().is_empty() { Ok(None) } else { text.parse().map(Some) };
    Ok(Range { from: end(from)?, to: end(to)? })
}

impl Range {
    fn find(&self, set: &MigrationSet, history: &History) -> Result<(Option<Version>, Option<Version>), Failure> {
        let end = |end: &Option<Spelling>| end.as_ref().map(|end| end.point(set, history)).transpose();
        let (from, to) = (end(&self.from)?.flatten(), end(&self.to)?);
        if matches!((from, to), (Some(from), Some(to)) if to.is_none_or(|to| from > to)) || to == Some(None) {
            return Err(Failure::new(Code::Usage, "the range ends before it begins, so nothing is in it"));
        }
        Ok((from, to.flatten()))
    }
}
