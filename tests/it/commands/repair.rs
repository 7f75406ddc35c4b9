//! `db repair`

use super::case::{A, B, Case};
use crate::harness::{Outcome, xtask};

crate::trials!(
    repair_shows_the_edit_and_accepts_it_with_a_reason,
    nobody_is_asked_where_nobody_is,
    one_of_several_is_repaired,
    there_may_be_nothing_to_repair,
    a_migration_that_is_half_applied_is_not_repaired,
    a_frozen_lock_is_not_repaired_around,
);

const EDITED: &str = "create table a (\n  i bigint\n);\n";

fn repair_shows_the_edit_and_accepts_it_with_a_reason() -> Outcome {
    let case = Case::applied(&[A, B])?;
    case.workspace.write("1_a.up.sql", EDITED);
    let refused = case.see(&["up"]);
    let repaired = case.see(&["repair", "a", "--yes", "--reason", "it's bigint by hand"]);
    insta::assert_snapshot!("repair", [refused, repaired, case.see_all(&[&["history", "-v"], &["up"]])].join("\n"));
    case.db(&["status", "--check"]).ok();
    case.db(&["lock", "--check"]).ok();
    let kept = case.database.ask("SELECT up_script FROM stairwell.ledger WHERE version = 1");
    assert_eq!(kept, EDITED);
    Ok(())
}

fn nobody_is_asked_where_nobody_is() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace.write("1_a.up.sql", EDITED);
    insta::assert_snapshot!("repair_nobody", case.see_all(&[&["repair"], &["repair", "--yes"]]));
    assert_eq!(case.db(&["current", "--check"]).code, 1, "and nothing was accepted");
    Ok(())
}

fn one_of_several_is_repaired() -> Outcome {
    let case = Case::applied(&[A, B])?;
    case.workspace.write("1_a.up.sql", EDITED);
    case.workspace.write("2_b.up.sql", "create table b (i smallint);");
    case.db(&["repair", "2_b", "--yes", "--reason", "x"]).ok();
    assert_eq!(
        case.database.ask("SELECT string_agg(version::text, ',') FROM stairwell.ledger WHERE remarks IS NOT NULL"),
        "2"
    );
    // Without a name, all of them.
    case.db(&["repair", "--yes", "--reason", "x"]).ok();
    case.db(&["status", "--check"]).ok();
    Ok(())
}

fn there_may_be_nothing_to_repair() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["up", "1"]).ok();
    insta::assert_snapshot!(
        "repair_nothing",
        case.see_all(&[&["repair"], &["repair", "a"], &["repair", "b"], &["repair", "nope"], &["repair", "-1"]])
    );
    Ok(())
}

fn a_migration_that_is_half_applied_is_not_repaired() -> Outcome {
    let case = Case::applied(&[A])?;
    case.database.client().batch_execute("update stairwell.ledger set state = 'applying', applied_at = null").unwrap();
    case.workspace.write("1_a.up.sql", EDITED);
    insta::assert_snapshot!("repair_half", case.see(&["repair", "a", "--yes", "--reason", "x"]));
    Ok(())
}

fn a_frozen_lock_is_not_repaired_around() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace.write("1_a.up.sql", EDITED);
    let arguments = ["repair", "--yes", "--reason", "x"];
    let frozen = || xtask::run(case.command(&arguments).env("CI", "1"));
    let ran = frozen().exits(3);
    assert!(ran.stderr.contains("edited after it was locked"), "{}", ran.stderr);
    // Where the lock was accepted elsewhere, each database is repaired by whoever deploys.
    case.db(&["lock", "--accept-changes"]).ok();
    frozen().ok();
    case.db(&["status", "--check"]).ok();
    Ok(())
}
