//! `db check`.

use stairwell::local::Project;

use super::case::{A, B, C, Case, Files};
use crate::harness::Outcome;
use crate::harness::shared::shared;

crate::trials!(
    a_down_script_that_forgets_something_is_found_and_the_next_is_tried_all_the_same,
    what_was_proved_is_not_proved_again_until_it_changes,
    a_schema_that_the_migrations_do_not_make_is_found,
    a_migration_that_cannot_be_applied_ends_the_trials_and_nothing_else,
    a_down_script_outside_of_a_transaction_that_stops_half_way_leaves_no_trace,
    real_histories_are_told_apart_migration_by_migration,
);

/// Its down script forgets a column, and drops an index that it did not make.
const FORGETFUL: Files<'_> = (
    "2_b",
    "create table b (i int primary key, j text);\nalter table a add k int not null;",
    "drop table b;\ndrop index a_i_idx;",
);

fn with_lock(migrations: &[Files<'_>]) -> Result<Case, crate::harness::Skip> {
    let case = Case::with(migrations)?;
    case.db(&["lock"]).ok();
    Ok(case)
}

/// Without how long it took.
fn timeless(seen: &str) -> String {
    let line =
        |line: &str| match line.split_once("tried").and_then(|(before, rest)| Some((before, rest.split_once(" in ")?)))
        {
            Some((before, (counts, rest))) => {
                let end = rest.find([';', ')']).map_or("", |at| &rest[at..]);
                format!("{before}tried{counts} in <duration>{end}\n")
            }
            None => format!("{line}\n"),
        };
    seen.lines().map(line).collect()
}

fn a_down_script_that_forgets_something_is_found_and_the_next_is_tried_all_the_same() -> Outcome {
    let a = ("1_a", "create table a (i int);\ncreate index on a (i);", "drop table a;");
    let case = with_lock(&[a, FORGETFUL, C])?;
    insta::assert_snapshot!("check_broken", timeless(&case.see(&["check"])));
    let json: serde_json::Value = serde_json::from_str(&case.db(&["check", "--json"]).exits(1).stdout).unwrap();
    let results: Vec<_> =
        json["migrations"].as_array().unwrap().iter().map(|it| it["result"].as_str().unwrap()).collect();
    assert_eq!((json["ok"].as_bool(), results), (Some(false), vec!["proved", "broken", "proved"]));
    assert_eq!(json["migrations"][1]["faults"][0]["differences"].as_array().unwrap().len(), 2);
    assert!(!case.has("a"), "the configured database is left alone");
    Ok(())
}

fn what_was_proved_is_not_proved_again_until_it_changes() -> Outcome {
    let case = with_lock(&[A, B, C])?;
    // With a workspace there is a place for notes.
    std::fs::write(case.workspace.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    let check = |expected: &str, more: &[&str]| {
        let ran = case.db(&[&["check"], more].concat()).ok();
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    };
    check("3 migrations tried in", &[]);
    check("0 migrations tried, 3 proved by an earlier check", &[]);
    check("3 migrations tried in", &["--all"]);
    case.workspace.write("2_b.down.sql", "drop table if exists b;");
    case.db(&["lock"]).ok();
    check("1 migration tried, 2 proved by an earlier check", &[]);
    // What stands on it is to be tried again, too.
    case.workspace.write("2_b.up.sql", "create table b (i bigint);");
    case.db(&["lock"]).ok();
    check("2 migrations tried, 1 proved by an earlier check", &[]);
    if let Some(project) = Project::discover(case.workspace.path()) {
        let _ = std::fs::remove_file(project.target().join("stairwell").join(format!("{}.proved", project.key())));
    }
    Ok(())
}

fn a_schema_that_the_migrations_do_not_make_is_found() -> Outcome {
    let case = with_lock(&[A, B])?;
    case.db(&["dump"]).ok();
    case.db(&["check"]).ok();
    let path = case.workspace.path().join("schema.sql");
    // In another order and another spelling it is the same.
    std::fs::write(&path, "create table b (i integer); create table public.a (\"i\" int4);").unwrap();
    case.db(&["check"]).ok();
    std::fs::write(&path, "create table b (i bigint); create table a (i int, j text);").unwrap();
    let seen = case.see(&["check"]).replace(&path.display().to_string(), "schema.sql");
    insta::assert_snapshot!("check_schema", timeless(&seen));
    Ok(())
}

fn a_migration_that_cannot_be_applied_ends_the_trials_and_nothing_else() -> Outcome {
    let case = with_lock(&[A, ("2_b", "create table b (i int references nothing);", "drop table b;"), C])?;
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    let ran = case.db(&["check"]).exits(1);
    for told in ["edited", "relation \"nothing\" does not exist", "1 not tried", "2_b"] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    Ok(())
}

fn a_down_script_outside_of_a_transaction_that_stops_half_way_leaves_no_trace() -> Outcome {
    let index = (
        "2_index",
        "-- stairwell: no-transaction\ncreate index concurrently a_i on a (i);",
        "-- stairwell: no-transaction\ndrop index concurrently a_j;",
    );
    let case = with_lock(&[A, index, ("3_more", "drop index a_i;", "create index a_i on a (i);")])?;
    let ran = case.db(&["check"]).exits(1);
    assert!(ran.stderr.contains("1 migration that cannot go up, down and up again: 2_index"), "{}", ran.stderr);
    assert!(ran.stderr.contains("3 migrations tried in"), "{}", ran.stderr);
    Ok(())
}

fn real_histories_are_told_apart_migration_by_migration() -> Outcome {
    let from = shared("corpora/histories/zksync")?;
    let case = Case::with(&[])?;
    let mut files: Vec<_> = std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    // Enough of it: each is tried three times, and its catalog is read as often.
    for file in &files[..120] {
        std::fs::copy(file, case.workspace.migrations().join(file.file_name().unwrap())).unwrap();
    }
    case.db(&["lock", "--import"]).ok();
    let json: serde_json::Value = serde_json::from_str(&case.db(&["check", "--json"]).exits(1).stdout).unwrap();
    let results: Vec<_> =
        json["migrations"].as_array().unwrap().iter().map(|it| it["result"].as_str().unwrap()).collect();
    assert_eq!(results.len(), 60);
    assert!(results.iter().all(|result| ["proved", "one_way", "broken"].contains(result)), "{results:?}");
    Ok(())
}
