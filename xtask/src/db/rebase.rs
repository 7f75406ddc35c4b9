//! `db rebase`: puts my migrations behind theirs.

mod carry_out;
mod operation;
mod plan;
mod refusal;
mod sides;

use std::path::Path;

use jiff::Timestamp;
use stairwell::lock::{LOCK_FILE, Lock};

use self::operation::{Operation, Whose};
use self::plan::{Rebase, Sides};
use self::refusal::Refusal;
use crate::context::Context;
use crate::db::{lockfile, new};
use crate::failure::{Code, Failure};
use crate::terminal::say;

const HELP: &str = "\
Two branches that add migrations conflict in stairwell.lock, on purpose: nobody has tested the order that a silent merge would make. In \
the middle of the `git merge`, `git rebase`, `git cherry-pick` or `git stash pop` that stopped there, this gives your migrations versions \
after theirs (the UTC time, in the order that they had), renames their files, and writes the lock that fits. What is in the files stays, \
but for the old name in the comments at their top. Theirs keep their names.

Yours are those of the branch that you are on in a merge, and those of the commits that are put on the other branch in a rebase. On the \
branch that everyone has (the remote's default; `main` or `master` where it names none) a merge is the other way round: what comes in \
gets the later versions, since what is there may be deployed. Where there is no conflict they are the migrations that are not locked. In \
either case those that are newer than all of theirs keep their versions.

Everything is checked before anything is written, and if a rename fails the others are taken back.

Exit codes: 0 done, or nothing to do; 3 something that only you can decide, such as a migration that one side edited or removed, and \
nothing was changed.

Examples:
  cargo xtask db rebase --dry-run                what it would do
  cargo xtask db rebase                          does it
  cargo xtask db rebase 20261121093000_add_phone gives this one a later version, whoever made it";

/// Put your migrations behind theirs, when two branches added some
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Migrations that are yours, by version and name, where they are not told by git or by the lock
    #[arg(value_name = "MIGRATION")]
    migrations: Vec<String>,
    /// Which side of the conflict is yours, in git's words [default: as the merge or rebase under way says]
    #[arg(long, value_name = "SIDE")]
    mine: Option<Whose>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let folder = context.folder();
    // `db new` at the same time would choose one version with this.
    let _alone = new::lock(folder);
    let found = sides::look(folder, args.mine)?;
    let sides = with_named(found.sides, &args.migrations)?;
    let rebase = plan::plan(&sides, &found.files, Timestamp::now())?;
    if rebase.steps.is_empty() && Some(&rebase.lock) == found.lock.as_ref() {
        say("nothing to rebase: no migration of yours is older than one of theirs");
        return Ok(());
    }
    if !args.dry_run {
        carry_out::carry_out(folder, &rebase)?;
    }
    let lock = if Some(&rebase.lock) == found.lock.as_ref() { None } else { Some(&rebase.lock) };
    report(folder, &rebase, lock, args.dry_run, found.operation);
    Ok(())
}

/// The sides with what was named moved to mine.
fn with_named(sides: Sides, named: &[String]) -> Result<Sides, Failure> {
    if named.is_empty() {
        return Ok(sides);
    }
    let id = |file: &str| {
        let stem = file.strip_suffix(".up.sql").or_else(|| file.strip_suffix(".down.sql"));
        stem.unwrap_or(file).to_owned()
    };
    let is_named = |file: &str| named.contains(&id(file));
    let locked: Vec<_> = sides.theirs.entries().iter().chain(sides.mine.entries()).collect();
    if let Some(unknown) = named.iter().find(|name| !locked.iter().any(|entry| id(&entry.file) == **name)) {
        // Anything else may be a URL, and hold a password.
        let is_name = unknown.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
        let shown = if is_name { unknown } else { "…" };
        return Err(Failure::new(
            Code::Usage,
            format!(
                "there is no migration `{shown}` in the lock\n  = help: name it as its files are called, without `.up.sql`; one that is not locked need not be named"
            ),
        ));
    }
    let (mine, theirs): (Vec<_>, Vec<_>) =
        sides.theirs.entries().iter().cloned().partition(|entry| is_named(&entry.file));
    let without =
        |lock: &Lock| Lock::from_entries(lock.entries().iter().filter(|entry| !is_named(&entry.file)).cloned());
    let had = sides.mine.entries().iter().filter(|entry| !mine.contains(entry)).cloned();
    Ok(Sides {
        base: sides.base.as_ref().map(without),
        mine: Lock::from_entries(had.chain(mine.iter().cloned())),
        theirs: Lock::from_entries(theirs),
    })
}

/// Says what was done, and what comes next; `lock` is the new one, if it is another.
fn report(folder: &Path, rebase: &Rebase, lock: Option<&Lock>, dry_run: bool, operation: Operation) {
    for (old, new) in &rebase.renamed {
        say(&format!("  {old} -> {new}"));
    }
    let newest = rebase.newest.map(|newest| format!(", after {newest}")).unwrap_or_default();
    let renamed = format!("{}{newest}", lockfile::count(rebase.renamed.len(), "migration"));
    let lock = lock.map(|lock| {
        format!("{} of {}", folder.join(LOCK_FILE).display(), lockfile::count(lock.entries().len(), "file"))
    });
    if dry_run {
        let lock = lock.map(|lock| format!(", and write {lock}")).unwrap_or_default();
        say(&format!("would rename {renamed}{lock}\nnothing was changed"));
        return;
    }
    say(&format!("renamed {renamed}{}", lock.map(|lock| format!("\nwrote {lock}")).unwrap_or_default()));
    let mut next = vec!["read them again: do they still do what they should, after theirs?".to_owned()];
    if rebase.unlocked > 0 {
        next.push("cargo xtask db up   # applies and locks what is not locked yet".to_owned());
    }
    let add = format!("git add {}", folder.display());
    next.push(operation.next().map_or_else(|| format!("{add}, and commit it"), |next| format!("{add} && {next}")));
    say(&format!("\nNext:\n  {}", next.join("\n  ")));
    if !rebase.renamed.is_empty() {
        let back = rebase.before.map_or_else(|| "--all".to_owned(), |version| format!("--to {version}"));
        say(&format!(
            "\nA database that has them under their old versions, such as your own, keeps them so; there:\n  \
             cargo xtask db down {back}   # undoes them with the scripts that it kept, and their data\n  \
             cargo xtask db up"
        ));
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(Code::Files, refusal.to_string())
    }
}
