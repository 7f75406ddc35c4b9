//! Alembic's spellings of a target, beside ours.

use super::case::{A, B, C, Case, Files};
use crate::harness::Outcome;

crate::trials!(
    alembics_spellings_go_where_alembic_goes,
    the_beginning_of_a_version_and_a_name_will_do,
    a_long_number_is_a_version_and_never_a_count,
    a_target_that_makes_no_sense_changes_nothing,
);

fn alembics_spellings_go_where_alembic_goes() -> Outcome {
    let case = Case::with(&[A, B, C])?;
    let steps: [(&[&str], &[&str]); 9] = [
        (&["up", "+1"], &["1"]),
        (&["up", "head"], &["1", "2", "3"]),
        (&["down", "-1"], &["1", "2"]),
        (&["up", "+2"], &["1", "2", "3"]),
        (&["down", "-2"], &["1"]),
        (&["up", "a+1"], &["1", "2"]),
        (&["up", "heads"], &["1", "2", "3"]),
        (&["down", "c-1"], &["1", "2"]),
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
            &["up", "a b"],
        ])
    );
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}
