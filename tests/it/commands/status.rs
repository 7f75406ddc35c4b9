//! `db status`

use super::case::{A, B, Case, Role};
use crate::harness::{Outcome, xtask};

crate::trials!(
    status_shows_where_every_migration_stands,
    status_of_an_empty_database_creates_nothing,
    status_needs_no_more_than_to_read_the_ledger,
    a_role_that_may_not_read_the_ledger_is_told_what_it_lacks,
    status_shows_what_it_can_of_a_folder_with_defects,
    an_interrupted_migration_is_shown_as_unfinished,
);

fn status_shows_where_every_migration_stands() -> Outcome {
    let plain = |id| (id, "select 1;", "select 1;");
    let case = Case::with(&[plain("1_applied"), plain("2_edited"), plain("3_missing"), plain("6_comment_edited")])?;
    case.workspace.write("5_irreversible.up.sql", "-- stairwell: irreversible the old values are gone\nselect 1;");
    case.db(&["up"]).ok();
    case.workspace.write("2_edited.up.sql", "select 2;");
    case.workspace.remove("3_missing.up.sql");
    case.workspace.remove("3_missing.down.sql");
    case.workspace.write("6_comment_edited.up.sql", "-- why\nselect 1;");
    for (id, text) in [("4_out_of_order", "select 4;"), ("7_pending", "select 7;")] {
        case.workspace.write(&format!("{id}.up.sql"), text);
        case.workspace.write(&format!("{id}.down.sql"), text);
    }
    insta::assert_snapshot!("status", case.see(&["status"]));
    Ok(())
}

fn status_of_an_empty_database_creates_nothing() -> Outcome {
    let case = Case::with(&[A, B])?;
    insta::assert_snapshot!("status_empty", case.see(&["status"]));
    assert_eq!(case.database.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'stairwell'"), "0");
    assert!(!case.lock_path().exists());
    let none = Case::with(&[])?;
    insta::assert_snapshot!("status_of_nothing", none.see(&["status"]));
    Ok(())
}

fn status_needs_no_more_than_to_read_the_ledger() -> Outcome {
    let reader = Role::new("")?;
    let case = Case::with(&[A, B])?;
    case.db(&["up", "1"]).ok();
    let grant = format!("GRANT USAGE ON SCHEMA stairwell TO {0}; GRANT SELECT ON stairwell.ledger TO {0}", reader.name);
    case.database.client().batch_execute(&grant).unwrap();
    let ran = xtask::run(case.command(&["status"]).env("DATABASE_URL", reader.url(&case.database))).ok();
    assert!(ran.stdout.contains("1 applied, 1 pending"), "{}", ran.stdout);
    Ok(())
}

fn a_role_that_may_not_read_the_ledger_is_told_what_it_lacks() -> Outcome {
    let stranger = Role::new("")?;
    let case = Case::applied(&[A])?;
    let ran = xtask::run(case.command(&["status"]).env("DATABASE_URL", stranger.url(&case.database))).exits(1);
    for words in ["permission denied for schema stairwell", "42501", "GRANT USAGE ON SCHEMA stairwell"] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    Ok(())
}

fn status_shows_what_it_can_of_a_folder_with_defects() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace.write("2_b.up.sql", "select 1;");
    case.workspace.write("2_c.up.sql", "select 1;");
    insta::assert_snapshot!("status_defects", case.see(&["status"]));
    Ok(())
}

fn an_interrupted_migration_is_shown_as_unfinished() -> Outcome {
    let case = Case::applied(&[A])?;
    case.database.client().batch_execute("update stairwell.ledger set state = 'applying', applied_at = null").unwrap();
    insta::assert_snapshot!("status_unfinished", case.see(&["status"]));
    Ok(())
}
