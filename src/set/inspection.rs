//! Files beside each other: which are migrations, and what is wrong with them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::io;

use super::{Findings, MigrationSet};
use crate::diagnostic::{Diagnostic, Rule, Severity};
use crate::lock::{Entry, LOCK_FILE, Lock};
use crate::migration::{Direction, Migration, Script, file_in, file_name};
use crate::parallel;
use crate::version::Version;

/// A file that was found and not yet read.
#[derive(Debug)]
pub(crate) struct Source<B> {
    /// Its path, for messages; the last component is its name.
    pub(crate) path: String,
    /// What gives its bytes.
    pub(crate) bytes: B,
}

/// What one thing in the folder turned out to be. Small, as there is one for each file.
enum Part {
    Script(Version, Direction, Script),
    Lock(Box<Result<Lock, Diagnostic>>),
    /// A file whose name is no migration's, by its path.
    Misnamed(String),
}

impl Part {
    /// Reads and checks one by itself.
    fn of<B>(
        source: Source<B>,
        load: impl Fn(&str, B) -> io::Result<Cow<'static, [u8]>>,
    ) -> (Option<Self>, Vec<Diagnostic>) {
        let Source { path, bytes } = source;
        let file = path.get(file_in(&path)..).unwrap_or_default();
        let name = match file_name(file) {
            Ok(name) => Some((name.version, name.direction)),
            Err(_) if file == LOCK_FILE => None,
            Err(why) => {
                let finding = misnamed(file, &why).at(path.clone());
                return (Some(Self::Misnamed(path)), vec![finding]);
            }
        };
        let bytes = load(file, bytes);
        let unreadable = |error, path| Diagnostic::error(Rule::Unreadable, format!("cannot be read: {error}")).at(path);
        match (bytes, name) {
            (Ok(bytes), None) => {
                let lock = Lock::parse(&path, &String::from_utf8_lossy(&bytes));
                (Some(Self::Lock(Box::new(lock))), Vec::new())
            }
            (Ok(bytes), Some((version, direction))) => {
                let (script, findings) = Script::parse(path, &bytes, direction);
                (script.map(|script| Self::Script(version, direction, script)), findings)
            }
            (Err(error), None) => (Some(Self::Lock(Box::new(Err(unreadable(error, path))))), Vec::new()),
            (Err(error), Some(_)) => (None, vec![unreadable(error, path)]),
        }
    }
}

fn misnamed(file: &str, why: &str) -> Diagnostic {
    Diagnostic::error(Rule::FileName, format!("`{file}` is not the name of a migration: {why}"))
        .note("a migration is `<version>_<name>.up.sql` with `<version>_<name>.down.sql`, and nothing else belongs here but the lock, a README and dot files")
        .help("rename it (`cargo xtask db new <name>` makes good names), or move it elsewhere")
}

/// A set beside what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    pub(super) set: MigrationSet,
    /// The lock, if there is one that can be read.
    pub lock: Option<Lock>,
    /// What is wrong, files in order; see [`Rule::is_lock`] for what concerns the lock.
    pub findings: Vec<Diagnostic>,
    /// Style that the lock has accepted, see [`Rule::is_style`]: history is history, and nobody edits it.
    pub accepted: Vec<Diagnostic>,
}

impl Inspection {
    /// Checks files together: names, versions, pairs, contents, and the lock if it is among them. All are in one folder, and what else
    /// is there comes as a finding. `load` reads one, on any thread: its name is given, and what the source has for its bytes.
    pub(crate) fn of<B>(
        sources: impl Iterator<Item = Result<Source<B>, Box<Diagnostic>>>,
        lock_path: &str,
        load: impl Fn(&str, B) -> io::Result<Cow<'static, [u8]>> + Sync,
    ) -> Self
    where
        B: Send,
    {
        let mut inspection = Self::default();
        let (mut scripts, mut misnamed, mut lock) = (Vec::new(), Vec::new(), Ok(Lock::default()));
        let part = |source: Result<_, Box<Diagnostic>>| match source {
            Ok(source) => Part::of(source, &load),
            Err(finding) => (None, vec![*finding]),
        };
        let mut sources: Vec<_> = sources.collect();
        // It takes longest by far, and no thread should begin with it when the others are done.
        let is_lock =
            |source: &Result<Source<B>, _>| source.as_ref().is_ok_and(|source| source.path.ends_with(LOCK_FILE));
        if let Some(at) = sources.iter().position(is_lock) {
            sources.swap(0, at);
        }
        for (part, findings) in parallel::map(sources, part) {
            inspection.findings.extend(findings);
            match part {
                Some(Part::Script(version, direction, script)) => scripts.push((version, direction, script)),
                Some(Part::Lock(read)) => lock = *read,
                Some(Part::Misnamed(path)) => misnamed.push(path),
                None => {}
            }
        }
        scripts.sort_unstable_by(|a, b| (a.0, a.1, a.2.file()).cmp(&(b.0, b.1, b.2.file())));
        let gone = lock.as_ref().map(|lock| inspection.gone(lock, &scripts)).unwrap_or_default();
        if misnamed.iter().any(|path| path.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii())) {
            let good = scripts.iter().map(|(.., script)| script.path());
            let found = differ_in_case(good.chain(misnamed.iter().map(String::as_str)).collect());
            inspection.findings.extend(found);
        }
        let mut scripts = scripts.into_iter().peekable();
        while let Some((version, direction, script)) = scripts.next() {
            let mut of_version = vec![(direction, script)];
            while let Some((_, direction, script)) = scripts.next_if(|(other, ..)| *other == version) {
                of_version.push((direction, script));
            }
            inspection.take(version, of_version);
        }
        inspection.check_baseline();
        match lock {
            Ok(lock) => inspection.check_lock(lock, &gone, lock_path),
            Err(finding) => inspection.findings.push(finding),
        }
        // A lock that cannot be read comes first: without it, the style of old migrations counts as new.
        let readable = |finding: &Diagnostic| finding.rule != Rule::LockFile;
        inspection.findings.sort_by(|a, b| (readable(a), &a.path, a.offset()).cmp(&(readable(b), &b.path, b.offset())));
        inspection
    }

    /// The lines of the lock whose files are not here. Both are in the lock's order.
    fn gone(&self, lock: &Lock, scripts: &[(Version, Direction, Script)]) -> Vec<Entry> {
        let mut scripts =
            scripts.iter().map(|(version, direction, script)| (*version, *direction, script.file())).peekable();
        let is_gone = |entry: &&Entry| {
            while scripts.next_if(|script| *script < entry.key()).is_some() {}
            scripts.peek().is_none_or(|script| *script != entry.key())
        };
        let gone: Vec<_> = lock.entries().iter().filter(is_gone).collect();
        if gone.is_empty() {
            return Vec::new();
        }
        // A file that is there and gave no script has its own finding, and is not gone.
        let told = self.findings.iter().filter_map(|finding| finding.path.as_deref());
        let told: HashSet<&str> = told.map(|path| path.get(file_in(path)..).unwrap_or_default()).collect();
        gone.into_iter().filter(|entry| !told.contains(entry.file.as_str())).cloned().collect()
    }

    /// Makes a migration of the scripts that share a version, or says why there is none.
    fn take(&mut self, version: Version, scripts: Vec<(Direction, Script)>) {
        let files: Vec<_> = scripts.iter().map(|(_, script)| script.clone()).collect();
        let names = || join(files.iter().map(Script::file));
        let last = || files.last().map(|script| script.path().to_owned()).unwrap_or_default();
        let (mut ups, mut downs): (Vec<_>, Vec<_>) =
            scripts.into_iter().partition(|(direction, _)| *direction == Direction::Up);
        if ups.len() > 1 || (ups.len() == 1 && downs.len() > 1) {
            self.findings.push(
                Diagnostic::error(Rule::DuplicateVersion, format!("{} share version {version}", names()))
                    .at(last())
                    .note("the version is the order, so every migration needs one of its own")
                    .help("`cargo xtask db rebase` gives a later version to the one that is not locked; where it cannot tell, name it: `cargo xtask db rebase <version>_<name>`"),
            );
            return;
        }
        let Some((_, up)) = ups.pop() else {
            self.findings.extend(downs.into_iter().map(|(_, down)| {
                let up_file = format!("{}{}", down.id(Direction::Down), Direction::Up.suffix());
                Diagnostic::error(Rule::MissingUp, format!("`{}` has no `{up_file}` beside it", down.file()))
                    .at(down.path())
                    .help("restore the up script from git, or delete this file")
            }));
            return;
        };
        let down = downs.pop().map(|(_, down)| down);
        if down.as_ref().is_some_and(|down| down.id(Direction::Down) != up.id(Direction::Up)) {
            self.findings.push(
                Diagnostic::error(Rule::DuplicateVersion, format!("{} share version {version}, and not their name", names()))
                    .at(last())
                    .note("the two scripts of a migration are called the same up to `.up.sql` and `.down.sql`")
                    .help("rename one of them so that they belong together; if they don't, give the later one a later version"),
            );
            return;
        }
        match (&down, &up.directives().irreversible) {
            (None, None) => {
                let down_file = format!("{}{}", up.id(Direction::Up), Direction::Down.suffix());
                self.findings.push(
                    Diagnostic::error(Rule::MissingDown, format!("`{}` has no `{down_file}` beside it", up.file()))
                        .at(up.path())
                        .help(
                            "write the down script, or begin the up script with `-- stairwell: irreversible <reason>`",
                        ),
                );
            }
            (Some(down), Some(_)) => self.findings.push(
                Diagnostic::error(
                    Rule::Directive,
                    format!("`{}` says `irreversible`, and there is a down script", up.file()),
                )
                .at(down.path())
                .help("delete this file, or the directive"),
            ),
            _ => {}
        }
        self.set.migrations.push(Migration { version, up, down });
    }

    /// A baseline stands for all that is older, so nothing is.
    fn check_baseline(&mut self) {
        let Some((oldest, newer)) = self.set.migrations.split_first() else { return };
        let found = newer.iter().filter(|migration| !migration.squashes().is_empty()).map(|baseline| {
            Diagnostic::error(
                Rule::Directive,
                format!("`{}` squashes all that is older than it, and `{}` is older", baseline.id(), oldest.id()),
            )
            .at(baseline.up.path())
            .note("this happens when a branch that was made before the squash adds migrations, and when a `db squash` was interrupted")
            .help("give what came in a later version: `cargo xtask db rebase <version>_<name>`; to finish a squash: `cargo xtask db squash` again")
        });
        let found: Vec<_> = found.collect();
        self.findings.extend(found);
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

    pub(super) fn into_locked_set(self) -> Result<MigrationSet, Findings> {
        let errors = self.errors(|rule| rule != Rule::NotLocked);
        if errors.0.is_empty() { Ok(self.set) } else { Err(errors) }
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn join<'a>(files: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = files.map(|file| format!("`{file}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Files, given by their paths, that are one where names have no case.
fn differ_in_case(mut paths: Vec<&str>) -> Vec<Diagnostic> {
    // Lower case stands behind upper case in the order, and is what the other one should be.
    paths.sort_unstable_by(|a, b| b.cmp(a));
    let mut lower_case: BTreeMap<String, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for path in paths {
        let file = path.get(file_in(path)..).unwrap_or_default();
        if let Some(other) = lower_case.insert(file.to_lowercase(), file) {
            let message = format!("`{file}` and `{other}` are one file on macOS and Windows, where names have no case");
            findings.push(Diagnostic::error(Rule::FileName, message).at(path).help("rename one of them"));
        }
    }
    findings
}
