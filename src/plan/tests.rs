#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::checksum::Checksum;
use crate::set::{Inspection, Source};

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

fn steps(number: usize) -> Target {
    Target::Steps(NonZeroUsize::new(number).unwrap())
}

/// A set of these files, whatever is found in them.
pub(super) fn set_of(files: &[(&str, &str)]) -> MigrationSet {
    let source =
        |(file, text): &(&str, &str)| Source { path: format!("migrations/{file}"), bytes: text.as_bytes().to_vec() };
    let sources = files.iter().map(source).map(Ok);
    Inspection::of(sources, "migrations/stairwell.lock", |_, bytes| Ok(bytes.into())).set().clone()
}

/// Migrations `1_m`, `2_m` … that each have a way back.
pub(super) fn set(versions: impl IntoIterator<Item = u64>) -> MigrationSet {
    let both = |v: u64| {
        [
            (format!("{v}_m.up.sql"), format!("create table t{v} ();")),
            (format!("{v}_m.down.sql"), format!("drop table t{v};")),
        ]
    };
    let files: Vec<_> = versions.into_iter().flat_map(both).collect();
    set_of(&files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect::<Vec<_>>())
}

fn row(migration: &Migration) -> Applied {
    let down = migration.down.as_ref().map(|script| script.text().to_owned());
    Applied { scripts: Scripts { up: None, down }, ..Applied::with(migration.version, migration.name(), &migration.up) }
}

/// What the ledger says when these versions of the set have been applied.
pub(super) fn history(set: &MigrationSet, versions: impl IntoIterator<Item = u64>) -> History {
    let mut history = History::default();
    for number in versions {
        history.insert(row(set.get(version(number)).unwrap()));
    }
    history
}

/// The history with one row changed.
pub(super) fn changed(mut history: History, number: u64, change: impl Fn(&mut Applied)) -> History {
    change(history.rows.iter_mut().find(|row| row.version.get() == number).unwrap());
    history
}

pub(super) fn versions(plan: &Plan) -> Vec<u64> {
    plan.steps.iter().map(|step| step.version.get()).collect()
}

fn up(set: &MigrationSet, history: &History, target: Target) -> Result<Vec<u64>, PlanError> {
    Plan::up(set, history, target, OutOfOrder::Refuse).map(|plan| versions(&plan))
}

fn down(set: &MigrationSet, history: &History, target: Target) -> Result<Vec<u64>, PlanError> {
    Plan::down(set, history, target).map(|plan| versions(&plan))
}

pub(super) fn conflicts<T: std::fmt::Debug>(planned: Result<T, PlanError>) -> Findings {
    match planned {
        Err(PlanError::Conflicts(findings)) => findings,
        other => panic!("no conflicts, but {other:?}"),
    }
}

pub(super) fn rules<T: std::fmt::Debug>(planned: Result<T, PlanError>) -> Vec<Rule> {
    conflicts(planned).0.iter().map(|finding| finding.rule).collect()
}

// Where each target leads.

#[test]
fn forward_runs_what_is_pending_up_to_the_target_in_order() {
    let set = set([3, 7, 10, 25]);
    let table: &[(&[u64], Target, &[u64])] = &[
        (&[], Target::Head, &[3, 7, 10, 25]),
        (&[3, 7], Target::Head, &[10, 25]),
        (&[3, 7, 10, 25], Target::Head, &[]),
        (&[], Target::Base, &[]),
        (&[3], Target::Base, &[]),
        (&[], steps(1), &[3]),
        (&[3], steps(2), &[7, 10]),
        (&[3], steps(99), &[7, 10, 25]),
        (&[3, 7, 10, 25], steps(1), &[]),
        (&[], Target::Version(version(10)), &[3, 7, 10]),
        (&[3], Target::Version(version(7)), &[7]),
        (&[3, 7], Target::Version(version(7)), &[]),
        (&[3, 7, 10, 25], Target::Version(version(25)), &[]),
    ];
    for (applied, target, expected) in table {
        let planned = up(&set, &history(&set, applied.iter().copied()), *target);
        assert_eq!(planned.as_deref(), Ok(*expected), "{applied:?} {target:?}");
    }
}

#[test]
fn back_undoes_what_is_applied_down_to_the_target_newest_first() {
    let set = set([3, 7, 10, 25]);
    let table: &[(&[u64], Target, &[u64])] = &[
        (&[3, 7, 10], Target::Base, &[10, 7, 3]),
        (&[], Target::Base, &[]),
        (&[3, 7, 10], Target::Head, &[]),
        (&[3, 7, 10], steps(1), &[10]),
        (&[3, 7, 10], steps(2), &[10, 7]),
        (&[3, 7], steps(99), &[7, 3]),
        (&[], steps(1), &[]),
        (&[3, 7, 10, 25], Target::Version(version(7)), &[25, 10]),
        (&[3, 7], Target::Version(version(7)), &[]),
        (&[3, 10], Target::Version(version(3)), &[10]),
    ];
    for (applied, target, expected) in table {
        let planned = down(&set, &history(&set, applied.iter().copied()), *target);
        assert_eq!(planned.as_deref(), Ok(*expected), "{applied:?} {target:?}");
    }
}

#[test]
fn a_target_that_cannot_be_reached_is_refused_with_the_way_out() {
    let set = set([3, 7, 10]);
    let applied = history(&set, [3, 7]);
    let at = |number| Target::Version(version(number));
    let refused = [
        (up(&set, &applied, at(5)), PlanError::UnknownVersion(version(5))),
        (up(&set, &applied, at(3)), PlanError::Behind(version(3))),
        (down(&set, &applied, at(5)), PlanError::UnknownVersion(version(5))),
        (down(&set, &applied, at(10)), PlanError::NotApplied(version(10))),
    ];
    let mut shown = Vec::new();
    for (planned, expected) in refused {
        let error = planned.unwrap_err();
        assert_eq!(error, expected);
        shown.push(error.to_string());
    }
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn a_step_forward_carries_the_down_script_to_keep() {
    let set = set_of(&[
        ("1_a.up.sql", "create table a ();"),
        ("1_a.down.sql", "drop table a;"),
        ("2_b.up.sql", "-- stairwell: irreversible rows are gone\ndelete from a;"),
    ]);
    let plan = Plan::up(&set, &History::default(), Target::Head, OutOfOrder::Refuse).unwrap();
    let kept: Vec<_> =
        plan.steps.iter().map(|step| (step.id(), step.down.as_ref().map(Script::text), step.resume)).collect();
    assert_eq!(kept, [("1_a", Some("drop table a;"), None), ("2_b", None, None)]);
}

#[test]
fn steps_are_called_as_their_files_are() {
    let set = set_of(&[("0007_a.up.sql", "select 1;"), ("0007_a.down.sql", "select 1;")]);
    let applied = history(&set, [7]);
    assert_eq!(Plan::up(&set, &History::default(), Target::Head, OutOfOrder::Refuse).unwrap().steps[0].id(), "0007_a");
    assert_eq!(Plan::down(&set, &applied, Target::Base).unwrap().steps[0].id(), "0007_a");
    // Also the one that only the ledger has, which knows the number and not its zeros.
    assert_eq!(Plan::down(&MigrationSet::default(), &applied, Target::Base).unwrap().steps[0].id(), "7_a");
}

// Where set and history contradict each other.

#[test]
fn an_edited_migration_stops_everything_and_both_digests_are_shown() {
    let set = set([1, 2, 3]);
    let edited = changed(history(&set, [1, 2]), 1, |row| {
        row.checksum = Checksum::of("other");
        row.fingerprint = Checksum::of("other");
    });
    for target in [Target::Head, Target::Base, steps(1), Target::Version(version(3))] {
        assert_eq!(rules(up(&set, &edited, target)), [Rule::Edited], "{target:?}");
    }
    insta::assert_snapshot!(conflicts(up(&set, &edited, Target::Head)));
}

#[test]
fn an_edited_comment_is_a_notice_and_stops_nothing() {
    let set = set([1, 2]);
    let applied = changed(history(&set, [1]), 1, |row| row.checksum = Checksum::of("other"));
    let plan = Plan::up(&set, &applied, Target::Head, OutOfOrder::Refuse).unwrap();
    assert_eq!(versions(&plan), [2]);
    insta::assert_snapshot!(Findings(plan.notices));
}

#[test]
fn a_database_that_is_ahead_of_the_files_is_refused() {
    let all = set([1, 2, 3]);
    let here = set([1, 2]);
    insta::assert_snapshot!(conflicts(up(&here, &history(&all, [1, 2, 3]), Target::Head)));
}

#[test]
fn a_late_migration_is_refused_unless_it_is_allowed() {
    let set = set([1, 2, 3, 4]);
    let applied = history(&set, [1, 3]);
    let findings = conflicts(up(&set, &applied, Target::Head));
    assert_eq!(findings.0.iter().map(|f| f.rule).collect::<Vec<_>>(), [Rule::OutOfOrder]);
    insta::assert_snapshot!(findings);
    let allow = |target| Plan::up(&set, &applied, target, OutOfOrder::Allow).map(|plan| versions(&plan));
    assert_eq!(allow(Target::Head).as_deref(), Ok([2, 4].as_slice()));
    assert_eq!(allow(Target::Version(version(2))).as_deref(), Ok([2].as_slice()));
    assert_eq!(allow(Target::Version(version(3))).as_deref(), Ok([2].as_slice()));
    assert_eq!(allow(steps(1)).as_deref(), Ok([2].as_slice()));
}

#[test]
fn a_half_applied_migration_is_finished_from_where_it_stopped() {
    let set = set([1, 2, 3]);
    let half = changed(history(&set, [1, 2]), 2, |row| {
        row.state = State::Applying;
        row.progress = 1;
    });
    let plan = Plan::up(&set, &half, Target::Head, OutOfOrder::Refuse).unwrap();
    let resumed: Vec<_> = plan.steps.iter().map(|step| (step.version.get(), step.resume)).collect();
    assert_eq!(resumed, [(2, Some(1)), (3, None)]);
    assert_eq!(up(&set, &half, Target::Version(version(2))).as_deref(), Ok([2].as_slice()));
    // Also when it is older than the newest, as it was allowed to begin.
    let half = changed(history(&set, [1, 2, 3]), 2, |row| row.state = State::Applying);
    assert_eq!(up(&set, &half, Target::Head).as_deref(), Ok([2].as_slice()));
    assert_eq!(up(&set, &half, Target::Version(version(2))).as_deref(), Ok([2].as_slice()));
}

#[test]
fn a_half_applied_migration_may_be_mended_as_long_as_nothing_of_it_is_done() {
    let set = set([1]);
    let half = |progress| {
        changed(history(&set, [1]), 1, |row| {
            row.state = State::Applying;
            row.progress = progress;
            row.checksum = Checksum::of("other");
            row.fingerprint = Checksum::of("other");
        })
    };
    assert_eq!(up(&set, &half(0), Target::Head).as_deref(), Ok([1].as_slice()));
    insta::assert_snapshot!(conflicts(up(&set, &half(1), Target::Head)));
}

#[test]
fn what_is_half_done_is_finished_before_it_is_turned_round() {
    let set = set([1, 2]);
    let half = |state| changed(history(&set, [1, 2]), 2, |row| row.state = state);
    let applying = conflicts(down(&set, &half(State::Applying), steps(1)));
    let reverting = conflicts(up(&set, &half(State::Reverting), Target::Head));
    let elsewhere = conflicts(down(&MigrationSet::default(), &half(State::Applying), steps(1)));
    insta::assert_snapshot!(Findings([applying.0, reverting.0, elsewhere.0].concat()));
}

#[test]
fn a_half_undone_migration_is_undone_from_where_it_stopped() {
    let set = set([1, 2]);
    let half = changed(history(&set, [1, 2]), 2, |row| {
        row.state = State::Reverting;
        row.progress = 3;
    });
    let plan = Plan::down(&set, &half, Target::Base).unwrap();
    let resumed: Vec<_> = plan.steps.iter().map(|step| (step.version.get(), step.resume)).collect();
    assert_eq!(resumed, [(2, Some(3)), (1, None)]);
}

#[test]
fn all_conflicts_are_told_at_once() {
    let all = set([1, 2, 3, 4, 5, 6]);
    let here = set([1, 2, 3, 4, 6]);
    let edit = |row: &mut Applied| {
        row.checksum = Checksum::of("other");
        row.fingerprint = Checksum::of("other");
    };
    let applied = changed(changed(history(&all, [1, 2, 4, 5]), 2, edit), 4, |row| row.state = State::Reverting);
    assert_eq!(
        rules(up(&here, &applied, Target::Head)),
        [Rule::Edited, Rule::Interrupted, Rule::Missing, Rule::OutOfOrder]
    );
}

// Which script undoes it.

fn script_back(set: &MigrationSet, history: &History) -> String {
    Plan::down(set, history, steps(1)).unwrap().steps[0].script.text().to_string()
}

#[test]
fn a_migration_that_is_as_it_was_is_undone_by_its_file() {
    let set = set([1]);
    let stored = changed(history(&set, [1]), 1, |row| row.scripts.down = Some("-- of the time".to_owned()));
    assert_eq!(script_back(&set, &stored), "drop table t1;");
    // A comment that was edited since makes no other migration of it.
    assert_eq!(script_back(&set, &changed(stored, 1, |row| row.checksum = Checksum::of("other"))), "drop table t1;");
    // And a down script that was written since serves what was applied without one.
    assert_eq!(script_back(&set, &changed(history(&set, [1]), 1, |row| row.scripts.down = None)), "drop table t1;");
}

#[test]
fn an_edited_migration_and_one_that_is_not_here_are_undone_by_what_the_ledger_kept() {
    let set = set([1]);
    let applied = changed(history(&set, [1]), 1, |row| {
        row.checksum = Checksum::of("other");
        row.fingerprint = Checksum::of("other");
        row.scripts.down = Some("drop index concurrently i;".to_owned());
    });
    for set in [&set, &MigrationSet::default()] {
        let plan = Plan::down(set, &applied, Target::Base).unwrap();
        let script = &plan.steps[0].script;
        assert_eq!(
            (script.text(), script.path()),
            ("drop index concurrently i;", "1_m.down.sql (as kept in the ledger)")
        );
        assert_eq!(script.mode(), crate::migration::Mode::Statements);
    }
}

#[test]
fn a_migration_whose_down_script_is_gone_is_undone_by_what_the_ledger_kept() {
    let one_way = set_of(&[("1_m.up.sql", "-- stairwell: irreversible so it was decided\ncreate table t1 ();")]);
    assert_eq!(script_back(&one_way, &history(&set([1]), [1])), "drop table t1;");
}

#[test]
fn without_a_way_back_it_is_said_why() {
    let one_way = set_of(&[
        ("1_m.up.sql", "-- stairwell: irreversible the rows are gone\ndelete from t;"),
        ("2_m.up.sql", "select 1;"),
    ]);
    let applied = history(&one_way, [1, 2]);
    let edited = changed(history(&one_way, [1]), 1, |row| {
        row.checksum = Checksum::of("other");
        row.fingerprint = Checksum::of("other");
    });
    let findings = [
        conflicts(down(&one_way, &applied, Target::Base)),
        conflicts(down(&one_way, &edited, Target::Base)),
        conflicts(down(&MigrationSet::default(), &edited, Target::Base)),
    ];
    insta::assert_snapshot!(Findings(findings.into_iter().flat_map(|findings| findings.0).collect()));
    assert_eq!(down(&one_way, &applied, Target::Head).as_deref(), Ok([].as_slice()));
}

// The history as a value.

#[test]
fn a_history_keeps_its_rows_in_order_whatever_order_they_come_in() {
    let set = set([1, 2, 3]);
    let mut history = history(&set, [3, 1, 2, 1]);
    assert_eq!(history.rows.iter().map(|row| row.version.get()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((history.head(), history.get(version(2)).unwrap().id()), (Some(version(3)), "2_m".to_owned()));
    history.remove(version(3));
    history.remove(version(99));
    assert_eq!((history.head(), history.get(version(3))), (Some(version(2)), None));
}

// For any set, wherever the database is.

/// Does to the history what running the plan would.
fn run(set: &MigrationSet, history: &mut History, plan: &Plan) -> Vec<u64> {
    for step in &plan.steps {
        match step.direction {
            Direction::Up => history.insert(row(set.get(step.version).unwrap())),
            Direction::Down => history.remove(step.version),
        }
    }
    versions(plan)
}

/// Versions in order, and how many of them are applied.
fn versions_and_prefix() -> impl Strategy<Value = (Vec<u64>, usize)> {
    prop::collection::btree_set(1..100_000_u64, 0..16).prop_flat_map(|versions| {
        let versions: Vec<_> = versions.into_iter().collect();
        let most = versions.len();
        (Just(versions), 0..=most)
    })
}

fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::Head),
        Just(Target::Base),
        (1..20_usize).prop_map(steps),
        (1..20_u64).prop_map(|number| Target::Version(version(number))),
    ]
}

fn any_row() -> impl Strategy<Value = Applied> {
    let state = prop::sample::select(vec![State::Applied, State::Applying, State::Reverting]);
    let down =
        prop::sample::select(vec![None, Some(String::new()), Some("drop table é;".to_owned()), Some("'".to_owned())]);
    (1..20_u64, state, any::<bool>(), any::<bool>(), 0..3_usize, down).prop_map(
        |(number, state, same, same_code, progress, down)| {
            let set = set([number]);
            let mut row = row(&set.migrations()[0]);
            row.checksum = if same { row.checksum } else { Checksum::of("other") };
            row.fingerprint = if same || same_code { row.fingerprint } else { Checksum::of("other") };
            Applied { state, progress, scripts: Scripts { up: None, down }, ..row }
        },
    )
}

proptest! {
    #[test]
    fn up_applies_everything_in_order_exactly_once((all, applied) in versions_and_prefix()) {
        let set = set(all.iter().copied());
        let mut history = history(&set, all[..applied].iter().copied());
        let plan = Plan::up(&set, &history, Target::Head, OutOfOrder::Refuse).unwrap();
        prop_assert_eq!(run(&set, &mut history, &plan), &all[applied..]);
        prop_assert_eq!(up(&set, &history, Target::Head), Ok(vec![]), "and nothing a second time");
    }

    #[test]
    fn down_undoes_everything_in_the_other_order((all, applied) in versions_and_prefix()) {
        let set = set(all.iter().copied());
        let mut history = history(&set, all[..applied].iter().copied());
        let plan = Plan::down(&set, &history, Target::Base).unwrap();
        let mut undone = run(&set, &mut history, &plan);
        undone.reverse();
        prop_assert_eq!(undone, &all[..applied]);
        prop_assert_eq!(history, History::default());
    }

    #[test]
    fn some_steps_and_then_the_rest_are_all_of_them((all, applied) in versions_and_prefix(), n in 1..20_usize) {
        let set = set(all.iter().copied());
        let mut history = history(&set, all[..applied].iter().copied());
        let whole = up(&set, &history, Target::Head).unwrap();
        let first = Plan::up(&set, &history, steps(n), OutOfOrder::Refuse).unwrap();
        let mut done = run(&set, &mut history, &first);
        done.extend(up(&set, &history, Target::Head).unwrap());
        prop_assert_eq!(done, whole);
    }

    #[test]
    fn up_to_a_version_and_back_down_to_another_leaves_exactly_what_lies_before_it(
        (all, _) in versions_and_prefix(), high in any::<prop::sample::Index>(), low in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!all.is_empty());
        let (high, low) = (*high.get(&all), *low.get(&all));
        let (high, low) = (high.max(low), high.min(low));
        let set = set(all.iter().copied());
        let mut history = History::default();
        let forward = Plan::up(&set, &history, Target::Version(version(high)), OutOfOrder::Refuse).unwrap();
        run(&set, &mut history, &forward);
        prop_assert_eq!(history.head(), Some(version(high)));
        let back = Plan::down(&set, &history, Target::Version(version(low))).unwrap();
        run(&set, &mut history, &back);
        let left: Vec<_> = history.rows.iter().map(|row| row.version.get()).collect();
        prop_assert_eq!(left, all.iter().copied().filter(|v| *v <= low).collect::<Vec<_>>());
    }

    #[test]
    fn allowed_out_of_order_everything_is_applied_from_any_state(all in prop::collection::btree_set(1..50_u64, 0..12), mask in any::<u64>()) {
        let set = set(all.iter().copied());
        let applied: BTreeSet<u64> = all.iter().copied().filter(|v| mask >> (v % 64) & 1 == 1).collect();
        let mut history = history(&set, applied.iter().copied());
        let late = all.difference(&applied).any(|v| applied.last().is_some_and(|newest| v < newest));
        prop_assert_eq!(Plan::up(&set, &history, Target::Head, OutOfOrder::Refuse).is_err(), late);
        let plan = Plan::up(&set, &history, Target::Head, OutOfOrder::Allow).unwrap();
        let done = run(&set, &mut history, &plan);
        prop_assert!(done.is_sorted());
        prop_assert_eq!(history.rows.len(), all.len());
        prop_assert_eq!(done.len(), all.len() - applied.len());
    }

    #[test]
    fn any_history_and_any_target_give_a_plan_or_a_reason(
        versions_here in prop::collection::btree_set(1..20_u64, 0..10),
        rows in prop::collection::vec(any_row(), 0..10),
        target in any_target(),
        allow in any::<bool>(),
    ) {
        let set = set(versions_here.iter().copied());
        let mut history = History::default();
        for row in rows {
            history.insert(row);
        }
        let order = if allow { OutOfOrder::Allow } else { OutOfOrder::Refuse };
        match Plan::up(&set, &history, target, order) {
            Ok(plan) => {
                prop_assert!(plan.steps.is_sorted_by_key(|step| step.version));
                let applied = |step: &Step| history.get(step.version).is_some_and(|row| row.state == State::Applied);
                prop_assert!(!plan.steps.iter().any(applied), "nothing is applied twice");
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        match Plan::down(&set, &history, target) {
            Ok(plan) => {
                prop_assert!(plan.steps.is_sorted_by_key(|step| std::cmp::Reverse(step.version)));
                prop_assert!(plan.steps.iter().all(|step| history.get(step.version).is_some()), "nothing is undone that is not there");
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
