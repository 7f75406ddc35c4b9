//! Migrations outside of a transaction, through the commands.

use super::case::{Case, Files};
use crate::harness::Outcome;

crate::trials!(
    an_index_is_built_and_dropped_concurrently,
    an_index_of_a_table_that_is_not_on_the_search_path_is_found_again,
    an_index_that_cannot_be_unique_says_what_it_left_and_the_next_up_clears_it_away,
    an_interrupted_build_is_begun_again,
    an_interrupted_build_that_had_been_finished_is_not_repeated,
    an_interrupted_build_that_left_debris_is_begun_again,
    an_interrupted_drop_is_gone_on_with,
    an_unfinished_migration_is_neither_undone_nor_stepped_over,
);

pub(crate) const TABLE: Files<'_> = ("1_t", "create table t (i int, s text);", "drop table t;");
pub(crate) const INDEX: Files<'_> = (
    "2_index",
    "-- stairwell: no-transaction\ncreate unique index concurrently t_i on t (i);\n",
    "-- stairwell: no-transaction\ndrop index concurrently t_i;\n",
);

/// Whether the index is there, and valid.
pub(crate) fn index(case: &Case) -> &'static str {
    match case.database.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('t_i')").as_str() {
        "t" => "valid",
        "f" => "invalid",
        _ => "absent",
    }
}

fn sql(case: &Case, text: &str) {
    case.database.client().batch_execute(text).unwrap();
}

/// What a killed `db up` leaves in the ledger: a row of the migration that had begun.
fn interrupted_up(case: &Case) {
    case.db(&["up"]).ok();
    sql(case, "update stairwell.ledger set state = 'applying', applied_at = null where version = 2");
}

fn an_index_is_built_and_dropped_concurrently() -> Outcome {
    let case = Case::with(&[TABLE, INDEX])?;
    insta::assert_snapshot!("concurrently", case.see_all(&[&["up"], &["down"], &["up"], &["redo"], &["status"]]));
    assert_eq!(index(&case), "valid");
    Ok(())
}

fn an_index_of_a_table_that_is_not_on_the_search_path_is_found_again() -> Outcome {
    let case = Case::with(&[(
        "1_t",
        "create schema \"Shop\"; create table \"Shop\".t (i int);",
        "drop schema \"Shop\" cascade;",
    )])?;
    let up = |only: &str| {
        format!(
            "-- stairwell: no-transaction\ncreate unique index concurrently {only} \"T_i\" on only \"Shop\".t (i);\n"
        )
    };
    case.workspace.write("2_index.up.sql", up("if not exists"));
    case.workspace
        .write("2_index.down.sql", "-- stairwell: no-transaction\ndrop index concurrently \"Shop\".\"T_i\";\n");
    case.db(&["up"]).ok();
    case.db(&["down"]).ok();
    sql(&case, "insert into \"Shop\".t values (1), (1)");
    let ran = case.db(&["up"]).exits(1);
    assert!(ran.stderr.contains("invalid"), "{}", ran.stderr);
    sql(&case, "truncate \"Shop\".t");
    case.db(&["up"]).ok();
    assert_eq!(
        case.database.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = '\"Shop\".\"T_i\"'::regclass"),
        "t"
    );
    Ok(())
}

fn an_index_that_cannot_be_unique_says_what_it_left_and_the_next_up_clears_it_away() -> Outcome {
    let case = Case::with(&[TABLE, INDEX])?;
    case.db(&["up", "1"]).ok();
    sql(&case, "insert into t values (1, 'one'), (1, 'two')");
    insta::assert_snapshot!("concurrently_fails", case.see_all(&[&["up"], &["status"]]));
    assert_eq!(index(&case), "invalid");
    assert_eq!(case.database.applied(), ["1"]);
    assert_eq!(case.locked().len(), 2, "what failed is not locked");
    sql(&case, "delete from t where s = 'two'");
    insta::assert_snapshot!("concurrently_after_debris", case.see(&["up"]));
    assert_eq!(index(&case), "valid");
    Ok(())
}

fn an_interrupted_build_is_begun_again() -> Outcome {
    let case = Case::with(&[TABLE, INDEX])?;
    interrupted_up(&case);
    sql(&case, "drop index t_i");
    case.db(&["up"]).ok();
    assert_eq!(index(&case), "valid");
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn an_interrupted_build_that_had_been_finished_is_not_repeated() -> Outcome {
    let case = Case::with(&[TABLE, INDEX])?;
    interrupted_up(&case);
    let oid = case.database.ask("select 't_i'::regclass::oid");
    insta::assert_snapshot!("concurrently_resumed", case.see(&["up"]));
    assert_eq!(case.database.ask("select 't_i'::regclass::oid"), oid);
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn an_interrupted_build_that_left_debris_is_begun_again() -> Outcome {
    let case = Case::with(&[TABLE, INDEX])?;
    interrupted_up(&case);
    sql(&case, "drop index t_i; insert into t values (1, 'one'), (1, 'two')");
    assert!(case.database.client().batch_execute("create unique index concurrently t_i on t (i)").is_err());
    sql(&case, "delete from t where s = 'two'");
    let ran = case.db(&["up"]).ok();
    assert!(ran.stderr.contains("t_i is invalid"), "{}", ran.stderr);
    assert_eq!(index(&case), "valid");
    Ok(())
}

fn an_interrupted_drop_is_gone_on_with() -> Outcome {
    for already in [false, true] {
        let case = Case::with(&[TABLE, INDEX])?;
        case.db(&["up"]).ok();
        sql(&case, "update stairwell.ledger set state = 'reverting' where version = 2");
        if already {
            sql(&case, "drop index t_i");
        }
        let ran = case.db(&["up"]).exits(1);
        assert!(ran.stderr.contains("half undone") && ran.stderr.contains("cargo xtask db down"), "{}", ran.stderr);
        case.db(&["down"]).ok();
        assert_eq!(index(&case), "absent");
        assert_eq!(case.database.applied(), ["1"]);
    }
    Ok(())
}

fn an_unfinished_migration_is_neither_undone_nor_stepped_over() -> Outcome {
    let case = Case::with(&[TABLE, INDEX, ("3_c", "create table c (i int);", "drop table c;")])?;
    case.db(&["up", "2"]).ok();
    sql(&case, "update stairwell.ledger set state = 'applying', applied_at = null where version = 2");
    insta::assert_snapshot!("unfinished_down", case.see(&["down"]));
    case.db(&["up", "1"]).ok();
    assert_eq!(case.database.applied(), ["1", "2"], "it comes before what is newer");
    Ok(())
}
