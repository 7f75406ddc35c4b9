//! `db repair`: accepts that a migration was edited after it was applied.

use similar::TextDiff;
use stairwell::migration::{Direction, Migration, Script};
use stairwell::plan::{Applied, History, PlanError, Seen, State};
use stairwell::postgres::Migrator;
use stairwell::{Findings, Inspection};

use crate::context::{Context, LockPolicy, by_whom};
use crate::db::guard::{self, Answer, Deed};
use crate::db::lockfile;
use crate::db::up::migrator;
use crate::failure::{Code, Failure};
use crate::options::{Confirm, Locked};
use crate::spelling::Place;
use crate::terminal::say;

const HELP: &str = "\
For an edit that changes nothing in this database, or whose effect was brought about by hand: `db up` refuses a migration that is not \
what was applied, until someone says that it may stay so. This shows what was edited, asks, and takes the files of today into the \
ledger, with when, who and why in its remarks. No script is run. What was edited and has not left your machine wants `db redo` instead.

Examples:
  cargo xtask db repair                  each migration that was edited, one after the other
  cargo xtask db repair create_users --reason 'a typo in a comment on a column' --yes";

/// Accept a migration that was edited after it was applied
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Which: a version, the beginning of one, or a name [default: all that were edited]
    #[arg(value_name = "MIGRATION")]
    migration: Option<Place>,
    /// Why that is right; kept in the ledger's remarks. Asked for in a terminal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Accept without being asked
    #[arg(long, requires = "reason")]
    yes: bool,
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    locked: Locked,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let policy = context.lock_policy(args.locked);
    let inspection = checked_but_for_edits(context, policy)?;
    let database = context.database()?;
    let mut migrator = migrator(&inspection);
    let history = migrator.history_with_scripts(&database)?;
    let only = args.migration.as_ref().map(|place| place.find(inspection.set(), &history)).transpose()?.flatten();
    let seen = Seen::of(inspection.set(), &history);
    let edited: Vec<(&Migration, &Applied)> = inspection
        .set()
        .migrations()
        .iter()
        .filter(|migration| only.is_none_or(|version| migration.version == version))
        .filter_map(|migration| Some((migration, seen.history.get(migration.version)?)))
        .filter(|(migration, row)| row.state == State::Applied && migration.up.checksum() != row.checksum)
        .collect();
    // What was squashed cannot be accepted as it is.
    if let (Some(amid), None, true) = (&seen.amid, only, edited.is_empty()) {
        return Err(PlanError::Conflicts(Findings(vec![amid.clone()])).into());
    }
    if edited.is_empty() {
        return nothing(&mut migrator, &database, &history, only);
    }
    let (mut accepted, mut has_passed) = (0, false);
    for (migration, row) in &edited {
        say(&difference(migration, row));
        let reason = match (&args.reason, args.yes) {
            (Some(reason), true) => reason.clone(),
            (reason, _) => match ask(migration, reason.as_deref())? {
                Some(reason) => reason,
                None => continue,
            },
        };
        let why = format!("repaired{}, was sha256 {}: {reason}", by_whom(), row.checksum);
        // Asked when it is known that something is to be written.
        if !has_passed {
            let confirmed = guard::look_and_pass(Deed::Repair, &database, &args.confirm)?;
            migrator = confirmed.into_iter().fold(migrator, Migrator::environment);
            has_passed = true;
        }
        if migrator.accept(&database, migration.version, &why)? {
            say(&format!("  accepted {}: what is here counts as applied", migration.id()));
            accepted += 1;
        }
    }
    lockfile::lock_applied(context, &inspection, &migrator.history(&database)?, policy)?;
    if accepted < edited.len() {
        return Err(Failure::new(
            Code::Refused,
            format!("{} left as it was", lockfile::count(edited.len() - accepted, "migration")),
        ));
    }
    Ok(())
}

/// The set, if nothing but an edit keeps it from being run: that is why one comes here. A lock that must not change refuses it all the same.
fn checked_but_for_edits(context: &Context, policy: LockPolicy) -> Result<Inspection, Failure> {
    let inspection = context.inspect()?;
    let mut findings = inspection.defects();
    findings.0.extend(lockfile::refused_but_for_edits(&inspection, || context.committed_lock(), policy).0);
    if findings.0.is_empty() { Ok(inspection) } else { Err(findings.into()) }
}

/// Says why there is nothing to repair, which is an error if something was named.
fn nothing(
    migrator: &mut Migrator<'_>,
    database: &stairwell::postgres::Database,
    history: &History,
    only: Option<stairwell::Version>,
) -> Result<(), Failure> {
    let Some(version) = only else {
        say(&format!("nothing to repair: no migration was edited after it was applied to {database}"));
        return Ok(());
    };
    match stairwell::plan::accept(migrator.set(), history, version) {
        Err(PlanError::NotApplied(version)) => {
            let message = format!(
                "{version} is not applied to {database}, so there is nothing to repair\n  \
                 = help: `cargo xtask db up` applies it; if it is there by another way: `cargo xtask db stamp`"
            );
            return Err(Failure::new(Code::Usage, message));
        }
        // Half done: the plan knows the words.
        other => other?,
    };
    say(&format!("nothing to repair: {version} is as it was applied to {database}"));
    Ok(())
}

/// Asks whether, and if that was not given why; `None` if not.
fn ask(migration: &Migration, reason: Option<&str>) -> Result<Option<String>, Failure> {
    let question =
        format!("Does this database have what {} says now, so that it may count as applied? [y/N]", migration.id());
    let silence = |why: String| {
        Failure::new(
            Code::Refused,
            format!(
                "nothing was accepted\n  = note: nobody was asked, because {why}\n  \
                 = help: if it is right: `cargo xtask db repair {} --yes --reason '<why>'`",
                migration.version
            ),
        )
    };
    match guard::ask(&question) {
        Answer::Said(answer) if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") => {}
        Answer::Said(_) => return Ok(None),
        Answer::NobodyToAsk(why) => return Err(silence(why)),
    }
    if let Some(reason) = reason {
        return Ok(Some(reason.to_owned()));
    }
    match guard::ask("Why? It is kept in the ledger:") {
        Answer::Said(why) if !why.is_empty() => Ok(Some(why)),
        Answer::Said(_) => Ok(None),
        Answer::NobodyToAsk(why) => Err(silence(why)),
    }
}

/// What was edited, as `diff -u` shows it.
fn difference(migration: &Migration, row: &Applied) -> String {
    let side = |now: Option<&Script>, then: Option<&str>, suffix: &str| {
        let (new, old) = (now.map(Script::text).unwrap_or_default(), then.unwrap_or_default());
        if new == old {
            return String::new();
        }
        let name = now.map_or_else(|| format!("{}{suffix} (gone)", row.id()), |script| script.path().to_owned());
        let diff = TextDiff::from_lines(old, new);
        diff.unified_diff().context_radius(3).header(&format!("{}{suffix} (as applied)", row.id()), &name).to_string()
    };
    let scripts = &row.scripts;
    [
        side(Some(&migration.up), scripts.up.as_deref(), Direction::Up.suffix()),
        side(migration.down.as_ref(), scripts.down.as_deref(), Direction::Down.suffix()),
    ]
    .concat()
}
