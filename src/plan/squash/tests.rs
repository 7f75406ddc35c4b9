#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::plan::tests::{changed, conflicts, history, rules, set, set_of, versions};
use crate::plan::{OutOfOrder, Plan, PlanError, Purge, Stamp, Target, accept};
use crate::set::Findings;

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// The set after all up to this version was squashed.
fn after_squash(before: &MigrationSet, number: u64) -> MigrationSet {
    named(before, number, "baseline")
}

fn named(before: &MigrationSet, number: u64, name: &str) -> MigrationSet {
    let (squashed, rest) =
        before.migrations().split_at(before.migrations().partition_point(|m| m.version.get() <= number));
    let lines: Vec<String> = histories(squashed).iter().map(|s| format!("-- stairwell: squashes {s}\n")).collect();
    let directives = lines.concat();
    let mut files = vec![
        (format!("{number}_{name}.up.sql"), format!("{directives}create table all_up_to_{number} ();")),
        (format!("{number}_{name}.down.sql"), format!("drop table all_up_to_{number};")),
    ];
    for script in rest.iter().flat_map(Migration::scripts) {
        files.push((script.file().to_owned(), script.text().to_owned()));
    }
    set_of(&files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect::<Vec<_>>())
}

fn up(set: &MigrationSet, history: &History) -> Result<Vec<u64>, PlanError> {
    Plan::up(set, history, Target::Head, OutOfOrder::Refuse).map(|plan| versions(&plan))
}

/// What it is called, what the ledger has, and what comes of it: pending versions, or the rules of the findings.
type Row<'a> = (&'a str, History, Result<&'a [u64], &'a [Rule]>);

#[test]
fn a_ledger_is_past_a_baseline_in_its_middle_or_before_it() {
    let old = set(1..=6);
    let new = after_squash(&old, 4);
    let edited = |row: &mut Applied| {
        row.checksum = Checksum::of("other");
        row.fingerprint = Checksum::of("other");
    };
    let table: Vec<Row> = vec![
        ("empty", History::default(), Ok(&[4, 5, 6])),
        ("all that was squashed", history(&old, 1..=4), Ok(&[5, 6])),
        ("and newer ones", history(&old, 1..=5), Ok(&[6])),
        ("all", history(&old, 1..=6), Ok(&[])),
        ("made by the baseline", history(&new, [4]), Ok(&[5, 6])),
        ("made by the baseline, all", history(&new, 4..=6), Ok(&[])),
        (
            "a comment edited since",
            changed(history(&old, 1..=4), 2, |row| row.checksum = Checksum::of("x")),
            Ok(&[5, 6]),
        ),
        ("one", history(&old, [1]), Err(&[Rule::Squashed])),
        ("all but the newest", history(&old, 1..=3), Err(&[Rule::Squashed])),
        ("only the newest", history(&old, [4]), Err(&[Rule::Squashed])),
        ("a gap", history(&old, [1, 2, 4]), Err(&[Rule::Squashed])),
        ("the middle, and a newer one", history(&old, [1, 2, 3, 5]), Err(&[Rule::Squashed])),
        ("an edited one", changed(history(&old, 1..=4), 2, edited), Err(&[Rule::Squashed])),
        ("one more", history(&set([1, 2, 3, 4, 31]), [1, 2, 3, 4]), Ok(&[5, 6])),
        ("the baseline edited", changed(history(&new, [4]), 4, edited), Err(&[Rule::Edited])),
        ("half applied", changed(history(&old, 1..=4), 4, |row| row.state = State::Applying), Err(&[Rule::Squashed])),
        ("half undone", changed(history(&old, 1..=4), 4, |row| row.state = State::Reverting), Err(&[Rule::Squashed])),
        (
            "newer and unknown",
            history(&set([1, 2, 3, 4, 7]), [1, 2, 3, 4, 7]),
            Err(&[Rule::Missing, Rule::OutOfOrder, Rule::OutOfOrder]),
        ),
        ("only a newer one", history(&old, [5]), Err(&[Rule::OutOfOrder])),
    ];
    for (what, ledger, expected) in table {
        match expected {
            Ok(pending) => assert_eq!(up(&new, &ledger).as_deref(), Ok(pending), "{what}"),
            Err(expected) => assert_eq!(rules(up(&new, &ledger)), expected, "{what}"),
        }
    }
}

#[test]
fn a_database_that_cannot_go_on_is_told_why_and_what_to_do() {
    let old = set(1..=4);
    let new = after_squash(&old, 4);
    let edited = changed(history(&old, 1..=4), 2, |row| row.fingerprint = Checksum::of("other"));
    let half = |state| changed(history(&old, 1..=2), 2, |row| row.state = state);
    let ledgers = [history(&old, 1..=3), edited, half(State::Applying), half(State::Reverting)];
    let found = ledgers.iter().flat_map(|ledger| conflicts(up(&new, ledger)).0);
    insta::assert_snapshot!(Findings(found.collect()));
}

#[test]
fn a_squash_may_be_squashed_and_every_earlier_history_counts() {
    let first = set(1..=7);
    let second = after_squash(&first, 3);
    let third = named(&second, 5, "again");
    let fourth = named(&third, 6, "once_more");
    assert_eq!(fourth.baseline().unwrap().squashes().iter().map(|s| s.count).collect::<Vec<_>>(), [2, 4, 6]);
    for (what, ledger) in [
        ("the first", history(&first, 1..=6)),
        ("the first baseline", history(&second, [3, 4, 5, 6])),
        ("the second", history(&third, [5, 6])),
        ("the third", history(&fourth, [6])),
    ] {
        assert_eq!(up(&fourth, &ledger), Ok(vec![7]), "{what}");
    }
    for ledger in [history(&first, 1..=5), history(&second, [3, 4, 5]), history(&third, [5]), history(&second, [3])] {
        assert_eq!(rules(up(&fourth, &ledger)), [Rule::Squashed]);
    }
}

fn undone(set: &MigrationSet, history: &History, target: Target) -> Vec<(String, String)> {
    let plan = Plan::down(set, history, target).unwrap();
    plan.steps.iter().map(|step| (step.id().to_owned(), step.script.text().to_owned())).collect()
}

#[test]
fn back_from_what_was_squashed_it_goes_by_the_scripts_that_the_ledger_kept() {
    let old = set(1..=3);
    let new = after_squash(&old, 2);
    let ledger = history(&old, 1..=3);
    let step = |id: &str, text: &str| (id.to_owned(), text.to_owned());
    let all = [step("3_m", "drop table t3;"), step("2_m", "drop table t2;"), step("1_m", "drop table t1;")];
    assert_eq!(undone(&new, &ledger, Target::Base), all);
    assert_eq!(undone(&new, &ledger, Target::Version(version(2))), all[..1]);
    assert_eq!(undone(&new, &ledger, Target::Version(version(1))), all[..2]);
    // From the middle as well.
    assert_eq!(undone(&new, &history(&old, [1]), Target::Base), all[2..]);
    assert_eq!(undone(&new, &history(&new, [2]), Target::Base), [step("2_baseline", "drop table all_up_to_2;")]);
    let without = changed(history(&old, 1..=2), 2, |row| row.scripts.down = None);
    insta::assert_snapshot!(conflicts(Plan::down(&new, &without, Target::Base)));
}

#[test]
fn a_stamp_at_the_baseline_records_it_where_it_is_needed() {
    let old = set(1..=5);
    let new = after_squash(&old, 3);
    let stamped = |ledger: &History, at: u64, purge| {
        let stamp = Stamp::of(&new, ledger, Version::new(at).ok(), purge).unwrap();
        let recorded: Vec<_> = stamp.record.iter().map(|step| step.id().to_owned()).collect();
        let forgotten: Vec<_> = stamp.forget.iter().map(|row| row.version.get()).collect();
        (recorded.join(" "), forgotten)
    };
    let (no, yes) = (Purge::No, Purge::Yes);
    let table = [
        (History::default(), 3, no, "3_baseline", vec![]),
        (History::default(), 4, no, "3_baseline 4_m", vec![]),
        (history(&old, 1..=3), 3, no, "", vec![]),
        (history(&old, 1..=3), 4, no, "4_m", vec![]),
        (history(&old, 1..=5), 3, no, "", vec![4, 5]),
        (history(&old, 1..=3), 3, yes, "3_baseline", vec![1, 2]),
        // From the middle: the baseline takes the place of what is there.
        (history(&old, 1..=2), 3, no, "3_baseline", vec![1, 2]),
        (history(&old, [1, 3]), 4, no, "3_baseline 4_m", vec![1]),
        (history(&old, 1..=3), 0, no, "", vec![1, 2, 3]),
    ];
    for (ledger, at, purge, recorded, forgotten) in table {
        assert_eq!(stamped(&ledger, at, purge), (recorded.to_owned(), forgotten), "{ledger:?} {at} {purge:?}");
    }
}

#[test]
fn there_is_nothing_to_accept_in_what_was_squashed() {
    let old = set(1..=3);
    let new = after_squash(&old, 3);
    assert!(accept(&new, &history(&old, 1..=3), version(3)).unwrap().is_none());
    assert_eq!(rules(accept(&new, &history(&old, [1, 3]), version(3))), [Rule::Squashed]);
}

#[test]
fn a_baseline_is_the_oldest() {
    let new = after_squash(&set(1..=4), 3);
    let with_older: Vec<_> =
        [("2_late.up.sql".to_owned(), "select 1;".to_owned()), ("2_late.down.sql".to_owned(), "select 1;".to_owned())]
            .into_iter()
            .chain(
                new.migrations()
                    .iter()
                    .flat_map(Migration::scripts)
                    .map(|s| (s.file().to_owned(), s.text().to_owned())),
            )
            .collect();
    let source = |(file, text): (String, String)| {
        Ok(crate::set::Source { path: format!("migrations/{file}"), bytes: text.into_bytes() })
    };
    let inspection = crate::set::Inspection::of(
        with_older.into_iter().map(source),
        "migrations/stairwell.lock",
        |_, bytes: Vec<u8>| Ok(bytes.into()),
    );
    insta::assert_snapshot!(inspection.defects());
    assert!(inspection.set().baseline().is_none());
}
