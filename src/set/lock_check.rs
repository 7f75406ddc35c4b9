//! Where the files and their lock disagree.

use std::collections::BTreeMap;

use super::inspection::{Inspection, join};
use crate::checksum::Checksum;
use crate::diagnostic::{Diagnostic, Rule};
use crate::lock::{Entry, LOCK_FILE, Lock};
use crate::migration::{Migration, Script, file_in, file_name};
use crate::version::Version;

impl Inspection {
    /// Compares the set with its lock, of which `gone` are the lines without a file, and accepts the style of what is locked as it is.
    pub(super) fn check_lock(&mut self, lock: Lock, gone: &[Entry], path: &str) {
        let newest = lock.entries().last().map(|entry| entry.version);
        let mut gone_of: BTreeMap<Version, Vec<&str>> = BTreeMap::new();
        for entry in gone {
            gone_of.entry(entry.version).or_default().push(&entry.file);
        }
        let mut findings = Vec::new();
        for migration in &self.set.migrations {
            let locked = |script: &Script| lock.checksum_of(migration.version, script.file());
            let new = locked(&migration.up).is_none();
            if new && let Some(old) = gone_of.remove(&migration.version) {
                findings.push(renamed(migration, &old));
            } else if new && newest.is_some_and(|newest| migration.version < newest) {
                findings.push(out_of_order(migration, newest));
            } else if new {
                findings.push(not_locked(&migration.up, migration.id()));
            }
            for script in migration.scripts() {
                match locked(script) {
                    Some(checksum) if checksum != script.checksum() => {
                        findings.push(edited(migration, script, checksum));
                    }
                    None if !new => findings.push(down_not_locked(script)),
                    _ => {}
                }
            }
        }
        for (version, files) in gone_of {
            let older = lock.entries().partition_point(|entry| entry.version < version).checked_sub(1);
            let older = older.and_then(|at| lock.entries().get(at)).map(|entry| entry.version);
            findings.push(missing(&files, older, path));
        }
        let is_accepted = |finding: &Diagnostic| {
            let script = || finding.path.as_deref().and_then(|path| self.set.script_at(path));
            finding.rule.is_style()
                && script().is_some_and(|script| lock.checksum(script.file()) == Some(script.checksum()))
        };
        let found = std::mem::take(&mut self.findings);
        let (accepted, kept): (Vec<_>, Vec<_>) = found.into_iter().partition(is_accepted);
        self.accepted = accepted.into_iter().map(Diagnostic::as_warning).collect();
        self.findings = kept;
        self.findings.extend(findings);
        self.lock = Some(lock);
    }
}

impl super::MigrationSet {
    /// The script of this path.
    fn script_at(&self, path: &str) -> Option<&Script> {
        let version = file_name(path.get(file_in(path)..)?).ok()?.version;
        self.get(version)?.scripts().find(|script| script.path() == path)
    }
}

fn not_locked(script: &Script, what: &str) -> Diagnostic {
    Diagnostic::error(Rule::NotLocked, format!("`{what}` is not locked yet"))
        .at(script.path())
        .note("its digest is not in stairwell.lock, so a later edit could not be noticed")
        .help("`cargo xtask db up` applies and locks it; `cargo xtask db lock` only locks it; commit the lock with it")
}

fn down_not_locked(script: &Script) -> Diagnostic {
    Diagnostic::error(Rule::NotLocked, format!("`{}` is not locked yet, and its up script is", script.file()))
        .at(script.path())
        .help("`cargo xtask db lock` locks it; commit the lock with it")
}

fn edited(migration: &Migration, script: &Script, locked: Checksum) -> Diagnostic {
    let finding = Diagnostic::error(Rule::Edited, format!("`{}` was edited after it was locked", script.file()))
        .at(script.path())
        .about_locked([script.file()])
        .note(format!("locked as sha256 {}…, and it is {}… now", locked.short(), script.checksum().short()));
    if script.file() != migration.up.file() {
        return finding
            .note("the next `down` would run a script that nobody accepted")
            .help(format!("to take it back: `git checkout -- {}`", script.path()))
            .help("if it is right as it is now: `cargo xtask db lock --accept-changes`");
    }
    finding
        .note("a database that applied the locked text would differ from one that applies this")
        .help(format!("if it has left your machine: `git checkout -- {}`, and write what you want as a new migration (`cargo xtask db new <name>`)", script.path()))
        .help(format!("if it has not: `cargo xtask db redo --to {}` undoes it, applies it as it is now, and locks that", migration.version))
        .help("if it has not been applied anywhere: `cargo xtask db lock --accept-changes` locks it as it is now")
}

fn renamed(migration: &Migration, old: &[&str]) -> Diagnostic {
    Diagnostic::error(Rule::Missing, format!("`{}` has the version of {}, locked and gone: was it renamed?", migration.id(), join(old.iter().copied())))
        .at(migration.up.path())
        .about_locked(old.iter().copied())
        .note("databases know a migration by its version; a new one under an old version would never be applied to them")
        .help("if it was renamed: take its old name back; if it is new: give it a later version, and restore the old one from git")
        .help("if neither has left your machine: `cargo xtask db lock --accept-changes` locks what is here")
}

fn missing(files: &[&str], older: Option<Version>, lock_path: &str) -> Diagnostic {
    let folder = lock_path.strip_suffix(LOCK_FILE).unwrap_or_default();
    let paths: Vec<_> = files.iter().map(|file| format!("{folder}{file}")).collect();
    let paths = paths.join(" ");
    let what = if files.len() == 1 { "was locked, and is gone" } else { "were locked, and are gone" };
    let to = older.map_or_else(|| "--all".to_owned(), |version| format!("--to {version}"));
    Diagnostic::error(Rule::Missing, format!("{} {what}", join(files.iter().copied())))
        .at(lock_path)
        .about_locked(files.iter().copied())
        .note("databases that applied it could no longer be understood")
        .help(format!("to restore it: `git checkout HEAD -- {paths}`; if a commit deleted it, `git log --diff-filter=D -- {paths}` names that commit"))
        .help(format!("if it never left your machine: `cargo xtask db down {to}` undoes it there, and `cargo xtask db lock --accept-changes` forgets it"))
}

fn out_of_order(migration: &Migration, newest: Option<Version>) -> Diagnostic {
    let newest = newest.map(|version| version.to_string()).unwrap_or_default();
    Diagnostic::error(Rule::OutOfOrder, format!("`{}` is new, and older than the newest locked migration ({newest})", migration.id()))
        .at(migration.up.path())
        .note("this happens when two branches add migrations: databases that are at the newer one would get this one in an order that nobody tested")
        .help("`cargo xtask db rebase` gives it a later version; then `cargo xtask db up`")
}
