//! A set of migrations: ordered, complete, checked.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use crate::checksum::Checksum;
use crate::diagnostic::{Diagnostic, Rule, Severity};
use crate::directory::{self, FolderError};
use crate::lock::{LOCK_FILE, Lock};
use crate::migration::{Direction, FileName, Migration, Script, file_name};
use crate::parallel;
use crate::version::Version;

/// A file as it was found, not yet looked into.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name without the folder.
    pub file: String,
    /// Its path, for messages.
    pub path: String,
    /// What is in it.
    pub bytes: Cow<'static, [u8]>,
}

/// Migrations in version order, without a defect that would keep them from running.
#[derive(Debug, Clone, Default)]
pub struct MigrationSet {
    migrations: Vec<Migration>,
}

/// Everything that is wrong with a set. `Display` gives all findings, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings(pub Vec<Diagnostic>);

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, finding) in self.0.iter().enumerate() {
            write!(f, "{}{finding}", if n == 0 { "" } else { "\n\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// A set could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Something is wrong with the files.
    #[error("the migrations cannot be used as they are:\n\n{0}")]
    Findings(#[from] Findings),
}

impl MigrationSet {
    /// Reads and checks a folder. Migrations that are not locked yet are taken; everything else that is wrong is an error.
    pub fn from_directory(folder: impl AsRef<Path>) -> Result<Self, SetError> {
        Ok(directory::inspect(folder.as_ref())?.into_locked_set()?)
    }

    /// Reads and checks what `include_dir!` put into the binary, by the same rules.
    #[cfg(feature = "embed")]
    pub fn from_embedded(dir: &include_dir::Dir<'static>) -> Result<Self, SetError> {
        Ok(crate::embedded::inspect(dir).into_locked_set()?)
    }

    /// The migrations in version order.
    pub fn migrations(&self) -> &[Migration] {
        &self.migrations
    }

    /// The migration of this version.
    pub fn get(&self, version: Version) -> Option<&Migration> {
        let at = self.migrations.binary_search_by_key(&version, |m| m.version).ok()?;
        self.migrations.get(at)
    }

    /// The newest migration.
    pub fn head(&self) -> Option<&Migration> {
        self.migrations.last()
    }

    /// The lock that fits the files as they are.
    pub fn lock(&self) -> Lock {
        Lock::of(self.migrations.iter().flat_map(|m| {
            let name = |direction| FileName { version: m.version, name: m.name.clone(), direction };
            let down = m.down.as_ref().map(|script| (name(Direction::Down), script));
            std::iter::once((name(Direction::Up), &m.up)).chain(down)
        }))
    }

    /// The digest over all files: equal for two sets exactly if every file is.
    pub fn digest(&self) -> Checksum {
        self.lock().digest()
    }
}

/// A set beside what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    set: MigrationSet,
    /// The lock, if there is one that can be read.
    pub lock: Option<Lock>,
    /// What is wrong, files in order; see [`Rule::is_lock`] for what concerns the lock.
    pub findings: Vec<Diagnostic>,
    /// Style that the lock has accepted, see [`Rule::is_style`]: history is history, and nobody edits it.
    pub accepted: Vec<Diagnostic>,
}

impl Inspection {
    /// Checks files together: names, versions, pairs, contents, and the lock if it is among them.
    pub(crate) fn of(sources: Vec<Source>, findings: Vec<Diagnostic>, lock_path: &str) -> Self {
        let mut inspection = Self { findings, ..Self::default() };
        let mut scripts: BTreeMap<Version, Vec<(FileName, Script)>> = BTreeMap::new();
        let mut lower_case: BTreeMap<String, String> = BTreeMap::new();
        let (mut lock_source, mut named) = (None, Vec::new());
        // A file that is there and could not be read has its own finding, and is not gone.
        let mut present: BTreeSet<String> = inspection
            .findings
            .iter()
            .filter_map(|f| Some(Path::new(f.path.as_deref()?).file_name()?.to_str()?.to_owned()))
            .collect();
        present.extend(sources.iter().map(|source| source.file.clone()));
        for source in sources {
            if source.file == LOCK_FILE {
                lock_source = Some(source);
                continue;
            }
            if let Some(other) = lower_case.insert(source.file.to_lowercase(), source.file.clone()) {
                inspection.findings.push(
                    Diagnostic::error(
                        Rule::FileName,
                        format!(
                            "`{}` and `{other}` are one file on macOS and Windows, where names have no case",
                            source.file
                        ),
                    )
                    .at(source.path.clone())
                    .help("rename one of them"),
                );
            }
            match file_name(&source.file) {
                Ok(name) => named.push((name, source)),
                Err(why) => inspection.findings.push(
                    Diagnostic::error(Rule::FileName, format!("`{}` is not the name of a migration: {why}", source.file))
                        .at(source.path)
                        .note("a migration is `<version>_<name>.up.sql` with `<version>_<name>.down.sql`, and nothing else belongs here but the lock, a README and dot files")
                        .help("rename it (`cargo xtask db new <name>` makes good names), or move it elsewhere"),
                ),
            }
        }
        let parsed = parallel::map(named, |(name, source)| {
            let (script, found) = Script::parse(source.file, source.path, &source.bytes, name.direction);
            (name, script, found)
        });
        for (name, script, found) in parsed {
            inspection.findings.extend(found);
            if let Some(script) = script {
                scripts.entry(name.version).or_default().push((name, script));
            }
        }
        for (version, scripts) in scripts {
            inspection.take(version, scripts);
        }
        inspection.check_lock(lock_source, lock_path, &present);
        // A lock that cannot be read comes first: without it, the style of old migrations counts as new.
        let readable = |finding: &Diagnostic| finding.rule != Rule::LockFile;
        inspection.findings.sort_by(|a, b| (readable(a), &a.path, a.offset()).cmp(&(readable(b), &b.path, b.offset())));
        inspection
    }

    /// Makes a migration of the scripts that share a version, or says why there is none.
    fn take(&mut self, version: Version, mut scripts: Vec<(FileName, Script)>) {
        scripts.sort_by(|a, b| (a.0.direction, &a.1.file).cmp(&(b.0.direction, &b.1.file)));
        let files: Vec<_> = scripts.iter().map(|(_, script)| format!("`{}`", script.file)).collect();
        let last = scripts.last().map(|(_, script)| script.path.clone()).unwrap_or_default();
        let (mut ups, mut downs): (Vec<_>, Vec<_>) =
            scripts.into_iter().partition(|(name, _)| name.direction == Direction::Up);
        if ups.len() > 1 || (ups.len() == 1 && downs.len() > 1) {
            self.findings.push(
                Diagnostic::error(Rule::DuplicateVersion, format!("{} share version {version}", join(&files)))
                    .at(last)
                    .note("the version is the order, so every migration needs one of its own")
                    .help("rename both files of the migration that came later to a later version (`date -u +%Y%m%d%H%M%S` prints one)"),
            );
            return;
        }
        let Some((name, up)) = ups.pop() else {
            self.findings.extend(downs.into_iter().map(|(_, down)| {
                let up_file = format!("{}{}", stem(&down, Direction::Down), Direction::Up.suffix());
                Diagnostic::error(Rule::MissingUp, format!("`{}` has no `{up_file}` beside it", down.file))
                    .at(down.path)
                    .help("restore the up script from git, or delete this file")
            }));
            return;
        };
        let down = downs.pop().map(|(_, down)| down);
        if down.as_ref().is_some_and(|down| stem(down, Direction::Down) != stem(&up, Direction::Up)) {
            self.findings.push(
                Diagnostic::error(Rule::DuplicateVersion, format!("{} share version {version}, and not their name", join(&files)))
                    .at(last)
                    .note("the two scripts of a migration are called the same up to `.up.sql` and `.down.sql`")
                    .help("rename one of them so that they belong together; if they don't, give the later one a later version"),
            );
            return;
        }
        match (&down, &up.directives.irreversible) {
            (None, None) => {
                let down_file = format!("{}{}", stem(&up, Direction::Up), Direction::Down.suffix());
                self.findings.push(
                    Diagnostic::error(Rule::MissingDown, format!("`{}` has no `{down_file}` beside it", up.file))
                        .at(up.path.clone())
                        .help(
                            "write the down script, or begin the up script with `-- stairwell: irreversible <reason>`",
                        ),
                );
            }
            (Some(down), Some(_)) => self.findings.push(
                Diagnostic::error(
                    Rule::Directive,
                    format!("`{}` says `irreversible`, and there is a down script", up.file),
                )
                .at(down.path.clone())
                .help("delete this file, or the directive"),
            ),
            _ => {}
        }
        self.set.migrations.push(Migration { version, name: name.name, up, down });
    }

    fn check_lock(&mut self, source: Option<Source>, path: &str, present: &BTreeSet<String>) {
        let lock = match source.map(|source| Lock::parse(&source.path, &String::from_utf8_lossy(&source.bytes))) {
            Some(Ok(lock)) => lock,
            Some(Err(finding)) => return self.findings.push(finding),
            None => Lock::default(),
        };
        let newest = lock.entries().iter().map(|entry| entry.name.version).max();
        let mut gone: BTreeMap<Version, Vec<&str>> = BTreeMap::new();
        for entry in lock.entries().iter().filter(|entry| !present.contains(&entry.file)) {
            gone.entry(entry.name.version).or_default().push(&entry.file);
        }
        let (mut accepted_files, mut findings) = (BTreeSet::new(), Vec::new());
        for migration in &self.set.migrations {
            let new = lock.checksum(&migration.up.file).is_none();
            if new && let Some(old) = gone.remove(&migration.version) {
                findings.push(renamed(migration, &old));
            } else if new && newest.is_some_and(|newest| migration.version < newest) {
                findings.push(out_of_order(migration, newest));
            } else if new {
                findings.push(not_locked(&migration.up, migration.id()));
            }
            for script in migration.scripts() {
                match lock.checksum(&script.file) {
                    Some(checksum) if checksum == script.checksum => drop(accepted_files.insert(script.path.clone())),
                    Some(checksum) => findings.push(edited(migration, script, checksum)),
                    None if !new => findings.push(down_not_locked(script)),
                    None => {}
                }
            }
        }
        for (version, files) in gone {
            let older = lock.entries().partition_point(|entry| entry.name.version < version).checked_sub(1);
            let older = older.and_then(|at| lock.entries().get(at)).map(|entry| entry.name.version);
            findings.push(missing(&files, older, path));
        }
        let (accepted, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.findings).into_iter().partition(|finding| {
            finding.rule.is_style() && finding.path.as_ref().is_some_and(|path| accepted_files.contains(path))
        });
        self.accepted = accepted.into_iter().map(Diagnostic::as_warning).collect();
        self.findings = kept;
        self.findings.extend(findings);
        self.lock = Some(lock);
    }

    /// The set, whatever was found. For what has to work on a broken set, such as saying what is in it.
    pub fn set(&self) -> &MigrationSet {
        &self.set
    }

    /// What is wrong with the files themselves, errors only.
    pub fn defects(&self) -> Findings {
        self.errors(|rule| !rule.is_lock())
    }

    /// What is worth knowing about the files that are not locked yet.
    pub fn warnings(&self) -> Findings {
        Findings(self.findings.iter().filter(|finding| finding.severity == Severity::Warning).cloned().collect())
    }

    /// Where files and lock disagree.
    pub fn lock_findings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter().filter(|finding| finding.rule.is_lock())
    }

    fn errors(&self, keep: impl Fn(Rule) -> bool) -> Findings {
        Findings(self.findings.iter().filter(|f| f.severity == Severity::Error && keep(f.rule)).cloned().collect())
    }

    fn into_locked_set(self) -> Result<MigrationSet, Findings> {
        let errors = self.errors(|rule| rule != Rule::NotLocked);
        if errors.0.is_empty() { Ok(self.set) } else { Err(errors) }
    }
}

fn not_locked(script: &Script, what: &str) -> Diagnostic {
    Diagnostic::error(Rule::NotLocked, format!("`{what}` is not locked yet"))
        .at(script.path.clone())
        .note("its digest is not in stairwell.lock, so a later edit could not be noticed")
        .help("`cargo xtask db up` applies and locks it; `cargo xtask db lock` only locks it; commit the lock with it")
}

fn down_not_locked(script: &Script) -> Diagnostic {
    Diagnostic::error(Rule::NotLocked, format!("`{}` is not locked yet, and its up script is", script.file))
        .at(script.path.clone())
        .help("`cargo xtask db lock` locks it; commit the lock with it")
}

fn edited(migration: &Migration, script: &Script, locked: Checksum) -> Diagnostic {
    let finding = Diagnostic::error(Rule::Edited, format!("`{}` was edited after it was locked", script.file))
        .at(script.path.clone())
        .about_locked([script.file.as_str()])
        .note(format!("locked as sha256 {}…, and it is {}… now", locked.short(), script.checksum.short()));
    if script.file != migration.up.file {
        return finding
            .note("the next `down` would run a script that nobody accepted")
            .help(format!("to take it back: `git checkout -- {}`", script.path))
            .help("if it is right as it is now: `cargo xtask db lock --accept-changes`");
    }
    finding
        .note("a database that applied the locked text would differ from one that applies this")
        .help(format!("if it has left your machine: `git checkout -- {}`, and write what you want as a new migration (`cargo xtask db new <name>`)", script.path))
        .help(format!("if it has not: `cargo xtask db redo --to {}` undoes it, applies it as it is now, and locks that", migration.version))
        .help("if it has not been applied anywhere: `cargo xtask db lock --accept-changes` locks it as it is now")
}

fn renamed(migration: &Migration, old: &[&str]) -> Diagnostic {
    let names: Vec<_> = old.iter().map(|file| format!("`{file}`")).collect();
    Diagnostic::error(Rule::Missing, format!("`{}` has the version of {}, locked and gone: was it renamed?", migration.id(), join(&names)))
        .at(migration.up.path.clone())
        .about_locked(old.iter().copied())
        .note("databases know a migration by its version; a new one under an old version would never be applied to them")
        .help("if it was renamed: take its old name back; if it is new: give it a later version, and restore the old one from git")
        .help("if neither has left your machine: `cargo xtask db lock --accept-changes` locks what is here")
}

fn missing(files: &[&str], older: Option<Version>, lock_path: &str) -> Diagnostic {
    let folder = lock_path.strip_suffix(LOCK_FILE).unwrap_or_default();
    let paths: Vec<_> = files.iter().map(|file| format!("{folder}{file}")).collect();
    let paths = paths.join(" ");
    let names: Vec<_> = files.iter().map(|file| format!("`{file}`")).collect();
    let what = if files.len() == 1 { "was locked, and is gone" } else { "were locked, and are gone" };
    let to = older.map_or_else(|| "--all".to_owned(), |version| format!("--to {version}"));
    Diagnostic::error(Rule::Missing, format!("{} {what}", join(&names)))
        .at(lock_path)
        .about_locked(files.iter().copied())
        .note("databases that applied it could no longer be understood")
        .help(format!("to restore it: `git checkout HEAD -- {paths}`; if a commit deleted it, `git log --diff-filter=D -- {paths}` names that commit"))
        .help(format!("if it never left your machine: `cargo xtask db down {to}` undoes it there, and `cargo xtask db lock --accept-changes` forgets it"))
}

fn out_of_order(migration: &Migration, newest: Option<Version>) -> Diagnostic {
    let newest = newest.map(|version| version.to_string()).unwrap_or_default();
    Diagnostic::error(Rule::OutOfOrder, format!("`{}` is new, and older than the newest locked migration ({newest})", migration.id()))
        .at(migration.up.path.clone())
        .note("this happens when two branches add migrations: databases that are at the newer one would get this one in an order that nobody tested")
        .help(format!(
            "give it a later version: rename both files so that they begin with `$(date -u +%Y%m%d%H%M%S)_{}`, then `cargo xtask db up`",
            migration.name
        ))
}

/// `20261121093000_create_users` of both its files.
fn stem(script: &Script, direction: Direction) -> &str {
    script.file.strip_suffix(direction.suffix()).unwrap_or(&script.file)
}

/// `a`, `a and b`, `a, b and c`.
fn join(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests;
