//! `db squash`: one baseline instead of all migrations up to a version.

mod baseline;
mod data;
mod files;
mod insert_order;
mod proof;

use stairwell::migration::Migration;
use stairwell::{Inspection, Version};

use self::baseline::Baseline;
use self::files::{Change, Unfinished};
use crate::context::Context;
use crate::db::guard::{self, Answer};
use crate::db::lockfile::count;
use crate::db::new;
use crate::failure::{Code, Failure};
use crate::schema::Bench;
use crate::spelling::Spelling;
use crate::terminal::{print, say};

const HELP: &str = "\
The baseline makes what the migrations up to that version made: the schema, the rows that they inserted, and where their sequences \
stand. It has the version of the newest of them. Before anything is written it is proved on scratch databases: the baseline gives \
the same as they do, the migrations after it run on both, and both end alike.

A database that has applied all of them is past the baseline, which it never runs: for `up`, `status` and the rest nothing changes, \
and `down` goes back by the scripts that the ledger kept. A fresh database runs the baseline. One that has applied only some of them \
is refused by `up`, so bring every database past the version before this is deployed.

The baseline can be undone, which drops all that it made, unless one of the migrations is `irreversible`.

Exit codes:
  1  a migration failed on a scratch database, or the proof does not hold; nothing was written
  3  the files are not in order, or git could not bring them back; nothing was written

Examples:
  cargo xtask db squash 20260101090000 --dry-run  prove it, and print the baseline
  cargo xtask db squash 20260101090000            do it
  cargo xtask db squash head --name schema_2026   all of them, as <version>_schema_2026";

/// Replace all migrations up to a version by one baseline that is proved equal to them
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// The newest to squash: a version, the beginning of one, a name, or `head`
    #[arg(value_name = "MIGRATION", allow_negative_numbers = true)]
    migration: Spelling,
    /// What the baseline is called
    #[arg(long, value_name = "NAME", default_value = "baseline")]
    name: String,
    /// Prove it, print the baseline's up script, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do it without being asked
    #[arg(long)]
    yes: bool,
    /// Also where the migrations folder has changes that are not committed, or is not in git: the old files are gone then
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let folder = context.folder();
    // `db new` at the same time would add a migration that was not proved.
    let _alone = new::lock(folder);
    if !args.dry_run
        && let Some(unfinished) = Unfinished::look(folder)
    {
        return finish(context, args, &unfinished);
    }
    let inspection = context.inspect()?;
    let mut findings = inspection.defects();
    findings.0.extend(inspection.lock_findings().cloned());
    if !findings.0.is_empty() {
        return Err(findings.into());
    }
    let (version, squashed) = chosen(&inspection, args)?;
    let id = id(version, args, squashed)?;
    if !args.dry_run && !args.force {
        files::check_git(folder)?;
    }
    say(&format!("proving a baseline for {} up to {version} …", count(squashed.len(), "migration")));
    let bench = Bench::of(context);
    let baseline = proof::prove(context, &bench, &inspection, &id, squashed)?;
    if args.dry_run {
        say(&format!("proved: {}\nnothing was changed", told(&baseline, squashed)));
        return print(&baseline.up);
    }
    say(&format!("proved: {}", told(&baseline, squashed)));
    confirm(args, &format!("Replace {} by `{id}`? [y/N]", count(squashed.len(), "migration")))?;
    let change = Change::of(&inspection, &baseline, version);
    change.carry_out(folder)?;
    report(context, &id, version, squashed.len());
    Ok(())
}

/// The version, and the migrations that go.
fn chosen<'a>(inspection: &'a Inspection, args: &Args) -> Result<(Version, &'a [Migration]), Failure> {
    let set = inspection.set();
    let usage = |message: String| Failure::new(Code::Usage, message);
    let version = args.migration.point(set, &stairwell::plan::History::default())?;
    let version = version.ok_or_else(|| usage("there is nothing to squash before the first migration".to_owned()))?;
    let end = set.migrations().partition_point(|migration| migration.version <= version);
    match set.migrations().get(..end).unwrap_or_default() {
        [] => Err(usage("there is nothing to squash: there are no migrations".to_owned())),
        [only] => Err(usage(format!("there is nothing to squash: `{}` is one file already", only.id()))),
        squashed => Ok((version, squashed)),
    }
}

/// What the baseline's files are called.
fn id(version: Version, args: &Args, squashed: &[Migration]) -> Result<String, Failure> {
    let usage = |message: String| Failure::new(Code::Usage, message);
    let name = new::slug(&args.name)
        .ok_or_else(|| usage(format!("`{}` has no letter or digit to make a name of", args.name.escape_debug())))?;
    let newest = squashed.last();
    // Zeros before the version are how the files of this project are called.
    let number =
        newest.map_or_else(|| version.to_string(), |m| m.id().split('_').next().unwrap_or_default().to_owned());
    let id = format!("{number}_{name}");
    if newest.is_some_and(|migration| migration.name() == name) {
        return Err(usage(format!(
            "the newest of them is called `{id}` itself, and a database could not tell the two apart\n  \
             = help: give the baseline another name: `--name <name>`"
        )));
    }
    Ok(id)
}

fn told(baseline: &Baseline, squashed: &[Migration]) -> String {
    let rows = match baseline.rows {
        0 => "without rows".to_owned(),
        rows => format!("with {} of {}", count(rows, "row"), count(baseline.tables, "table")),
    };
    let down = match &baseline.down {
        Some(_) => "it can be undone",
        None => "it is irreversible",
    };
    format!("{} and the baseline make the same, {rows}; {down}", count(squashed.len(), "migration"))
}

fn confirm(args: &Args, question: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    match guard::ask(question) {
        Answer::Said(answer) if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") => Ok(()),
        Answer::Said(_) => Err(Failure::new(Code::Refused, "nothing was changed")),
        Answer::NobodyToAsk(why) => Err(Failure::new(
            Code::Refused,
            format!(
                "nothing was changed\n  = note: nobody was asked, because {why}\n  = help: if that is what you want: the same command with `--yes`"
            ),
        )),
    }
}

/// Goes on where a run was killed between writing the baseline and the end.
fn finish(context: &Context, args: &Args, unfinished: &Unfinished) -> Result<(), Failure> {
    let id = unfinished.id();
    say(&format!(
        "an earlier squash was interrupted: `{id}` is written, and proved; what is left is to delete what it squashes"
    ));
    if let Some(other) = unfinished.changed() {
        return Err(Failure::new(
            Code::Files,
            format!(
                "`{other}` is not as it was locked, so it is not what `{id}` was proved to be\n  \
                 = help: go back to before the squash: `git checkout HEAD -- {folder} && git clean -f -- {folder}`",
                folder = context.folder().display()
            ),
        ));
    }
    confirm(args, "Finish it? [y/N]")?;
    unfinished.finish(context.folder())?;
    report(context, id, unfinished.version(), unfinished.squashed());
    Ok(())
}

fn report(context: &Context, id: &str, version: Version, squashed: usize) {
    let folder = context.folder().display();
    say(&format!(
        "squashed {} into {id}\n\nNext:\n  git add --all {folder}, and commit it\n\n\
         Before this is deployed, every database must be past {version}, all of it applied: `cargo xtask db status` says \
         there\n\"squashes {squashed} migrations applied here\", and `cargo xtask db up` refuses one that is not. A branch that was made before this \
         and\nadds migrations is merged as ever; `cargo xtask db rebase` puts them behind.",
        count(squashed, "migration")
    ));
}
