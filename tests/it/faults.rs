//! The table of faults (`docs/reliability.md`): each row is a test here that has its number in its name.

mod connections;
mod crashes;
mod files;
mod guards;
mod indexes;
mod locks;
mod poolers;
mod scripts;
mod secrets;
mod starts;
mod trojans;

use std::thread;
use std::time::{Duration, Instant};

use stairwell::build::{Build, Unlocked, Verdict};
use stairwell::postgres::{Migrator, RunErrorKind};
use stairwell::{MigrationSet, Rule, Severity, Target};

use crate::harness::database::TestDatabase;
use crate::harness::files::Workspace;

/// Adds the tests of every row.
pub(crate) fn add(trials: &mut Vec<libtest_mimic::Trial>) {
    connections::add(trials);
    crashes::add(trials);
    files::add(trials);
    guards::add(trials);
    indexes::add(trials);
    locks::add(trials);
    poolers::add(trials);
    scripts::add(trials);
    secrets::add(trials);
    starts::add(trials);
    trojans::add(trials);
}

const DOWN: &str = "select 1;\n";

/// What a build says about the workspace's migrations: its lines for Cargo, and the rules of its errors.
fn build(workspace: &Workspace) -> (String, Vec<Rule>) {
    let build = Build { unlocked: Unlocked::Warn, workspace: Some(workspace.path().to_owned()) };
    let verdict = Verdict::of(&workspace.migrations(), &build);
    let errors = verdict
        .findings()
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.rule);
    (verdict.to_string(), errors.collect())
}

/// Fails unless a build stops with this rule, with words from the message, and names the file and a remedy.
#[track_caller]
fn build_refuses(workspace: &Workspace, rule: Rule, words: &str) {
    let (text, rules) = build(workspace);
    assert!(rules.contains(&rule), "{rules:?}\n{text}");
    assert!(
        text.contains("cargo::error=")
            && text.contains(words)
            && text.contains("--> migrations")
            && text.contains("help: "),
        "{text}"
    );
}

fn one(up: &str) -> Workspace {
    Workspace::with(&[("1_a", up, DOWN)])
}

/// Applies a set that must fail in a script; gives the rendered error.
#[track_caller]
fn up_fails(database: &TestDatabase, set: &MigrationSet) -> String {
    let error = Migrator::new(set).up(database.database(), Target::Head).unwrap_err();
    assert!(matches!(error.kind, RunErrorKind::Script(_)), "{error}");
    error.to_string()
}

#[track_caller]
fn up(database: &TestDatabase, set: &MigrationSet) {
    Migrator::new(set).up(database.database(), Target::Head).unwrap_or_else(|error| panic!("{error}"));
}

/// Waits until it is so, and fails the test if it does not come to that on a machine that is slow.
#[track_caller]
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A URL with one more parameter.
fn with_parameter(url: &str, parameter: &str) -> String {
    format!("{url}{}{parameter}", if url.contains('?') { '&' } else { '?' })
}
