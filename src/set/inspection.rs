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

impl<B> Source<B> {
    fn file(&self) -> &str {
        self.path.get(file_in(&self.path)..).unwrap_or_default()
    }
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
    /// Checks files together: names, versions, pairs, contents, and the lock if it is among them. All are in one folder. `load` reads
    /// one, on any thread: its name is given, and what the source has for its bytes.
    pub(crate) fn of<B: Send>(
        mut sources: Vec<Source<B>>,
        findings: Vec<Diagnostic>,
        lock_path: &str,
        load: impl Fn(&str, B) -> io::Result<Cow<'static, [u8]>> + Sync,
    ) -> Self {
        let mut inspection = Self { findings, ..Self::default() };
        // They share their folder, so this is by name.
        sources.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let load = |Source { path, bytes }: Source<B>| match load(path.get(file_in(&path)..).unwrap_or_default(), bytes)
        {
            Ok(bytes) => Ok((path, bytes)),
            Err(error) => Err(Diagnostic::error(Rule::Unreadable, format!("cannot be read: {error}")).at(path)),
        };
        let lock_source = sources.iter().position(|source| source.file() == LOCK_FILE).map(|at| sources.remove(at));
        inspection.check_case(&sources);
        let named = inspection.named(sources);
        let parse = |(version, direction, source)| match load(source) {
            Ok((path, bytes)) => {
                let (script, found) = Script::parse(path, &bytes, direction);
                (script.map(|script| (version, direction, script)), found)
            }
            Err(finding) => (None, vec![finding]),
        };
        let read_lock = || match lock_source.map(load).transpose()? {
            Some((path, bytes)) => Lock::parse(&path, &String::from_utf8_lossy(&bytes)),
            None => Ok(Lock::default()),
        };
        let (parsed, lock) = parallel::map(named, parse, read_lock);
        let mut scripts = Vec::with_capacity(parsed.len());
        for (script, found) in parsed {
            scripts.extend(script);
            inspection.findings.extend(found);
        }
        let gone = lock.as_ref().ok().map(|lock| inspection.gone(lock, scripts.iter().map(|(.., script)| script)));
        scripts.sort_by(|a, b| (a.0, a.1, a.2.file()).cmp(&(b.0, b.1, b.2.file())));
        let mut scripts = scripts.into_iter().peekable();
        while let Some((version, direction, script)) = scripts.next() {
            let mut of_version = vec![(direction, script)];
            while let Some((_, direction, script)) = scripts.next_if(|(other, ..)| *other == version) {
                of_version.push((direction, script));
            }
            inspection.take(version, of_version);
        }
        match lock {
            Ok(lock) => inspection.check_lock(lock, &gone.unwrap_or_default(), lock_path),
            Err(finding) => inspection.findings.push(finding),
        }
        // A lock that cannot be read comes first: without it, the style of old migrations counts as new.
        let readable = |finding: &Diagnostic| finding.rule != Rule::LockFile;
        inspection.findings.sort_by(|a, b| (readable(a), &a.path, a.offset()).cmp(&(readable(b), &b.path, b.offset())));
        inspection
    }

    /// The lines of the lock whose files are not here.
    fn gone<'a>(&'a self, lock: &Lock, scripts: impl Iterator<Item = &'a Script>) -> Vec<Entry> {
        // A file that is there and gave no script has its own finding, and is not gone.
        let unread = self.findings.iter().filter_map(|finding| finding.path.as_deref());
        let unread = unread.map(|path| path.get(file_in(path)..).unwrap_or_default());
        let present: HashSet<&str> = unread.chain(scripts.map(Script::file)).collect();
        lock.entries().iter().filter(|entry| !present.contains(entry.file.as_str())).cloned().collect()
    }

    /// Files whose names differ in case alone.
    fn check_case<B>(&mut self, sources: &[Source<B>]) {
        let is_lower = |source: &Source<B>| source.file().bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
        if sources.iter().all(is_lower) {
            return;
        }
        let mut lower_case: BTreeMap<String, &str> = BTreeMap::new();
        // Lower case stands behind upper case in the order, and is what the other one should be.
        for source in sources.iter().rev() {
            let file = source.file();
            if let Some(other) = lower_case.insert(file.to_lowercase(), file) {
                self.findings.push(
                    Diagnostic::error(
                        Rule::FileName,
                        format!("`{file}` and `{other}` are one file on macOS and Windows, where names have no case"),
                    )
                    .at(source.path.clone())
                    .help("rename one of them"),
                );
            }
        }
    }

    /// What the names say, of those that can be read.
    fn named<B>(&mut self, sources: Vec<Source<B>>) -> Vec<(Version, Direction, Source<B>)> {
        let mut named = Vec::with_capacity(sources.len());
        for source in sources {
            match file_name(source.file()).map(|name| (name.version, name.direction)) {
                Ok((version, direction)) => named.push((version, direction, source)),
                Err(why) => self.findings.push(
                    Diagnostic::error(Rule::FileName, format!("`{}` is not the name of a migration: {why}", source.file()))
                        .at(source.path)
                        .note("a migration is `<version>_<name>.up.sql` with `<version>_<name>.down.sql`, and nothing else belongs here but the lock, a README and dot files")
                        .help("rename it (`cargo xtask db new <name>` makes good names), or move it elsewhere"),
                ),
            }
        }
        named
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
                    .help("rename both files of the migration that came later to a later version (`date -u +%Y%m%d%H%M%S` prints one)"),
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
