//! What git is in the middle of.

use std::path::Path;

use clap::ValueEnum;

use crate::git;

/// One of the two sides of a conflict, in git's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Whose {
    /// What was checked out
    Ours,
    /// What came in
    Theirs,
}

/// What git is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Nothing,
    Merge,
    Rebase,
    CherryPick,
    /// `git am`.
    Mailbox,
    /// `git stash pop`, of which git keeps nothing but the name of the side.
    Stash,
}

/// What the branch is that is checked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    /// The one that everyone has: what its remote calls the default, or `main` or `master` where it says nothing.
    Trunk,
    /// Any other, or none.
    Other,
}

impl Branch {
    /// Asks git, in the migrations folder.
    pub(super) fn of(folder: &Path) -> Self {
        let name = |what: &str| {
            let said = git::ask(folder, &["symbolic-ref", "--quiet", "--short", what])?;
            Some(String::from_utf8_lossy(&said).trim().to_owned())
        };
        let trunk = name("refs/remotes/origin/HEAD");
        let is_trunk = |branch: &str| match trunk.as_deref().and_then(|trunk| trunk.strip_prefix("origin/")) {
            Some(trunk) => trunk == branch,
            None => ["main", "master"].contains(&branch),
        };
        if name("HEAD").is_some_and(|branch| is_trunk(&branch)) { Self::Trunk } else { Self::Other }
    }
}

/// The file or folder in git's own that tells each, the most telling first: a rebase that makes merges again has both, and it picks commits.
const SIGNS: [(&str, Operation); 5] = [
    ("MERGE_HEAD", Operation::Merge),
    ("rebase-merge", Operation::Rebase),
    ("rebase-apply/applying", Operation::Mailbox),
    ("rebase-apply", Operation::Rebase),
    ("CHERRY_PICK_HEAD", Operation::CherryPick),
];

impl Operation {
    /// Asks git, in the migrations folder; `label` is what it wrote into the lock behind `>>>>>>>`.
    pub(super) fn of(folder: &Path, label: Option<&str>) -> Self {
        let exists = |sign: &str| {
            // Of a worktree it is elsewhere, so git says where.
            let path = git::ask(folder, &["rev-parse", "--git-path", sign])?;
            Some(folder.join(String::from_utf8_lossy(&path).trim_end()).exists())
        };
        let found = SIGNS.iter().find(|(sign, _)| exists(sign) == Some(true));
        match (found, label) {
            (Some((_, operation)), _) => *operation,
            (None, Some("Stashed changes")) => Self::Stash,
            (None, _) => Self::Nothing,
        }
    }

    /// Where my own migrations are, which may be renamed: a merge leaves me on my branch, and a rebase puts my commits on the other one. On
    /// the branch from which people deploy, what comes in by a merge is what nobody has applied yet.
    pub(super) fn mine(self, branch: Branch) -> Whose {
        match (self, branch) {
            (Self::Nothing, _) | (Self::Merge, Branch::Other) => Whose::Ours,
            (Self::Merge, Branch::Trunk) | (Self::Rebase | Self::CherryPick | Self::Mailbox | Self::Stash, _) => {
                Whose::Theirs
            }
        }
    }

    /// The command that goes on with it.
    pub(super) fn next(self) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Stash => None,
            Self::Merge => Some("git commit"),
            Self::Rebase => Some("git rebase --continue"),
            Self::CherryPick => Some("git cherry-pick --continue"),
            Self::Mailbox => Some("git am --continue"),
        }
    }
}
