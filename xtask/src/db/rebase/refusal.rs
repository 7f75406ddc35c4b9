//! Why migrations cannot be put behind theirs.

use stairwell::lock::Entry;

/// One of the two branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Mine,
    Theirs,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mine => "your side",
            Self::Theirs => "their side",
        })
    }
}

/// What only a person can decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "{side} edited `{file}`, which both had before; nothing was changed\n  = note: only new migrations are put behind theirs, and a database that applied the old text would differ\n  = help: if it is yours alone, and one commit wrote it and a later one edited it: abort, squash the two, and begin again\n  = help: else settle that one first: take the lock of the side that is right, `git add` it, and run this again; what is not in it counts as yours"
    )]
    Edited { side: Side, file: String },
    #[error(
        "{side} removed `{id}`, which both had before; nothing was changed\n  = note: databases that applied it could no longer be understood\n  = help: settle that one first: take the lock of the side that is right, `git add` it, and run this again; what is not in it counts as yours"
    )]
    Removed { side: Side, id: String },
    #[error(
        "`{file}` {}; nothing was changed\n  = help: put it back as it was (`git log --all -- <file>` finds it), then run this again; if it was edited knowingly: `cargo xtask db lock --accept-changes` once this is done",
        if *.is_here { "is not as it was locked" } else { "was locked, and is not here" }
    )]
    NotAsLocked { file: String, is_here: bool },
    #[error("`{file}` cannot be read as text; nothing was changed\n  = help: save it as UTF-8")]
    Unread { file: String },
    #[error(
        "`{from}` would become `{to}`, which is there already; nothing was changed\n  = help: move one of them away"
    )]
    Taken { from: String, to: String },
    #[error(
        "`{file}` would not be a migration's name: {why}; nothing was changed\n  = help: give it a shorter name first"
    )]
    Name { file: String, why: String },
    #[error(
        "`{file}` is older than `{baseline}`, which squashes all that is older, and it is not among that; nothing was changed\n  = note: their side added it, so databases may have it, and the baseline was made without it\n  = help: take their lock and their files, and squash again: `cargo xtask db squash`"
    )]
    BeforeBaseline { file: String, baseline: String },
    #[error(
        "there is no version left behind the newest; nothing was changed\n  = help: give the newest migration a smaller one"
    )]
    NoVersion,
}

impl Refusal {
    pub(super) fn not_as_locked(entry: &Entry, is_here: bool) -> Self {
        Self::NotAsLocked { file: entry.file.clone(), is_here }
    }
}
