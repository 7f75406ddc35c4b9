//! `db lint`: what migrations would do to a database that is in use.

mod fix;

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use stairwell::build::is_ci;
use stairwell::migration::Migration;
use stairwell::plan::History as Applied;
use stairwell::schema::{RoundTrips, Trace, Trying};
use stairwell::{Inspection, Version};

use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::lint::history::History;
use crate::lint::judge::Judged;
pub(super) use crate::lint::judge::judge;
use crate::lint::levels::Levels;
use crate::lint::page;
use crate::lint::report::{self, Document};
use crate::lint::rules::named;
use crate::lint::traced::Traced;
use crate::schema::side::templates;
use crate::schema::{Bench, say_roles, without};
use crate::spelling::Place;
use crate::terminal::{color, print, say};
use crate::{git, json};

const HELP: &str = "\
Looks for what blocks readers or writers, rewrites a table, loses data, breaks an app that runs, or fails for certain; says why, and \
what to write instead. What earlier migrations made is known: an index on a table of the same migration blocks nobody.

History is not judged: nobody may edit it, and databases have been through it. That is what the lock has at --since, which is where \
this branch left the main one; without a main branch, what git has at HEAD. --all judges all of it.

A script silences a rule with a reason: `-- stairwell: allow <rule> <reason>`. A project sets levels in Cargo.toml:

  [workspace.metadata.stairwell.lint]
  rename = \"warn\"
  preferred-type = \"deny\"

Examples:
  cargo xtask db lint                    the migrations that are new on this branch
  cargo xtask db lint --all              every migration
  cargo xtask db lint --explain rename   what the rule finds, why, and what to write instead
  cargo xtask db lint --format sarif > lint.sarif

Exit codes:
  0  nothing that is denied was found
  1  something was
  3  the files are not in order";

/// Find what would hurt a database that is in use
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Also watch what they do on a scratch database, as `db check` does: the locks that are taken, the tables that are rewritten
    #[arg(long, conflicts_with_all = ["rules", "explain"])]
    trace: bool,
    /// Rewrite what can be mended without a thought: CONCURRENTLY and NOT VALID, with the migrations that this takes. Only files that are
    /// not locked; read what comes of it
    #[arg(long, conflicts_with_all = ["rules", "explain", "format"])]
    fix: bool,
    #[command(flatten)]
    output: Output,
    /// List all rules and their levels
    #[arg(long, conflicts_with_all = ["migrations", "all", "since", "explain"])]
    rules: bool,
    /// Print a rule's page
    #[arg(long, value_name = "RULE", conflicts_with_all = ["migrations", "all", "since"])]
    explain: Option<String>,
}

/// What is judged.
#[derive(Debug, clap::Args)]
struct Chosen {
    /// Only these migrations, history or not
    #[arg(value_name = "MIGRATION")]
    migrations: Vec<Place>,
    /// Judge history as well
    #[arg(long, conflicts_with = "since")]
    all: bool,
    /// What the lock has at this commit is history [default: where this branch left the main one]
    #[arg(long, value_name = "COMMIT")]
    since: Option<String>,
}

/// For whom.
#[derive(Debug, clap::Args)]
struct Output {
    /// How to print what is found
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The same as `--format json`
    #[arg(long, conflicts_with_all = ["format", "fix"])]
    json: bool,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people, as rustc does
    #[default]
    Text,
    /// The shape that docs/json.md describes
    Json,
    /// SARIF 2.1.0, which GitHub and others read
    Sarif,
    /// Commands that GitHub Actions turns into annotations
    Github,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    if let Some(name) = &args.explain {
        return match named(name) {
            Some(rule) => print(page::text(rule)),
            None => Err(Failure::new(
                Code::Usage,
                format!("there is no rule `{name}`\n  = help: `cargo xtask db lint --rules` lists them"),
            )),
        };
    }
    let levels = levels(context)?;
    if args.rules {
        return print(page::table(&levels));
    }
    let inspection = context.inspect()?;
    let defects = inspection.defects();
    // Style is what this command is about.
    if defects.0.iter().any(|defect| !defect.rule.is_style()) {
        return Err(defects.into());
    }
    let (chosen, source) = chosen(context, &args.chosen, &inspection)?;
    let is_chosen = |migration: &Migration| chosen.contains(&migration.version);
    let traced = if args.trace { trace(context, &inspection, is_chosen)? } else { Traced::new() };
    let judged = judge(&inspection, &levels, is_chosen, &traced);
    if args.fix && fix::run(context, &inspection, &judged)? {
        return again(context, &levels, is_chosen);
    }
    let history = inspection.set().migrations().len() - judged.len();
    match if args.output.json { Format::Json } else { args.output.format } {
        Format::Text => show(&judged),
        Format::Json => json::print("lint", &Document::of(&judged, history))?,
        Format::Github => print(report::github(&judged, &repository(context)))?,
        Format::Sarif => print(format_args!("{:#}\n", report::sarif(&judged, &levels, &repository(context))))?,
    }
    let summary = report::summary(&judged, history);
    if judged.iter().any(Judged::is_denied) {
        return Err(Failure::new(Code::Failed, format!("{summary}\n  = note: {source}")));
    }
    say(&format!("{summary}; {source}"));
    Ok(())
}

/// What is left when something was mended. What is new by that is judged as well.
fn again(context: &Context, levels: &Levels, is_chosen: impl Fn(&Migration) -> bool) -> Result<(), Failure> {
    let old = context.inspect()?;
    let is_new =
        |migration: &Migration| old.lock.as_ref().is_none_or(|lock| lock.checksum(migration.up.file()).is_none());
    let judged = judge(&old, levels, |migration| is_chosen(migration) || is_new(migration), &Traced::new());
    show(&judged);
    let summary = report::summary(&judged, 0);
    if judged.iter().any(Judged::is_denied) {
        return Err(Failure::new(Code::Failed, format!("{summary} are left; what was mended is named above")));
    }
    say(&format!("{summary}. Read what was written, and prove it: cargo xtask db check"));
    Ok(())
}

/// Findings as rustc would print them.
fn show(judged: &[Judged<'_>]) {
    let text = report::text(judged, color());
    if !text.is_empty() {
        say(text.strip_suffix('\n').unwrap_or(&text));
    }
}

/// The levels that the workspace sets.
pub(super) fn levels(context: &Context) -> Result<Levels, Failure> {
    Levels::new(context.settings()?.lint)
        .map_err(|why| Failure::new(Code::Usage, format!("[workspace.metadata.stairwell.lint] in Cargo.toml: {why}")))
}

/// The migrations to judge, and why these.
fn chosen(context: &Context, args: &Chosen, inspection: &Inspection) -> Result<(BTreeSet<Version>, String), Failure> {
    let set = inspection.set();
    if !args.migrations.is_empty() {
        let nothing = Applied::default();
        let found = args.migrations.iter().map(|place| place.find(set, &nothing)).collect::<Result<Vec<_>, _>>()?;
        return Ok((found.into_iter().flatten().collect(), "only what was named was judged".to_owned()));
    }
    if args.all {
        return Ok((set.migrations().iter().map(|it| it.version).collect(), "history was judged, too".to_owned()));
    }
    new(context, args.since.as_deref(), inspection)
}

/// The migrations that are no history, and why these.
pub(super) fn new(
    context: &Context,
    since: Option<&str>,
    inspection: &Inspection,
) -> Result<(BTreeSet<Version>, String), Failure> {
    let variable = |name: &str| env::var(name).ok();
    let history = History::of(
        context.folder(),
        inspection.lock.as_ref(),
        since,
        variable,
        variable("CI").is_some_and(|ci| is_ci(&ci)),
    )?;
    let new = inspection.set().migrations().iter().filter(|migration| !history.has(migration));
    Ok((new.map(|migration| migration.version).collect(), history.source))
}

/// What they do on a scratch database.
fn trace(
    context: &Context,
    inspection: &Inspection,
    is_wanted: impl Fn(&Migration) -> bool,
) -> Result<Traced, Failure> {
    let bench = Bench::of(context);
    let traced = watch(context, inspection, &bench, &is_wanted)?;
    for (version, trace) in &traced {
        if let Trace::Failed(why) = trace {
            say(&format!(
                "warning: {version} cannot be applied to a scratch database, so nothing was watched from there on\n{why}\n"
            ));
        }
    }
    Ok(traced)
}

/// The same, on this bench.
pub(super) fn watch(
    context: &Context,
    inspection: &Inspection,
    bench: &Bench<'_>,
    is_wanted: impl Fn(&Migration) -> bool,
) -> Result<Traced, Failure> {
    let migrations = inspection.set().migrations();
    let Some(first) = migrations.iter().position(&is_wanted) else { return Ok(Traced::new()) };
    let workshop = bench.workshop()?;
    let before: Vec<&Migration> = migrations.iter().take(first).collect();
    let without = without();
    let round_trips =
        RoundTrips::new(inspection.set(), workshop, &without).templates(templates(&context.key(), &before));
    let traced = round_trips.trace(is_wanted, |event| {
        if let Trying::Preparing(count) = event
            && count > 100
        {
            say(&format!("applying {count} migrations to a scratch database"));
        }
    })?;
    say_roles(workshop);
    Ok(traced)
}

/// The folder that paths are told from: the repository's, or the workspace's.
fn repository(context: &Context) -> PathBuf {
    let top = git::ask(context.root(), &["rev-parse", "--show-toplevel"]).and_then(|top| String::from_utf8(top).ok());
    let here = || std::path::absolute(context.root()).unwrap_or_else(|_| Path::new("").to_owned());
    top.map_or_else(here, |top| PathBuf::from(top.trim_end()))
}
