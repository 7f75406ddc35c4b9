//! `db down`

use super::case::{A, B, C, Case};
use crate::harness::Outcome;

crate::trials!(
    down_undoes_one,
    down_takes_a_number_a_version_that_stays_or_all,
    down_has_nothing_to_undo_in_an_empty_database,
    a_version_that_is_not_applied_or_not_there_is_no_goal,
    irreversible_stops_with_its_reason_before_anything_is_undone,
    a_migration_whose_file_is_gone_is_undone_by_what_the_ledger_kept,
    an_edited_migration_is_undone_by_what_the_ledger_kept,
    a_mended_down_script_of_an_unedited_migration_is_used,
    a_failing_down_script_is_shown_and_leaves_everything_as_it_was,
    one_applied_without_a_down_script_says_how_to_go_on,
    production_is_not_undone_without_its_name,
);

fn down_undoes_one() -> Outcome {
    let case = Case::applied(&[A, B])?;
    let lock = case.lock();
    insta::assert_snapshot!("down_one", case.see_all(&[&["down"], &["down"], &["down"]]));
    assert!(!case.has("a") && !case.has("b"));
    assert_eq!(case.lock(), lock, "what was accepted stays accepted");
    Ok(())
}

fn down_takes_a_number_a_version_that_stays_or_all() -> Outcome {
    let case = Case::applied(&[A, B, C])?;
    case.db(&["down", "2"]).ok();
    assert_eq!(case.database.applied(), ["1"]);
    case.db(&["up"]).ok();
    case.db(&["down", "--to", "2"]).ok();
    assert_eq!(case.database.applied(), ["1", "2"]);
    case.db(&["down", "--to", "2"]).ok();
    assert_eq!(case.database.applied(), ["1", "2"]);
    case.db(&["down", "--all"]).ok();
    assert_eq!(case.database.applied(), [""; 0]);
    case.db(&["up"]).ok();
    case.db(&["down", "100"]).ok();
    assert!(!case.has("a"));
    Ok(())
}

fn down_has_nothing_to_undo_in_an_empty_database() -> Outcome {
    let case = Case::with(&[A])?;
    insta::assert_snapshot!("down_nothing", case.see_all(&[&["down"], &["down", "--all"]]));
    assert!(!case.has("stairwell.ledger"), "looking creates nothing");
    Ok(())
}

fn a_version_that_is_not_applied_or_not_there_is_no_goal() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["up", "1"]).ok();
    insta::assert_snapshot!("down_to_no_goal", case.see_all(&[&["down", "--to", "2"], &["down", "--to", "5"]]));
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn irreversible_stops_with_its_reason_before_anything_is_undone() -> Outcome {
    let case = Case::with(&[A, C])?;
    case.workspace
        .write("2_b.up.sql", "-- stairwell: irreversible the old column is gone for good\ncreate table b (i int);");
    case.db(&["up"]).ok();
    insta::assert_snapshot!("down_irreversible", case.see(&["down", "--all"]));
    assert_eq!(case.database.applied(), ["1", "2", "3"]);
    case.db(&["down"]).ok();
    assert_eq!(case.database.applied(), ["1", "2"]);
    case.db(&["down"]).exits(1);
    Ok(())
}

fn a_migration_whose_file_is_gone_is_undone_by_what_the_ledger_kept() -> Outcome {
    let case = Case::applied(&[A, B])?;
    case.workspace.remove("2_b.up.sql");
    case.workspace.remove("2_b.down.sql");
    case.db(&["down"]).ok();
    assert!(!case.has("b") && case.has("a"));
    Ok(())
}

fn an_edited_migration_is_undone_by_what_the_ledger_kept() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace.write("1_a.up.sql", "create table z (i int);");
    case.workspace.write("1_a.down.sql", "drop table z;");
    case.db(&["down"]).ok();
    assert!(!case.has("a"));
    case.db(&["up"]).ok();
    assert!(case.has("z"));
    Ok(())
}

fn a_mended_down_script_of_an_unedited_migration_is_used() -> Outcome {
    let case = Case::applied(&[("1_a", "create table a (i int);", "drop table wrong;")])?;
    case.db(&["down"]).exits(1);
    case.workspace.write("1_a.down.sql", "drop table a;");
    case.db(&["down"]).ok();
    assert!(!case.has("a"));
    Ok(())
}

fn a_failing_down_script_is_shown_and_leaves_everything_as_it_was() -> Outcome {
    let case = Case::applied(&[("1_a", "create table a (i int);", "drop table a;\ndrop table wrong;\n"), B])?;
    insta::assert_snapshot!("down_fails", case.see(&["down", "--all"]));
    assert_eq!(case.database.applied(), ["1"]);
    assert!(case.has("a"));
    Ok(())
}

fn one_applied_without_a_down_script_says_how_to_go_on() -> Outcome {
    let case = Case::with(&[])?;
    case.workspace.write("1_a.up.sql", "-- stairwell: irreversible no way\ncreate table a (i int);");
    case.db(&["up"]).ok();
    case.workspace.remove("1_a.up.sql");
    insta::assert_snapshot!("down_without_script", case.see(&["down"]));
    assert!(case.has("a"));
    Ok(())
}

fn production_is_not_undone_without_its_name() -> Outcome {
    let case = Case::applied(&[A])?;
    case.mark_as_production()?;
    insta::assert_snapshot!("down_production", case.see_all(&[&["down"], &["down", "--confirm", "other"]]));
    assert_eq!(case.database.applied(), ["1"]);
    case.db(&["down", "--confirm", case.database.database().name()]).ok();
    assert!(!case.has("a"));
    Ok(())
}
