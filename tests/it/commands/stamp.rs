//! `db stamp`

use super::case::{A, B, C, Case, at_once};
use crate::harness::{Outcome, xtask};

crate::trials!(
    stamp_records_without_running,
    an_older_version_takes_newer_rows_out,
    base_empties_the_ledger_and_leaves_the_tables,
    purge_takes_edited_and_missing_rows_along,
    what_was_half_done_counts_as_done_when_it_is_stamped,
    rows_are_not_taken_from_production_without_its_name,
    a_frozen_lock_refuses_what_is_not_locked,
    many_stamps_at_once_end_as_one,
    what_is_stamped_can_be_undone,
    what_is_no_migration_cannot_be_stamped,
);

fn stamp_records_without_running() -> Outcome {
    let case = Case::with(&[A, B, C])?;
    case.database.client().batch_execute("create table a (i int); create table b (i int)").unwrap();
    insta::assert_snapshot!(
        "stamp",
        case.see_all(&[&["stamp", "2", "--reason", "it was made by hand"], &["status"], &["stamp", "b"], &["up"]])
    );
    assert!(case.has("c"));
    assert_eq!(case.locked().len(), 6, "what counts as applied is locked");
    Ok(())
}

fn an_older_version_takes_newer_rows_out() -> Outcome {
    let case = Case::applied(&[A, B, C])?;
    insta::assert_snapshot!("stamp_older", case.see_all(&[&["stamp", "a"], &["current"]]));
    assert_eq!(case.database.applied(), ["1"]);
    assert!(case.has("b") && case.has("c"));
    Ok(())
}

fn base_empties_the_ledger_and_leaves_the_tables() -> Outcome {
    let case = Case::applied(&[A])?;
    insta::assert_snapshot!("stamp_base", case.see_all(&[&["stamp", "base"], &["current"], &["stamp", "base"]]));
    assert!(case.has("a"));
    Ok(())
}

fn purge_takes_edited_and_missing_rows_along() -> Outcome {
    let case = Case::applied(&[A, B])?;
    for file in ["1_a.up.sql", "1_a.down.sql"] {
        case.workspace.remove(file);
    }
    case.workspace.write("2_b.up.sql", "create table b (i bigint);");
    case.db(&["lock", "--accept-changes"]).ok();
    let kept = case.see_all(&[&["stamp", "2"], &["status"]]);
    insta::assert_snapshot!(
        "stamp_purge",
        [kept, case.see_all(&[&["stamp", "2", "--purge"], &["status", "--check"]])].join("\n")
    );
    Ok(())
}

fn what_was_half_done_counts_as_done_when_it_is_stamped() -> Outcome {
    let case = Case::applied(&[A])?;
    case.database.client().batch_execute("update stairwell.ledger set state = 'applying', applied_at = null").unwrap();
    case.db(&["stamp", "1"]).ok();
    case.db(&["status", "--check"]).ok();
    Ok(())
}

fn rows_are_not_taken_from_production_without_its_name() -> Outcome {
    let case = Case::applied(&[A, B])?;
    case.mark_as_production()?;
    // Forward takes nothing out.
    case.db(&["stamp", "head"]).ok();
    insta::assert_snapshot!("stamp_production", case.see(&["stamp", "1"]));
    assert_eq!(case.database.applied(), ["1", "2"]);
    // A purge writes over the scripts of the time, also where every row comes back.
    case.workspace.write("2_b.up.sql", "create table b (i bigint);");
    case.db(&["lock", "--accept-changes"]).ok();
    case.db(&["stamp", "head", "--purge"]).exits(5);
    assert_eq!(case.database.ask("SELECT up_script FROM stairwell.ledger WHERE version = 2"), B.1);
    let name = case.database.database().name();
    case.db(&["stamp", "1", "--confirm", name]).ok();
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn a_frozen_lock_refuses_what_is_not_locked() -> Outcome {
    let case = Case::with(&[A])?;
    let ran = xtask::run(case.command(&["stamp", "head"]).env("CI", "1")).exits(3);
    assert!(ran.stderr.contains("not-locked"), "{}", ran.stderr);
    assert_eq!(case.database.applied(), [""; 0]);
    Ok(())
}

fn many_stamps_at_once_end_as_one() -> Outcome {
    let case = Case::with(&[A, B, C])?;
    case.db(&["lock"]).ok();
    for ran in at_once((0..8).map(|_| case.command(&["stamp", "head"])).collect()) {
        ran.ok();
    }
    assert_eq!(case.database.applied(), ["1", "2", "3"]);
    assert_eq!(case.database.ask("SELECT count(*) FROM stairwell.ledger WHERE remarks LIKE '%\n%'"), "0", "once each");
    Ok(())
}

fn what_is_stamped_can_be_undone() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.database.client().batch_execute("create table a (i int); create table b (i int)").unwrap();
    case.db(&["stamp", "head"]).ok();
    case.db(&["down", "base"]).ok();
    assert!(!case.has("a") && !case.has("b"));
    Ok(())
}

fn what_is_no_migration_cannot_be_stamped() -> Outcome {
    let case = Case::with(&[A])?;
    insta::assert_snapshot!(
        "stamp_wrong",
        case.see_all(&[&["stamp"], &["stamp", "nope"], &["stamp", "+1"], &["stamp", "-1"], &["stamp", "9"]])
    );
    assert_eq!(case.database.ask("SELECT to_regnamespace('stairwell') IS NULL"), "t", "and nothing is created");
    Ok(())
}
