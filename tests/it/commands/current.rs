//! `db current`

use super::case::{A, B, Case};
use crate::harness::Outcome;

crate::trials!(
    current_prints_the_newest_applied_migration,
    check_ends_with_1_unless_the_database_is_at_head,
    a_database_that_is_ahead_says_so,
    current_for_programs,
);

fn current_prints_the_newest_applied_migration() -> Outcome {
    let case = Case::with(&[A, B])?;
    insta::assert_snapshot!(
        "current",
        case.see_all(&[&["current"], &["up", "1"], &["current"], &["up"], &["current"]])
    );
    assert_eq!(case.db(&["current"]).ok().stdout, "2_b (head)\n", "one line, for scripts");
    Ok(())
}

fn check_ends_with_1_unless_the_database_is_at_head() -> Outcome {
    let case = Case::with(&[A, B])?;
    let check = || case.see(&["current", "--check"]);
    let empty = check();
    case.db(&["up", "1"]).ok();
    let behind = check();
    case.db(&["up"]).ok();
    case.db(&["current", "--check"]).ok();
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    insta::assert_snapshot!("current_check", [empty, behind, check()].join("\n"));
    Ok(())
}

fn a_database_that_is_ahead_says_so() -> Outcome {
    let case = Case::applied(&[A, B])?;
    for file in ["2_b.up.sql", "2_b.down.sql"] {
        case.workspace.remove(file);
    }
    insta::assert_snapshot!("current_ahead", case.see_all(&[&["current"], &["current", "--check"]]));
    Ok(())
}

fn current_for_programs() -> Outcome {
    let case = Case::with(&[A, B])?;
    let nothing = case.see(&["current", "--json"]);
    case.db(&["up"]).ok();
    insta::assert_snapshot!("current_json", [nothing, case.see(&["current", "--json"])].join("\n"));
    Ok(())
}
