//! `db up`

use std::fs;
use std::net::TcpListener;

use super::case::{A, B, BROKEN, C, Case};
use crate::harness::{Outcome, xtask};

crate::trials!(
    up_shows_every_step_locks_it_and_has_nothing_to_do_the_second_time,
    up_takes_a_number_or_a_version,
    a_version_that_does_not_exist_is_an_argument_that_makes_no_sense,
    a_version_that_lies_behind_is_not_gone_back_to,
    arguments_that_make_no_sense_end_with_2,
    a_failing_script_is_shown_with_its_place_and_what_is_true_now,
    what_was_applied_before_a_failure_is_locked,
    what_contradicts_the_database_ends_with_1,
    files_that_are_not_in_order_end_with_3_and_nothing_is_run,
    a_folder_without_migrations_has_nothing_to_apply,
    a_folder_that_is_not_there_is_named,
    a_server_that_does_not_answer_ends_with_4,
    a_database_that_does_not_exist_ends_with_4_and_says_how_to_create_it,
    another_folder_can_be_named,
    edited_comments_are_a_notice_and_no_failure,
    a_run_that_changes_nothing_does_not_make_cargo_build_again,
    what_loses_data_or_leaks_is_refused_before_anything_runs,
    what_a_block_hides_is_a_warning_until_it_is_locked,
);

fn up_shows_every_step_locks_it_and_has_nothing_to_do_the_second_time() -> Outcome {
    let case = Case::with(&[A, B])?;
    insta::assert_snapshot!("up_twice", case.see_all(&[&["up"], &["up"]]));
    assert_eq!(case.database.applied(), ["1", "2"]);
    assert_eq!(case.locked(), ["1_a.up.sql", "1_a.down.sql", "2_b.up.sql", "2_b.down.sql"]);
    Ok(())
}

fn up_takes_a_number_or_a_version() -> Outcome {
    let case = Case::with(&[A, B, C, ("4_d", "select 1;", "select 1;")])?;
    case.db(&["up", "1"]).ok();
    assert_eq!(case.database.applied(), ["1"]);
    assert_eq!(case.locked().len(), 2, "only what was applied is locked");
    case.db(&["up", "--to", "3"]).ok();
    assert_eq!(case.database.applied(), ["1", "2", "3"]);
    case.db(&["up", "--to", "3"]).ok();
    case.db(&["up", "100"]).ok();
    assert_eq!(case.database.applied(), ["1", "2", "3", "4"]);
    Ok(())
}

fn a_version_that_does_not_exist_is_an_argument_that_makes_no_sense() -> Outcome {
    let case = Case::with(&[A])?;
    insta::assert_snapshot!("up_to_unknown", case.see(&["up", "--to", "5"]));
    for command in ["up", "down", "redo"] {
        case.db(&[command, "--to", "5"]).exits(2);
    }
    assert_eq!(case.database.applied(), [""; 0]);
    Ok(())
}

fn a_version_that_lies_behind_is_not_gone_back_to() -> Outcome {
    let case = Case::applied(&[A, B])?;
    insta::assert_snapshot!("up_to_behind", case.see(&["up", "--to", "1"]));
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn arguments_that_make_no_sense_end_with_2() -> Outcome {
    let case = Case::with(&[A])?;
    for arguments in [
        &["up", "0"][..],
        &["up", "-1"],
        &["up", "some"],
        &["up", "--to", "zero"],
        &["up", "1", "--to", "1"],
        &["down", "1", "--all"],
        &["upp"],
        &[],
    ] {
        case.db(arguments).exits(2);
    }
    case.db(&["up", "--database-url", "mysql://u@localhost/d"]).exits(2);
    assert_eq!(case.database.applied(), [""; 0]);
    Ok(())
}

fn a_failing_script_is_shown_with_its_place_and_what_is_true_now() -> Outcome {
    let case = Case::with(&[A, BROKEN])?;
    insta::assert_snapshot!("up_fails", case.see(&["up"]));
    assert!(!case.has("d"), "rolled back");
    Ok(())
}

fn what_was_applied_before_a_failure_is_locked() -> Outcome {
    let case = Case::with(&[A, B, BROKEN])?;
    case.db(&["up"]).exits(1);
    assert_eq!(case.database.applied(), ["1", "2"]);
    assert_eq!(case.locked(), ["1_a.up.sql", "1_a.down.sql", "2_b.up.sql", "2_b.down.sql"]);
    case.workspace.write("9_broken.up.sql", "create table d (i int);");
    case.db(&["up"]).ok();
    assert_eq!(case.locked().len(), 6);
    Ok(())
}

fn what_contradicts_the_database_ends_with_1() -> Outcome {
    let case = Case::applied(&[A, B])?;
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    case.workspace.remove("2_b.up.sql");
    case.workspace.remove("2_b.down.sql");
    insta::assert_snapshot!("up_contradicts", case.see(&["up"]));
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn files_that_are_not_in_order_end_with_3_and_nothing_is_run() -> Outcome {
    let case = Case::with(&[A, ("2_b", "create table b (i int);\ncommit;", "drop table b;")])?;
    insta::assert_snapshot!("up_defects", case.see(&["up"]));
    assert!(!case.has("a") && !case.has("stairwell.ledger"));
    Ok(())
}

fn a_folder_without_migrations_has_nothing_to_apply() -> Outcome {
    let case = Case::with(&[])?;
    insta::assert_snapshot!("up_empty", case.see(&["up"]));
    assert!(!case.has("stairwell.ledger"));
    assert!(!case.lock_path().exists());
    Ok(())
}

fn a_folder_that_is_not_there_is_named() -> Outcome {
    let case = Case::with(&[])?;
    insta::assert_snapshot!("up_no_folder", case.see(&["up", "--dir", "migrtaions"]));
    Ok(())
}

fn a_server_that_does_not_answer_ends_with_4() -> Outcome {
    let case = Case::with(&[A])?;
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgresql://ann@127.0.0.1:{port}/shop");
    for command in ["up", "down", "redo", "reset", "status"] {
        let ran = xtask::run(xtask::db(case.workspace.path(), &[command]).env("DATABASE_URL", &url)).exits(4);
        for words in
            ["cannot connect to the database `shop` on 127.0.0.1", &port.to_string(), "onnection refused", "help: "]
        {
            assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
        }
    }
    Ok(())
}

fn a_database_that_does_not_exist_ends_with_4_and_says_how_to_create_it() -> Outcome {
    let case = Case::with(&[A])?;
    let url = case.database.url().replace(case.database.database().name(), "not_there");
    let ran = xtask::run(xtask::db(case.workspace.path(), &["up"]).env("DATABASE_URL", &url)).exits(4);
    for words in ["database \"not_there\" does not exist", "cargo xtask db create"] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    Ok(())
}

fn another_folder_can_be_named() -> Outcome {
    let case = Case::with(&[A])?;
    fs::rename(case.workspace.migrations(), case.workspace.path().join("db")).unwrap();
    let ran = case.db(&["up", "--dir", "db"]).ok();
    assert!(ran.stderr.contains("in db/stairwell.lock"), "{}", ran.stderr);
    assert!(case.workspace.path().join("db/stairwell.lock").is_file());
    Ok(())
}

fn edited_comments_are_a_notice_and_no_failure() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace.write("1_a.up.sql", "-- the first table\ncreate table a (i int);\n");
    insta::assert_snapshot!(
        "up_comment_edited",
        case.see_all(&[&["up"], &["status"], &["lock"], &["up"], &["status"]])
    );
    Ok(())
}

fn a_run_that_changes_nothing_does_not_make_cargo_build_again() -> Outcome {
    let case = Case::applied(&[A])?;
    // What Cargo looks at for `rerun-if-changed` on a folder: the newest time in it, its own included.
    let times = || -> Vec<_> {
        let files = fs::read_dir(case.workspace.migrations()).unwrap().map(|entry| entry.unwrap().path());
        let mut times: Vec<_> = files
            .chain([case.workspace.migrations()])
            .map(|path| (path.clone(), fs::metadata(path).unwrap().modified().unwrap()))
            .collect();
        times.sort();
        times
    };
    let before = times();
    for command in
        [&["up"][..], &["status"], &["lock"], &["lock", "--check"], &["down"], &["up"], &["redo"], &["reset"]]
    {
        case.db(command).ok();
        assert_eq!(times(), before, "after {command:?}");
    }
    Ok(())
}

fn what_loses_data_or_leaks_is_refused_before_anything_runs() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace
        .write("2_b.up.sql", "create table b (i int);\n\nalter table a\n    add k int,\n    drop column i;\n");
    case.workspace.write("2_b.down.sql", "drop table b;");
    case.workspace
        .write("3_c.up.sql", "set search_path = '';\nalter type mood add value 'new';\nselect 'new'::mood;\n");
    case.workspace.write("3_c.down.sql", "reset search_path;");
    insta::assert_snapshot!("up_hazards", case.see(&["up"]));
    assert_eq!(case.database.applied(), ["1"]);
    assert_eq!(case.locked().len(), 2);
    Ok(())
}

fn what_a_block_hides_is_a_warning_until_it_is_locked() -> Outcome {
    let block =
        "-- stairwell: allow empty it was once\ndo $$ begin\n  execute 'create index on ' || 'a' || ' (i)';\nend $$;\n";
    let case = Case::with(&[A, ("2_b", block, "drop index a_i_idx;")])?;
    insta::assert_snapshot!("up_opaque", case.see_all(&[&["up"], &["up"], &["redo"]]));
    Ok(())
}
