//! The project's half: files, lock, git. It wants no server.

use std::path::Path;

use stairwell::lock::LOCK_FILE;
use stairwell::{Diagnostic, Findings, Inspection, Rule};

use super::finding::{Check, Finding};
use crate::db::lockfile::count;
use crate::git;

/// A finding about a file, in one line.
fn line(finding: &Diagnostic) -> String {
    let place = match (&finding.path, finding.position()) {
        (Some(path), Some(at)) => format!("{path}:{}: ", at.line),
        (Some(path), None) => format!("{path}: "),
        _ => String::new(),
    };
    format!("{place}{}", finding.message)
}

/// What to do: where there is one finding, what that says itself.
fn advised<'a>(finding: Finding, about: impl IntoIterator<Item = &'a Diagnostic>, otherwise: &str) -> Finding {
    let mut about = about.into_iter();
    match (about.next(), about.next()) {
        (Some(only), None) if !only.remedies().is_empty() => only.remedies().iter().fold(finding, Finding::help),
        _ => finding.help(otherwise),
    }
}

pub(super) fn files(inspection: &Inspection, folder: &Path) -> Finding {
    const SHOW: &str = "`cargo xtask db lock --check` shows each with its place and the way out";
    let migrations = count(inspection.set().migrations().len(), "migration");
    let (defects, warnings) = (inspection.defects().0, inspection.warnings().0);
    let place = format!("{migrations} in {}", folder.display());
    if !defects.is_empty() {
        let message = format!("{place}, and {} in its files", count(defects.len(), "defect"));
        advised(Finding::wrong(Check::Files, message).of(defects.iter().map(line)), &defects, SHOW)
    } else if !warnings.is_empty() {
        let finding = Finding::warn(Check::Files, format!("{place}, with {}", count(warnings.len(), "warning")));
        let otherwise = "`cargo xtask db show <migration>` shows those of one";
        advised(finding.of(warnings.iter().map(line)), &warnings, otherwise)
    } else {
        Finding::ok(Check::Files, place)
    }
}

/// `refused` is what of the lock keeps a run from beginning.
pub(super) fn lock(inspection: &Inspection, refused: &Findings) -> Finding {
    const SHOW: &str = "`cargo xtask db lock --check` says for each what to do";
    let found: Vec<&Diagnostic> = inspection.lock_findings().collect();
    let locked = inspection.lock.as_ref().map_or(0, |lock| lock.entries().len());
    if !refused.0.is_empty() {
        let finding =
            Finding::wrong(Check::Lock, format!("{LOCK_FILE} and the files are at odds, so that nothing is run"));
        return advised(finding.of(refused.0.iter().map(line)), &refused.0, SHOW);
    }
    let new = found.iter().filter(|finding| finding.rule == Rule::NotLocked).count();
    if new < found.len() {
        // It is this machine's alone so far.
        let finding = Finding::warn(Check::Lock, "what is locked and not committed was changed since");
        return advised(finding.of(found.iter().map(|finding| line(finding))), found, SHOW);
    }
    match (locked, new) {
        (0, 0) => Finding::ok(Check::Lock, "there is nothing to lock"),
        (_, 0) => Finding::ok(Check::Lock, format!("{LOCK_FILE} is up to date: {}", count(locked, "file"))),
        (_, _) => Finding::ok(Check::Lock, format!("{} not locked yet, which `db up` does", count(new, "migration"))),
    }
}

/// What git says of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Git {
    /// No repository, or no git.
    None,
    Repository {
        /// Files that differ from HEAD.
        uncommitted: Vec<String>,
        /// Whether the lock is ignored.
        ignores_lock: bool,
    },
}

impl Git {
    pub(super) fn ask(folder: &Path) -> Self {
        let Some(status) = git::ask(folder, &["status", "--porcelain", "--untracked-files=all", "--", "."]) else {
            return Self::None;
        };
        let uncommitted =
            String::from_utf8_lossy(&status).lines().filter_map(|line| Some(line.get(3..)?.to_owned())).collect();
        Self::Repository {
            uncommitted,
            ignores_lock: git::ask(folder, &["check-ignore", "--quiet", LOCK_FILE]).is_some(),
        }
    }
}

pub(super) fn git(git: &Git) -> Finding {
    match git {
        Git::None => Finding::ok(Check::Git, "the folder is in no git repository"),
        Git::Repository { ignores_lock: true, .. } => Finding::warn(
            Check::Git,
            format!("git ignores {LOCK_FILE}, so nobody else has it, and no edit of a migration is noticed there"),
        )
        .help("take it out of .gitignore (`git check-ignore --verbose` names the line), and commit it"),
        Git::Repository { uncommitted, .. } if uncommitted.is_empty() => Finding::ok(Check::Git, "all is committed"),
        Git::Repository { uncommitted, .. } => {
            Finding::ok(Check::Git, format!("{} not committed", count(uncommitted.len(), "file")))
                .of(uncommitted.iter().cloned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn inspect(files: &[(&str, &str)]) -> Inspection {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        stairwell::inspect(folder.path()).unwrap()
    }

    const PAIR: [(&str, &str); 2] = [("1_a.up.sql", "select 1;"), ("1_a.down.sql", "select 1;")];

    #[test]
    fn defects_are_wrong_and_named_with_their_line() {
        let inspection = inspect(&[("1_a.up.sql", "select 1;\nselect 'x;"), PAIR[1]]);
        let finding = files(&inspection, Path::new("migrations"));
        assert_eq!(
            (finding.state, finding.message.as_str()),
            (State::Wrong, "1 migration in migrations, and 1 defect in its files")
        );
        assert!(finding.details[0].contains("1_a.up.sql:2: "), "{:?}", finding.details);
        assert_eq!(files(&inspect(&PAIR), Path::new("m")), Finding::ok(Check::Files, "1 migration in m"));
    }

    #[test]
    fn new_migrations_are_no_fault_of_the_lock() {
        let inspection = inspect(&PAIR);
        assert_eq!(
            lock(&inspection, &Findings(vec![])),
            Finding::ok(Check::Lock, "1 migration not locked yet, which `db up` does")
        );
        let refused = Findings(inspection.lock_findings().cloned().collect());
        assert_eq!(lock(&inspection, &refused).state, State::Wrong);
    }

    #[test]
    fn a_lock_that_git_ignores_is_worth_a_warning() {
        let repository = |ignores_lock| Git::Repository { uncommitted: vec!["1_a.up.sql".into()], ignores_lock };
        assert_eq!(
            [git(&repository(true)).state, git(&repository(false)).state, git(&Git::None).state],
            [State::Warn, State::Ok, State::Ok]
        );
    }
}
