//! A baseline: one migration that stands for all that it squashes.
//!
//! It has the version of the newest of them, so that a database that applied these is at the same version as one that was made by the
//! baseline. Its up script says which histories it stands for: `-- stairwell: squashes <count> <digest>`, once for each. There is more
//! than one where a baseline was squashed again, as there are then databases with the rows of the first history, with those of the first
//! baseline and what came after it, and with those of the second.

use std::borrow::Cow;

use super::{Applied, History, State};
use crate::checksum::Checksum;
use crate::diagnostic::{Diagnostic, Rule};
use crate::migration::{Migration, Squashed};
use crate::set::MigrationSet;
use crate::version::Version;

/// What a history of these migrations is told by, oldest first: their versions and fingerprints, so comments and white space don't matter.
///
/// It is a chain: the SHA-256 of nothing at first, and for each migration that of `<digest so far> <version> <fingerprint>\n`. So what comes
/// after a baseline can be added to what that stands for, when the files of it are long gone.
pub fn digest(migrations: impl IntoIterator<Item = (Version, Checksum)>) -> Checksum {
    extended(Checksum::of(""), migrations)
}

fn extended(digest: Checksum, migrations: impl IntoIterator<Item = (Version, Checksum)>) -> Checksum {
    let link = |so_far: Checksum, (version, fingerprint): (Version, Checksum)| {
        Checksum::of(format!("{so_far} {version} {fingerprint}\n"))
    };
    migrations.into_iter().fold(digest, link)
}

/// Every history that a baseline stands for which takes the place of these migrations of a set, oldest first.
pub fn histories(squashed: &[Migration]) -> Vec<Squashed> {
    let link = |migration: &Migration| (migration.version, migration.up.fingerprint());
    let own = Squashed { count: squashed.len(), digest: digest(squashed.iter().map(link)) };
    let Some((oldest, newer)) = squashed.split_first() else { return Vec::new() };
    let older = oldest.squashes().iter().map(|before| Squashed {
        count: before.count + newer.len(),
        digest: extended(before.digest, newer.iter().map(link)),
    });
    std::iter::once(own).chain(older).collect()
}

/// A history as a set sees it whose oldest migration may be a baseline.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// The rows; what a baseline stands for is one row, which is as if the baseline had been applied.
    pub history: Cow<'a, History>,
    /// How many rows that one stands for; `None` where there is none such.
    pub squashed: Option<usize>,
    /// Why the database cannot go on, if it has some of what was squashed and not all of it. The rows are then seen as if it had.
    pub amid: Option<Diagnostic>,
}

impl<'a> Seen<'a> {
    /// Looks for what the set's baseline stands for.
    pub fn of(set: &MigrationSet, history: &'a History) -> Self {
        let plain = Self { history: Cow::Borrowed(history), squashed: None, amid: None };
        let Some(baseline) = set.baseline() else { return plain };
        let rows = squashed(set, history);
        let Some(newest) = rows.last() else { return plain };
        let amid = stands_for(baseline, rows).err();
        let as_applied =
            Applied { record: newest.record.clone(), ..Applied::with(baseline.version, baseline.name(), &baseline.up) };
        let newer = history.rows.get(rows.len()..).unwrap_or_default();
        let seen = History { rows: std::iter::once(as_applied).chain(newer.iter().cloned()).collect() };
        Self { history: Cow::Owned(seen), squashed: amid.is_none().then_some(rows.len()), amid }
    }
}

/// The rows of a history that are not the set's own, because its baseline took their place. Nothing is said of whether that is right.
pub fn squashed<'a>(set: &MigrationSet, history: &'a History) -> &'a [Applied] {
    let Some(baseline) = set.baseline() else { return &[] };
    let end = history.rows.partition_point(|row| row.version <= baseline.version);
    let rows = history.rows.get(..end).unwrap_or_default();
    match rows {
        [row] if is_own(baseline, row) => &[],
        rows => rows,
    }
}

/// Whether it is the baseline itself that was applied, edited or not. The migration whose version it has was called something else, or did
/// something else.
fn is_own(baseline: &Migration, row: &Applied) -> bool {
    let is_it = || row.name == baseline.name() || row.fingerprint == baseline.up.fingerprint();
    let is_squashed = || {
        let digest = digest([(row.version, row.fingerprint)]);
        baseline.squashes().iter().any(|squashed| squashed.count == 1 && squashed.digest == digest)
    };
    row.version == baseline.version && is_it() && !is_squashed()
}

/// Whether these rows are one of the histories, all of it done.
fn stands_for(baseline: &Migration, rows: &[Applied]) -> Result<(), Diagnostic> {
    if let Some(row) = rows.iter().find(|row| row.state != State::Applied) {
        return Err(unfinished(baseline, row));
    }
    let digest = digest(rows.iter().map(|row| (row.version, row.fingerprint)));
    let known = baseline.squashes();
    if known.iter().any(|squashed| squashed.count == rows.len() && squashed.digest == digest) {
        return Ok(());
    }
    Err(amid(baseline, rows))
}

fn amid(baseline: &Migration, rows: &[Applied]) -> Diagnostic {
    let (id, version) = (baseline.id(), baseline.version);
    let newest = rows.last().map(Applied::id).unwrap_or_default();
    let counts: Vec<String> = baseline.squashes().iter().map(|squashed| squashed.count.to_string()).collect();
    let counts = counts.join(" or ");
    let before = format!("git checkout \"$(git log -1 --format=%h --diff-filter=A -- {})~1\"", baseline.up.path());
    if rows.last().is_some_and(|row| row.version < version) {
        return Diagnostic::error(
            Rule::Squashed,
            format!("this database stands in the middle of what `{id}` squashes: its newest is `{newest}`"),
        )
        .at(baseline.up.path())
        .note(format!("it has {} of {counts} migrations that are one file now; the files of the others are gone", rows.len()))
        .note("nothing was run")
        .help(format!("go to the commit before the squash, bring it past {version} there, and come back: `{before}`, then `cargo xtask db up --to {version}`"))
        .help("if its data may go: `cargo xtask db reset` makes it anew");
    }
    Diagnostic::error(
        Rule::Squashed,
        format!("this database is at `{newest}`, and what it applied up to there is not what `{id}` squashes"),
    )
    .at(baseline.up.path())
    .note(format!("it has {} migrations up to {version}, and {counts} were squashed; or one was edited after it was applied here", rows.len()))
    .note("nothing was run")
    .help(format!("at the commit before the squash `cargo xtask db status` tells which, and `cargo xtask db repair` accepts an edit; then come back: `{before}`"))
    .help(format!("if this database has what they made, by another way: `cargo xtask db stamp {version}` puts the baseline in their place"))
}

fn unfinished(baseline: &Migration, row: &Applied) -> Diagnostic {
    let (id, what) = (row.id(), if row.state == State::Applying { "half applied" } else { "half undone" });
    let finding = Diagnostic::error(
        Rule::Squashed,
        format!("`{id}` is {what}, an earlier run was interrupted, and `{}` has squashed it since", baseline.id()),
    )
    .at(baseline.up.path())
    .note("nothing was run");
    match row.state {
        State::Reverting => {
            finding.help("finish it first: `cargo xtask db down`, with the script that the database kept")
        }
        _ => finding
            .help("finish it first, from a checkout that has it: `cargo xtask db up` at the commit before the squash"),
    }
}

#[cfg(test)]
mod tests;
