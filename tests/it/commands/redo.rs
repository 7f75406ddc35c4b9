//! `db redo`

use super::case::{A, B, C, Case, commit_all, needs_git};
use crate::harness::Outcome;

crate::trials!(
    redo_undoes_the_newest_and_applies_it_again,
    after_an_edit_redo_undoes_what_had_been_applied_and_applies_what_is_there_now,
    redo_takes_a_number_or_everything_from_a_version_on,
    redo_has_nothing_to_do_in_an_empty_database,
    redo_from_a_version_that_is_not_applied_is_refused,
    redo_undoes_nothing_when_an_older_migration_was_edited_as_well,
    redo_undoes_nothing_when_the_edit_is_not_in_order,
    redo_undoes_nothing_that_has_no_way_back,
    when_the_edit_fails_redo_says_that_the_old_one_is_undone,
    redo_relocks_an_edit_even_of_what_is_committed,
    production_is_not_redone_without_its_name,
);

fn redo_undoes_the_newest_and_applies_it_again() -> Outcome {
    let case = Case::applied(&[A, B])?;
    case.database.client().batch_execute("insert into a values (1); insert into b values (1)").unwrap();
    insta::assert_snapshot!("redo_newest", case.see(&["redo"]));
    assert_eq!(case.database.ask("select count(*) from a"), "1");
    assert_eq!(case.database.ask("select count(*) from b"), "0");
    Ok(())
}

fn after_an_edit_redo_undoes_what_had_been_applied_and_applies_what_is_there_now() -> Outcome {
    let case = Case::applied(&[A])?;
    // The down script of today would fail on the schema of yesterday.
    case.workspace.write("1_a.up.sql", "create table a (i int); create table extra (i int);");
    case.workspace.write("1_a.down.sql", "drop table extra; drop table a;");
    insta::assert_snapshot!("redo_edited", case.see_all(&[&["redo"], &["up", "--locked"]]));
    assert!(case.has("extra"));
    // And from now on it is today's that counts.
    case.db(&["down"]).ok();
    assert!(!case.has("extra") && !case.has("a"));
    Ok(())
}

fn redo_takes_a_number_or_everything_from_a_version_on() -> Outcome {
    let case = Case::applied(&[A, B, C])?;
    let fill = || {
        case.database
            .client()
            .batch_execute("insert into a values (1); insert into b values (1); insert into c values (1)")
            .unwrap();
    };
    let count = || ["a", "b", "c"].map(|table| case.database.ask(&format!("select count(*) from {table}")));
    fill();
    case.db(&["redo", "--to", "2"]).ok();
    assert_eq!(count(), ["1", "0", "0"]);
    fill();
    case.db(&["redo", "2"]).ok();
    assert_eq!(count(), ["2", "0", "0"]);
    case.workspace.write("2_b.up.sql", "create table b (i bigint);");
    let ran = case.db(&["redo", "--to", "1"]).ok();
    assert!(ran.stderr.contains("3 applied again"), "{}", ran.stderr);
    assert_eq!(count(), ["0", "0", "0"]);
    assert_eq!(case.database.applied(), ["1", "2", "3"]);
    case.db(&["up", "--locked"]).ok();
    Ok(())
}

fn redo_has_nothing_to_do_in_an_empty_database() -> Outcome {
    let case = Case::with(&[A])?;
    insta::assert_snapshot!("redo_nothing", case.see(&["redo"]));
    assert!(!case.has("a"), "redo applies only what it has undone");
    Ok(())
}

fn redo_from_a_version_that_is_not_applied_is_refused() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["up", "1"]).ok();
    insta::assert_snapshot!("redo_to_not_applied", case.see_all(&[&["redo", "--to", "2"], &["redo", "--to", "5"]]));
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn redo_undoes_nothing_when_an_older_migration_was_edited_as_well() -> Outcome {
    let case = Case::applied(&[A, B])?;
    case.database.client().batch_execute("insert into b values (1)").unwrap();
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    case.workspace.write("2_b.up.sql", "create table b (i bigint);");
    insta::assert_snapshot!("redo_older_edited", case.see(&["redo"]));
    assert_eq!(case.database.ask("select count(*) from b"), "1");
    // The way out that the message names.
    case.db(&["redo", "--to", "1"]).ok();
    case.db(&["up", "--locked"]).ok();
    Ok(())
}

fn redo_undoes_nothing_when_the_edit_is_not_in_order() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace.write("1_a.up.sql", "create table a (i bigint); commit;");
    case.db(&["redo"]).exits(3);
    assert_eq!(case.database.applied(), ["1"]);
    assert!(case.has("a"));
    Ok(())
}

fn redo_undoes_nothing_that_has_no_way_back() -> Outcome {
    let case = Case::with(&[A, C])?;
    case.workspace.write("2_b.up.sql", "-- stairwell: irreversible the rows are gone\ncreate table b (i int);");
    case.db(&["up"]).ok();
    let ran = case.db(&["redo", "--to", "1"]).exits(1);
    assert!(ran.stderr.contains("`2_b` is irreversible: the rows are gone"), "{}", ran.stderr);
    assert_eq!(case.database.applied(), ["1", "2", "3"]);
    Ok(())
}

fn when_the_edit_fails_redo_says_that_the_old_one_is_undone() -> Outcome {
    let case = Case::applied(&[A, B])?;
    case.workspace.write("2_b.up.sql", "create table b (i int);\ncreate tabel c (i int);\n");
    insta::assert_snapshot!("redo_fails", case.see_all(&[&["redo"], &["status"]]));
    assert!(!case.has("b"));
    case.workspace.write("2_b.up.sql", "create table b (i bigint);");
    case.db(&["up"]).ok();
    case.db(&["up", "--locked"]).ok();
    Ok(())
}

fn redo_relocks_an_edit_even_of_what_is_committed() -> Outcome {
    needs_git()?;
    let case = Case::applied(&[A])?;
    commit_all(case.workspace.path());
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    case.db(&["redo"]).ok();
    case.db(&["lock", "--check"]).ok();
    Ok(())
}

fn production_is_not_redone_without_its_name() -> Outcome {
    let case = Case::applied(&[A])?;
    case.mark_as_production()?;
    case.database.client().batch_execute("insert into a values (1)").unwrap();
    insta::assert_snapshot!("redo_production", case.see(&["redo"]));
    assert_eq!(case.database.ask("select count(*) from a"), "1");
    case.db(&["redo", "--confirm", case.database.database().name()]).ok();
    assert_eq!(case.database.ask("select count(*) from a"), "0");
    Ok(())
}
