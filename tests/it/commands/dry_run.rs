//! `--dry-run` and `--check-only`

use super::case::{A, B, Case, Files};
use crate::harness::Outcome;

crate::trials!(
    a_dry_run_prints_the_plan_and_does_nothing,
    a_dry_run_of_the_way_back_says_which_script_it_is,
    a_dry_run_for_programs,
    a_trial_runs_everything_and_leaves_nothing,
    a_trial_that_fails_shows_where,
    a_trial_names_what_cannot_be_tried,
    a_trial_checks_what_is_deferred,
    a_trial_of_an_enum_value_says_what_differs,
    options_that_exclude_each_other_are_refused,
);

const INDEX: Files<'_> =
    ("3_index", "-- stairwell: no-transaction\ncreate index concurrently b_i on b (i)", "drop index b_i;");

fn nothing_there(case: &Case) {
    assert_eq!(case.database.ask("SELECT to_regnamespace('stairwell') IS NULL AND to_regclass('a') IS NULL"), "t");
    assert_eq!(case.locked(), [""; 0]);
}

fn a_dry_run_prints_the_plan_and_does_nothing() -> Outcome {
    let case = Case::with(&[A, B, INDEX])?;
    let all = case.see(&["up", "--dry-run"]);
    let one = case.see(&["up", "+1", "--dry-run"]);
    nothing_there(&case);
    case.db(&["up"]).ok();
    insta::assert_snapshot!("dry_run", [all, one, case.see(&["up", "--dry-run"])].join("\n"));
    Ok(())
}

fn a_dry_run_of_the_way_back_says_which_script_it_is() -> Outcome {
    let case = Case::applied(&[A, B])?;
    for file in ["2_b.up.sql", "2_b.down.sql"] {
        case.workspace.remove(file);
    }
    insta::assert_snapshot!("dry_run_down", case.see(&["down", "base", "--dry-run"]));
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn a_dry_run_for_programs() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace.write("2_b.up.sql", B.1);
    case.workspace.write("2_b.down.sql", B.2);
    insta::assert_snapshot!(
        "dry_run_json",
        case.see_all(&[&["up", "--dry-run", "--json"], &["down", "--dry-run", "--json"]])
    );
    Ok(())
}

fn a_trial_runs_everything_and_leaves_nothing() -> Outcome {
    let case = Case::with(&[A, B])?;
    insta::assert_snapshot!("trial", case.see(&["up", "--check-only"]));
    nothing_there(&case);
    // It sees what is there.
    case.db(&["up", "1"]).ok();
    insta::assert_snapshot!("trial_of_one", case.see(&["up", "--check-only"]));
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn a_trial_that_fails_shows_where() -> Outcome {
    let case = Case::with(&[A, B, ("3_wrong", "select 1;\nselect i / 0 from (values (1)) v (i);", "select 1;")])?;
    insta::assert_snapshot!("trial_fails", case.see(&["up", "--check-only"]));
    nothing_there(&case);
    Ok(())
}

fn a_trial_names_what_cannot_be_tried() -> Outcome {
    let needs = ("4_needs", "alter table b add constraint u unique using index b_i;", "select 1;");
    let case = Case::with(&[A, B, INDEX])?;
    let left_out = case.see(&["up", "--check-only"]);
    let case = Case::with(&[A, B, INDEX, needs])?;
    insta::assert_snapshot!("trial_left_out", [left_out, case.see(&["up", "--check-only"])].join("\n"));
    nothing_there(&case);
    Ok(())
}

fn a_trial_checks_what_is_deferred() -> Outcome {
    let fk = "create table c (i int primary key, j int references c deferrable initially deferred);\ninsert into c values (1, 2);";
    let case = Case::with(&[A, ("2_c", fk, "drop table c;")])?;
    let failed = case.see(&["up", "--check-only"]);
    // What is in order at its end may be altered by the next one.
    let mended = fk.replace("(1, 2)", "(1, 2), (2, 1)");
    let case = Case::with(&[A, ("2_c", &mended, "drop table c;"), ("3_d", "alter table c add k int;", "select 1;")])?;
    insta::assert_snapshot!("trial_deferred", [failed, case.see(&["up", "--check-only"])].join("\n"));
    Ok(())
}

fn a_trial_of_an_enum_value_says_what_differs() -> Outcome {
    let case = Case::applied(&[("1_e", "create type e as enum ('a');", "drop type e;")])?;
    case.workspace.write("2_v.up.sql", "alter type e add value 'b';");
    case.workspace.write("2_v.down.sql", "select 1;");
    case.workspace.write("3_u.up.sql", "create table u (v e default 'b');");
    case.workspace.write("3_u.down.sql", "drop table u;");
    insta::assert_snapshot!("trial_enum", case.see(&["up", "--check-only"]));
    Ok(())
}

fn options_that_exclude_each_other_are_refused() -> Outcome {
    let case = Case::with(&[A])?;
    for options in [["--dry-run", "--check-only"], ["--dry-run", "--single-transaction"], ["--json", "--check-only"]] {
        case.db(&["up", options[0], options[1]]).exits(2);
    }
    Ok(())
}
