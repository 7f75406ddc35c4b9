//! Real histories: everything up, all the way down, and up again, with psql doing the same on a database beside it.
//!
//! Each folder in `../shared/corpora/histories` is one, whatever is in it; `STAIRWELL_TEST_HISTORIES` names another folder of such folders.
//!
//! A history is somebody else's and does not have to be in order: a down script has a misspelt word, an extension is not on this server, what
//! a broken way back left is in the way of the next way up. What fails must fail with psql as well, at the same migration and with the same
//! SQLSTATE, and is then stepped over on both sides, as a person would with `db stamp`. So is, on the way down, what has no down script.

mod history;
mod killed;
mod library;
mod psql;
mod roles;
mod stages;

use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::Trial;
use stairwell::postgres::Migrator;
use stairwell::{MigrationSet, Target};

use crate::harness::database::TestDatabase;
use crate::harness::random::seed;
use crate::harness::{Outcome, Skip, dump, trial};
use history::{Folder, History};
use killed::Killed;
use library::Library;
use psql::Psql;
use roles::Roles;
use stages::{Stage, assert_same_stages, stages};

type Test = fn(&Folder) -> Outcome;

/// What is tried with each history.
const TESTS: [(&str, Test); 3] = [
    ("goes_up_and_down_as_with_psql", goes_up_and_down_as_with_psql),
    ("ends_as_with_psql_however_often_it_is_killed", ends_as_with_psql_however_often_it_is_killed),
    ("has_an_offline_script_that_leaves_what_up_leaves", has_an_offline_script_that_leaves_what_up_leaves),
];

/// Adds the tests of each history that is here, and one that says why if there are none.
pub(crate) fn add(trials: &mut Vec<Trial>) {
    let module = module_path!();
    let folders = match history::folders() {
        Ok(folders) => folders,
        Err(Skip(why)) => {
            trials.push(trial(module, "each_goes_up_and_down_as_with_psql", || Err(Skip(why))));
            return;
        }
    };
    let folders: Vec<_> = folders.into_iter().map(|folder| Arc::new(Mutex::new(folder))).collect();
    for (name, test) in TESTS {
        for folder in &folders {
            let in_trial = Arc::clone(folder);
            let title = format!("{}::{name}", folder.lock().unwrap().name);
            // One at a time, since the roles that its scripts make belong to the server.
            trials.push(trial(module, &title, move || test(&in_trial.lock().unwrap_or_else(PoisonError::into_inner))));
        }
    }
}

/// What psql leaves, which each test compares with and the first one finds out.
fn psqls<'a>(folder: &'a Folder, history: &History) -> Result<&'a [Stage], Skip> {
    if let Some(known) = folder.psqls.get() {
        return Ok(known);
    }
    let psqls = stages(history, Psql::of)?;
    for stage in &psqls {
        eprintln!("{}, psql: {}", history.name, stage.told());
    }
    let failed = &psqls[0].failed;
    assert!(failed.len() < history.set.migrations().len(), "psql applies nothing of {}: {failed:?}", history.name);
    Ok(folder.psqls.get_or_init(|| psqls))
}

fn goes_up_and_down_as_with_psql(folder: &Folder) -> Outcome {
    let history = History::import(folder)?;
    let psqls = psqls(folder, &history)?;
    let ours = stages(&history, Library::of)?;
    assert_same_stages(&history, &ours, psqls);
    Ok(())
}

fn ends_as_with_psql_however_often_it_is_killed(folder: &Folder) -> Outcome {
    let history = History::import(folder)?;
    let psqls = psqls(folder, &history)?;
    let seed = seed();
    eprintln!("{}: PROPTEST_RNG_SEED={seed} kills at about the same moments again", history.name);
    let ours = stages(&history, |history, database| Killed::of(history, database, seed))?;
    assert_same_stages(&history, &ours, psqls);
    Ok(())
}

/// As far as everything applies: a script made offline stops at the first failure.
fn has_an_offline_script_that_leaves_what_up_leaves(folder: &Folder) -> Outcome {
    let history = History::import(folder)?;
    let roles = Roles::of(&history)?;
    let ours = TestDatabase::new()?;
    dump::programs_fit(&ours)?;
    let head = up_as_far_as_it_goes(&history.set, &ours);
    let psqls = TestDatabase::new()?;
    let script = Migrator::new(&history.set).script(None, head).unwrap();
    let expected = dump::whole(&ours);
    drop(ours);
    roles.drop_new();
    dump::psql(&psqls, &script);
    dump::assert_same_whole(&expected, &dump::whole(&psqls));
    Ok(())
}

/// Its newest version that is applied then.
fn up_as_far_as_it_goes(set: &MigrationSet, database: &TestDatabase) -> Option<stairwell::Version> {
    if let Err(error) = Migrator::new(set).up(database.database(), Target::Head) {
        eprintln!("not all of it: {error}");
    }
    let applied = Migrator::new(set).history(database.database()).unwrap().newest_applied().map(|row| row.version);
    assert!(applied.is_some(), "nothing of it applies");
    applied
}
