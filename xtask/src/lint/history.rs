//! Which migrations are history: nobody may edit them, and databases have been through them.

use std::path::Path;

use stairwell::lock::{LOCK_FILE, Lock};
use stairwell::migration::Migration;

use crate::failure::{Code, Failure};
use crate::git;

/// What is history, and how that is known.
#[derive(Debug)]
pub(crate) struct History {
    lock: Lock,
    /// In words: `history is what … has`.
    pub(crate) source: String,
}

/// Where a main branch is looked for.
const MAIN: [&str; 5] = ["origin/HEAD", "origin/main", "origin/master", "main", "master"];

impl History {
    /// What the lock has at this commit; without one, where this branch left the main one; and without that, at HEAD. Where git has no lock,
    /// it is `here`, the one in the folder. `variable` looks a variable of the environment up, and `is_ci` says that nobody looks at what is
    /// said.
    pub(crate) fn of(
        folder: &Path,
        here: Option<&Lock>,
        since: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
        is_ci: bool,
    ) -> Result<Self, Failure> {
        let here = |why: &str| Self {
            lock: here.cloned().unwrap_or_default(),
            source: format!("history is what {LOCK_FILE} has: {why}"),
        };
        let at = |commit: &str, source: String| match at(folder, commit)? {
            Some(lock) => Ok(Self { lock, source: format!("history is what {source}") }),
            None => Ok(here(&format!("it was not there at {}", short(commit)))),
        };
        if let Some(since) = since {
            let Some(commit) = commit(folder, since) else {
                return Err(Failure::new(
                    Code::Usage,
                    format!("git knows no commit `{since}` here\n  = help: fetch it, or name another one"),
                ));
            };
            return at(&commit, format!("{since} ({}) has", short(&commit)));
        }
        let Some(head) = commit(folder, "HEAD") else {
            return Ok(here("there is no commit of git here"));
        };
        // In a pull request, GitHub and GitLab name the branch that it goes to.
        let named = ["GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"].iter().find_map(|name| variable(name));
        let named = named.filter(|name| !name.is_empty()).map(|name| format!("origin/{name}"));
        let branches: Vec<&str> = named.as_deref().map_or_else(|| MAIN.to_vec(), |named| vec![named]);
        let fork = |branch: &str| Some((branch.to_owned(), text(git::ask(folder, &["merge-base", "HEAD", branch])?)?));
        match branches.iter().find_map(|branch| fork(branch)) {
            // On the main branch itself, all that is committed is history.
            Some((branch, commit)) if commit == head => at(&commit, format!("{branch} ({}) has", short(&commit))),
            Some((branch, commit)) => at(&commit, format!("{} has, where this branch left {branch}", short(&commit))),
            None if is_ci => Err(Failure::new(
                Code::Usage,
                format!(
                    "which migrations are new cannot be told: this clone has no {}\n  = help: fetch it (GitHub: `fetch-depth: 0` \
                     in actions/checkout; GitLab: `GIT_DEPTH: 0`), or name a commit with `--since`, or judge `--all`",
                    named.as_ref().map_or_else(|| "main branch".to_owned(), |name| format!("`{name}`"))
                ),
            )),
            None => at(&head, format!("HEAD ({}) has; there is no main branch here", short(&head))),
        }
    }

    /// Whether the migration is as it was then.
    pub(crate) fn has(&self, migration: &Migration) -> bool {
        self.lock.checksum(migration.up.file()) == Some(migration.up.checksum())
    }
}

/// The lock at a commit, if there was one.
fn at(folder: &Path, commit: &str) -> Result<Option<Lock>, Failure> {
    let Some(text) = git::ask(folder, &["show", &format!("{commit}:./{LOCK_FILE}")]) else { return Ok(None) };
    let name = format!("{}:{LOCK_FILE}", short(commit));
    let lock = Lock::parse(&name, &String::from_utf8_lossy(&text));
    lock.map(Some).map_err(|damaged| Failure::from(stairwell::Findings(vec![damaged])))
}

fn commit(folder: &Path, name: &str) -> Option<String> {
    text(git::ask(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])?)
}

fn text(output: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(output).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// As git shows a commit to people.
fn short(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}
