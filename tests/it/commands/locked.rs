//! `--locked`, and what implies it.

use std::fs;
use std::process::Command;

use super::case::{A, B, Case, ReadOnly, as_ordinary_user, socket};
use crate::harness::{Outcome, xtask};

crate::trials!(
    locked_fails_before_anything_runs_where_the_lock_would_change,
    locked_runs_what_the_lock_has,
    ci_implies_locked_and_says_so,
    ci_set_to_no_does_not,
    a_folder_that_cannot_be_written_to_implies_locked,
    locked_keeps_redo_from_an_edit_before_it_undoes_anything,
    locked_keeps_reset_from_dropping_anything,
    a_lock_that_was_edited_by_hand_stops_every_run,
);

#[track_caller]
fn fails_untouched(case: &Case, command: &mut Command, reason: &str) {
    let lock = case.lock();
    let ran = xtask::run(command).exits(3);
    for words in ["`1_a` is not locked yet", "the lock must not change", reason, "cargo xtask db lock"] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    assert!(!case.has("a") && !case.has("stairwell.ledger"), "nothing was run");
    assert_eq!(case.lock(), lock);
}

fn locked_fails_before_anything_runs_where_the_lock_would_change() -> Outcome {
    let case = Case::with(&[A])?;
    fails_untouched(&case, &mut case.command(&["up", "--locked"]), "`--locked` was given");
    insta::assert_snapshot!("up_locked", case.see(&["up", "--locked"]));
    Ok(())
}

fn locked_runs_what_the_lock_has() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["lock"]).ok();
    let lock = case.lock();
    case.db(&["up", "--locked", "1"]).ok();
    xtask::run(case.command(&["up"]).env("CI", "true")).ok();
    case.db(&["redo", "--locked"]).ok();
    case.db(&["reset", "--locked"]).ok();
    assert_eq!(case.database.applied(), ["1", "2"]);
    assert_eq!(case.lock(), lock);
    Ok(())
}

fn ci_implies_locked_and_says_so() -> Outcome {
    let case = Case::with(&[A])?;
    for value in ["true", "1", "woodpecker"] {
        fails_untouched(&case, case.command(&["up"]).env("CI", value), "`CI` is set, which implies `--locked`");
    }
    Ok(())
}

fn ci_set_to_no_does_not() -> Outcome {
    for value in ["false", "0", "", "no"] {
        let case = Case::with(&[A])?;
        xtask::run(case.command(&["up"]).env("CI", value)).ok();
        assert_eq!(case.locked().len(), 2, "CI={value}");
    }
    Ok(())
}

fn a_folder_that_cannot_be_written_to_implies_locked() -> Outcome {
    let case = Case::with(&[A])?;
    let mut command = case.command(&["up"]);
    as_ordinary_user(&case.workspace, &mut command)?;
    let read_only = ReadOnly::new(case.workspace.migrations());
    fails_untouched(&case, &mut command, "the migrations folder cannot be written to, which implies `--locked`");
    drop(read_only);
    assert_eq!(fs::read_dir(case.workspace.migrations()).unwrap().count(), 2, "nothing is left of trying");
    case.db(&["lock"]).ok();
    let _read_only = ReadOnly::new(case.workspace.migrations());
    if socket(&case.database).is_none() {
        // The socket of a private server is closed to `nobody`.
        xtask::run(&mut command).ok();
        assert_eq!(case.database.applied(), ["1"]);
    }
    Ok(())
}

fn locked_keeps_redo_from_an_edit_before_it_undoes_anything() -> Outcome {
    let case = Case::applied(&[A])?;
    case.database.client().batch_execute("insert into a values (1)").unwrap();
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    let ran = case.db(&["redo", "--locked"]).exits(3);
    assert!(
        ran.stderr.contains("was edited after it was locked") && ran.stderr.contains("`--locked` was given"),
        "{}",
        ran.stderr
    );
    assert_eq!(case.database.ask("select count(*) from a"), "1");
    Ok(())
}

fn locked_keeps_reset_from_dropping_anything() -> Outcome {
    let case = Case::applied(&[A])?;
    case.database.client().batch_execute("insert into a values (1)").unwrap();
    case.workspace.write("2_b.up.sql", B.1);
    case.workspace.write("2_b.down.sql", B.2);
    case.db(&["reset", "--locked"]).exits(3);
    assert_eq!(case.database.ask("select count(*) from a"), "1");
    Ok(())
}

fn a_lock_that_was_edited_by_hand_stops_every_run() -> Outcome {
    let case = Case::applied(&[A])?;
    fs::write(case.lock_path(), case.lock().replace("1_a.down.sql", "1_b.down.sql")).unwrap();
    insta::assert_snapshot!("lock_edited_by_hand", case.see_all(&[&["up"], &["lock"]]));
    case.db(&["redo"]).exits(3);
    case.db(&["reset"]).exits(3);
    case.db(&["lock", "--check"]).exits(3);
    case.db(&["lock", "--accept-changes"]).exits(3);
    // The way out that the message names.
    fs::remove_file(case.lock_path()).unwrap();
    case.db(&["lock"]).ok();
    case.db(&["up", "--locked"]).ok();
    Ok(())
}
