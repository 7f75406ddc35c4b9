//! Alembic's spellings of a target, beside ours.

use super::case::{A, B, C, Case, Files};
use crate::harness::Outcome;

crate::trials!(
    alembics_spellings_go_where_alembic_goes,
    the_beginning_of_a_version_and_a_name_will_do,
    a_long_number_is_a_version_and_never_a_count,
    a_target_that_makes_no_sense_changes_nothing,
    zeros_before_a_version_stay,
    alembics_names_of_commands_are_understood,
);

fn alembics_spellings_go_where_alembic_goes() -> Outcome {
    let case = Case::with(&[A, B, C])?;
    let steps: [(&[&str], &[&str]); 10] = [
        (&["up", "+1"], &["1"]),
        (&["up", "head"], &["1", "2", "3"]),
        (&["down", "-1"], &["1", "2"]),
        (&["up", "2"], &["1", "2", "3"]),
        (&["down", "-2"], &["1"]),
        (&["up", "a+1"], &["1", "2"]),
        (&["up", "heads"], &["1", "2", "3"]),
        (&["down", "c-1"], &["1", "2"]),
        (&["up", "head-1"], &["1", "2"]),
        (&["down", "base"], &[]),
    ];
    for (command, applied) in steps {
        case.db(command).ok();
        assert_eq!(case.database.applied(), applied, "{command:?}");
    }
    Ok(())
}

const DATED: [Files<'_>; 2] = [
    ("20260101000000_users", "create table users ();", "drop table users;"),
    ("20260202000000_orders", "create table orders ();", "drop table orders;"),
];

fn the_beginning_of_a_version_and_a_name_will_do() -> Outcome {
    let case = Case::with(&DATED)?;
    for command in [["up", "202601"], ["up", "users"], ["up", "20260101000000_users"]] {
        case.db(&command).ok();
        assert_eq!(case.database.applied(), ["20260101000000"]);
    }
    case.db(&["up", "--to", "orders"]).ok();
    case.db(&["down", "users"]).ok();
    case.db(&["up"]).ok();
    case.db(&["redo", "--to", "20260202"]).ok();
    case.db(&["down", "--to", "202601"]).ok();
    assert_eq!(case.database.applied(), ["20260101000000"]);
    // Applied here, and gone from the files: the ledger knows its name.
    case.db(&["up"]).ok();
    for file in ["20260202000000_orders.up.sql", "20260202000000_orders.down.sql"] {
        case.workspace.remove(file);
    }
    case.db(&["down", "orders"]).ok();
    assert_eq!(case.database.applied(), ["20260101000000", "20260202000000"], "it stays");
    Ok(())
}

fn a_long_number_is_a_version_and_never_a_count() -> Outcome {
    let case = Case::with(&DATED)?;
    case.db(&["up", "20260101000000"]).ok();
    assert_eq!(case.database.applied(), ["20260101000000"]);
    case.db(&["up", "20270101000000"]).exits(2);
    case.db(&["down", "20270101000000"]).exits(2);
    assert_eq!(case.database.applied(), ["20260101000000"]);
    Ok(())
}

fn a_target_that_makes_no_sense_changes_nothing() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["up", "1"]).ok();
    insta::assert_snapshot!(
        "spellings_wrong",
        case.see_all(&[
            &["up", "base"],
            &["up", "-1"],
            &["down", "head"],
            &["down", "+1"],
            &["down", "b"],
            &["up", "nope"],
            &["up", "0"],
            &["up", "b+1"],
            &["up", "+2"],
            &["down", "-2"],
            &["up", "0002x"],
            &["up", "a b"],
        ])
    );
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn zeros_before_a_version_stay() -> Outcome {
    let case = Case::with(&[("0001_a", A.1, A.2), ("0002_b", B.1, B.2)])?;
    let up = case.db(&["up", "0001"]).ok();
    assert!(up.stderr.ends_with("is at 0001_a\n"), "{}", up.stderr);
    assert_eq!(case.db(&["current"]).ok().stdout, "0001_a\n");
    let stamp = case.db(&["stamp", "0002"]).ok();
    assert!(stamp.stderr.contains("is at 0002_b"), "{}", stamp.stderr);
    Ok(())
}

fn alembics_names_of_commands_are_understood() -> Outcome {
    let case = Case::with(&[A])?;
    case.db(&["upgrade", "head"]).ok();
    case.db(&["downgrade", "base"]).ok();
    assert_eq!(case.database.applied(), [""; 0]);
    let made = case.db(&["revision", "-m", "add a phone"]).ok().stdout;
    assert!(made.lines().next().is_some_and(|file| file.ends_with("_add_a_phone.up.sql")), "{made}");
    case.db(&["revision"]).exits(2);
    Ok(())
}
