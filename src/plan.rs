//! What is to be done: a set and a history become a plan. Nothing here talks to a server.

mod history;
mod reference;
pub mod squash;
mod stamp;

use std::num::NonZeroUsize;

use crate::diagnostic::{Diagnostic, Rule};
use crate::migration::{Direction, Migration, Script, behind_version};
use crate::set::{Findings, MigrationSet};
use crate::version::Version;

pub use history::{Applied, History, Record, Scripts, State};
pub use reference::{ReferenceError, resolve};
pub use squash::Seen;
pub use stamp::{Purge, Stamp, accept};

/// Where to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Everything applied.
    Head,
    /// This version the newest applied one.
    Version(Version),
    /// That many migrations from here, forward or back; fewer if there are fewer.
    Steps(NonZeroUsize),
    /// Nothing applied.
    Base,
}

/// What to do with a pending migration that is older than the newest applied one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutOfOrder {
    /// Refuse, and say how to give it a later version.
    #[default]
    Refuse,
    /// Apply it all the same.
    Allow,
}

/// One script to run.
#[derive(Debug, Clone)]
pub struct Step {
    /// Forward or back.
    pub direction: Direction,
    /// The migration's version.
    pub version: Version,
    /// What to run.
    pub script: Script,
    /// The down script to keep in the ledger, for a step up.
    pub down: Option<Script>,
    /// How many statements of it an interrupted run has recorded as done; `None` if it has not begun.
    pub resume: Option<usize>,
}

impl Step {
    /// `20261121093000_create_users`, as its files are called.
    pub fn id(&self) -> &str {
        self.script.id(self.direction)
    }

    /// `create_users` of `20261121093000_create_users`.
    pub fn name(&self) -> &str {
        behind_version(self.id())
    }
}

/// What will be done, in order.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Forward or back.
    pub direction: Direction,
    /// The scripts in the order in which they run.
    pub steps: Vec<Step>,
    /// Worth saying; nothing stops.
    pub notices: Vec<Diagnostic>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Set and history contradict each other; see each finding's [`Rule`].
    #[error("{0}")]
    Conflicts(Findings),
    /// The target is in neither.
    #[error("there is no migration {0}\n  = help: `cargo xtask db status` lists them")]
    UnknownVersion(Version),
    /// The target of a way back has not been applied.
    #[error("{0} is not applied, so there is no way back to it\n  = help: `cargo xtask db status` shows what is")]
    NotApplied(Version),
    /// The target of a way forward lies behind.
    #[error("{0} lies behind: newer migrations are applied\n  = help: `cargo xtask db down --to {0}` goes back to it")]
    Behind(Version),
}

impl Plan {
    /// The way forward. `Target::Base` asks for nothing and gives an empty plan.
    pub fn up(set: &MigrationSet, history: &History, target: Target, order: OutOfOrder) -> Result<Self, PlanError> {
        let seen = Seen::of(set, history);
        let history: &History = &seen.history;
        let mut notices = Vec::new();
        let mut conflicts = Vec::from_iter(seen.amid);
        for row in &history.rows {
            match set.get(row.version) {
                None => conflicts.push(missing(row)),
                Some(_) if row.state == State::Reverting => conflicts.push(reverting(row)),
                Some(migration) if migration.up.checksum() == row.checksum => {}
                // Nothing of it is known to be done, so the text of today may be tried.
                Some(_) if row.state == State::Applying && row.progress == 0 => {}
                Some(migration) if migration.up.fingerprint() == row.fingerprint => {
                    notices.push(comment_edited(migration));
                }
                Some(migration) => conflicts.push(edited(migration, row)),
            }
        }
        let newest = history.newest_applied().map(|row| row.version);
        let is_pending = |m: &&Migration| history.get(m.version).is_none_or(|row| row.state == State::Applying);
        let mut pending: Vec<&Migration> = set.migrations().iter().filter(is_pending).collect();
        if order == OutOfOrder::Refuse {
            let late = pending
                .iter()
                .filter(|m| newest.is_some_and(|newest| m.version < newest) && history.get(m.version).is_none());
            conflicts.extend(late.map(|m| out_of_order(m, newest)));
        }
        if !conflicts.is_empty() {
            return Err(PlanError::Conflicts(Findings(conflicts)));
        }
        match target {
            Target::Head => {}
            Target::Base => pending.clear(),
            Target::Steps(steps) => pending.truncate(steps.get()),
            Target::Version(version) => {
                if set.get(version).is_none() {
                    return Err(PlanError::UnknownVersion(version));
                }
                if newest.is_some_and(|newest| newest > version)
                    && history.get(version).is_some_and(|row| row.state == State::Applied)
                {
                    return Err(PlanError::Behind(version));
                }
                pending.retain(|m| m.version <= version);
            }
        }
        let steps = pending.into_iter().map(|m| Step {
            direction: Direction::Up,
            version: m.version,
            script: m.up.clone(),
            down: m.down.clone(),
            resume: history.get(m.version).map(|row| row.progress),
        });
        Ok(Self { direction: Direction::Up, steps: steps.collect(), notices })
    }

    /// The way back. `Target::Head` asks for nothing and gives an empty plan; `Target::Version` keeps that version.
    ///
    /// A migration that is as it was when it was applied is undone by its file; one that was edited or squashed since, or that this set
    /// does not have, by the down script that the ledger kept. So the history has to be read with scripts.
    pub fn down(set: &MigrationSet, history: &History, target: Target) -> Result<Self, PlanError> {
        let mut rows: Vec<&Applied> = history.rows.iter().rev().collect();
        match target {
            Target::Head => rows.clear(),
            Target::Base => {}
            Target::Steps(steps) => rows.truncate(steps.get()),
            Target::Version(version) if history.get(version).is_some() => rows.retain(|row| row.version > version),
            Target::Version(version) if set.get(version).is_some() => {
                return Err(PlanError::NotApplied(version));
            }
            Target::Version(version) => return Err(PlanError::UnknownVersion(version)),
        }
        let squashed = squash::squashed(set, history).last().map(|row| row.version);
        let (mut steps, mut conflicts) = (Vec::new(), Vec::new());
        for row in rows {
            // The newest of what was squashed has the baseline's version.
            let migration = set.get(row.version).filter(|_| squashed.is_none_or(|newest| row.version > newest));
            match step_back(migration, row) {
                Ok(step) => steps.push(step),
                Err(conflict) => conflicts.push(conflict),
            }
        }
        if conflicts.is_empty() {
            Ok(Self { direction: Direction::Down, steps, notices: Vec::new() })
        } else {
            Err(PlanError::Conflicts(Findings(conflicts)))
        }
    }
}

fn step_back(migration: Option<&Migration>, row: &Applied) -> Result<Step, Diagnostic> {
    if row.state == State::Applying {
        return Err(Diagnostic::error(
            Rule::Interrupted,
            format!("`{}` is half applied: an earlier run was interrupted", row.id()),
        )
        .help(match migration {
            Some(_) => "finish it first: `cargo xtask db up`",
            None => "finish it first, from a checkout that has it: `cargo xtask db up`",
        }));
    }
    let unedited = migration.filter(|m| m.up.checksum() == row.checksum || m.up.fingerprint() == row.fingerprint);
    let script = match (unedited, &row.scripts.down) {
        (Some(Migration { down: Some(script), .. }), _) => script.clone(),
        (Some(migration), None) => {
            let id = migration.id();
            let finding = match migration.irreversible() {
                Some(why) => Diagnostic::error(Rule::MissingDown, format!("`{id}` is irreversible: {why}")),
                None => {
                    Diagnostic::error(Rule::MissingDown, format!("`{id}` has no down script, and the ledger kept none"))
                        .help(format!("write it: `{id}{}`", Direction::Down.suffix()))
                }
            };
            return Err(finding.at(migration.up.path()).help(
                "to go back all the same: restore a backup, or write a new migration that undoes what can be undone",
            ));
        }
        (_, Some(text)) => {
            // As its file is called here, or would be called.
            let id = migration.map_or_else(|| row.id(), |m| m.id().to_owned());
            let file = format!("{id}{}", Direction::Down.suffix());
            Script::stored(&file, text, Direction::Down)
        }
        (None, None) => {
            return Err(Diagnostic::error(
                Rule::MissingDown,
                format!("`{}` was applied without a down script", row.id()),
            )
            .note(if migration.is_some() {
                "its file was edited since, so the down script of today may not undo what was applied"
            } else {
                "it is not among the migrations here, and the ledger kept no down script"
            })
            .help("restore the file as it was (`git log --all -- <migrations folder>` finds it), or a backup"));
        }
    };
    Ok(Step {
        direction: Direction::Down,
        version: row.version,
        script,
        down: None,
        resume: (row.state == State::Reverting).then_some(row.progress),
    })
}

fn missing(row: &Applied) -> Diagnostic {
    Diagnostic::error(Rule::Missing, format!("`{}` is applied in this database, and its file is not here", row.id()))
        .note("a newer release migrated this database, another branch did, or the file was deleted")
        .help("update to a checkout that has it, or restore the file from git")
        .help("to undo it with the down script that the database kept: `cargo xtask db down`")
}

fn reverting(row: &Applied) -> Diagnostic {
    Diagnostic::error(Rule::Interrupted, format!("`{}` is half undone: an earlier `down` was interrupted", row.id()))
        .help("finish it first: `cargo xtask db down`")
}

fn comment_edited(migration: &Migration) -> Diagnostic {
    Diagnostic::error(
        Rule::Edited,
        format!("comments or white space of `{}` were edited after it was applied", migration.up.file()),
    )
    .at(migration.up.path())
    .as_warning()
}

fn edited(migration: &Migration, row: &Applied) -> Diagnostic {
    let path = migration.up.path();
    let when = if row.state == State::Applying { "was half applied" } else { "was applied" };
    let finding = Diagnostic::error(
        Rule::Edited,
        format!("`{}` was edited after it {when} to this database", migration.up.file()),
    )
    .at(path)
    .note(format!("applied as sha256 {}", row.checksum))
    .note(format!("the file is sha256 {}", migration.up.checksum()))
    .note("nothing was run");
    if row.state == State::Applying {
        return finding
            .help(format!("restore it with `git checkout -- {path}`, and finish it with `cargo xtask db up`"));
    }
    finding
        .help(format!("if it has left your machine: `git checkout -- {path}`, and write what you want as a new migration (`cargo xtask db new <name>`)"))
        .help(format!("if it has not: `cargo xtask db redo --to {}` undoes it as it was, and applies it as it is now", migration.version))
        .help(format!("if this database has what the file says now, by another way: `cargo xtask db repair {}` shows the edit and accepts it", migration.version))
}

fn out_of_order(migration: &Migration, newest: Option<Version>) -> Diagnostic {
    let newest = newest.map(|version| version.to_string()).unwrap_or_default();
    Diagnostic::error(Rule::OutOfOrder, format!("`{}` is pending, and older than the newest applied migration ({newest})", migration.id()))
        .at(migration.up.path())
        .note("it was merged after newer ones had been applied here; elsewhere they may have run in the other order")
        .help(format!("if it is yours and no one has applied it yet: `cargo xtask db rebase {}` gives it a later version", migration.id()))
        .help("or apply it as it is, if it and the newer ones don't touch the same things: `cargo xtask db up --allow-out-of-order`")
}

#[cfg(test)]
mod tests;
