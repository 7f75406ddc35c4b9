//! What stairwell makes of a history, and how a script that fails is stepped over.

use std::collections::BTreeMap;

use stairwell::migration::{Direction, Migration};
use stairwell::plan::Purge;
use stairwell::postgres::{Database, Migrator, RunErrorKind};
use stairwell::{MigrationSet, Target, Version};

use super::history::History;
use super::stages::{Failed, Side};
use crate::harness::database::TestDatabase;

/// A script that failed, by its migration's id, and the SQLSTATE.
pub(super) type Failure = (String, String);

/// In this process.
pub(super) struct Library<'a> {
    history: &'a History,
    database: Database,
}

impl<'a> Library<'a> {
    pub(super) fn of(history: &'a History, database: &TestDatabase) -> Self {
        Self { history, database: database.database().clone() }
    }
}

impl Side for Library<'_> {
    fn run(&mut self, direction: Direction) -> Failed {
        let set = &self.history.set;
        go(set, &self.database, direction, |target| run(set, &self.database, direction, target))
    }
}

/// As far as it goes.
pub(super) fn run(
    set: &MigrationSet,
    database: &Database,
    direction: Direction,
    target: Target,
) -> Result<(), Failure> {
    let mut migrator = Migrator::new(set);
    let outcome = match direction {
        Direction::Up => migrator.up(database, target),
        Direction::Down => migrator.down(database, target),
    };
    match outcome {
        Ok(_) => Ok(()),
        Err(error) => match &error.kind {
            RunErrorKind::Script(script) => Err((script.id().to_owned(), script.sqlstate().to_owned())),
            _ => panic!("{error}"),
        },
    }
}

/// Goes all the way with `run`. What fails, and what has no way back, is put into the ledger as if it had been done, and so stepped over.
pub(super) fn go(
    set: &MigrationSet,
    database: &Database,
    direction: Direction,
    mut run: impl FnMut(Target) -> Result<(), Failure>,
) -> Failed {
    let mut failed = BTreeMap::new();
    let mut run = |target| {
        while let Err((id, state)) = run(target) {
            step_over(set, database, direction, &id);
            assert_eq!(failed.insert(id.clone(), state), None, "{id} was stepped over and fails again");
        }
    };
    match direction {
        Direction::Up => run(Target::Head),
        Direction::Down => {
            for stays in set.migrations().iter().rev().filter(|migration| migration.down.is_none()) {
                run(Target::Version(stays.version));
                has_no_way_back(set, database, stays);
                step_over(set, database, direction, stays.id());
            }
            run(Target::Base);
        }
    }
    let expected: Vec<Version> = match direction {
        Direction::Up => set.migrations().iter().map(|migration| migration.version).collect(),
        Direction::Down => Vec::new(),
    };
    assert_eq!(applied(set, database), expected, "{direction}: the ledger");
    failed
}

/// The versions in the ledger, each of which must be settled.
pub(super) fn applied(set: &MigrationSet, database: &Database) -> Vec<Version> {
    let history = Migrator::new(set).history(database).unwrap();
    let settled = |row: &stairwell::plan::Applied| row.state == stairwell::plan::State::Applied;
    assert!(history.rows.iter().all(settled), "{:?}", history.rows.iter().find(|row| !settled(row)));
    history.rows.iter().map(|row| row.version).collect()
}

fn step_over(set: &MigrationSet, database: &Database, direction: Direction, id: &str) {
    let at = set.migrations().iter().position(|migration| migration.id() == id).unwrap();
    let newest = match direction {
        Direction::Up => Some(at),
        Direction::Down => at.checked_sub(1),
    };
    let newest = newest.map(|at| set.migrations()[at].version);
    Migrator::new(set)
        .stamp(database, newest, Purge::No, "stepped over")
        .unwrap_or_else(|error| panic!("{id}: {error}"));
}

/// Going further back is refused, and says why.
fn has_no_way_back(set: &MigrationSet, database: &Database, stays: &Migration) {
    let error = Migrator::new(set).down(database, Target::Base).unwrap_err().to_string();
    assert!(error.contains(stays.id()), "{error}");
    let why = stays.irreversible().unwrap_or("has no down script");
    assert!(error.contains(why), "{error}");
}
