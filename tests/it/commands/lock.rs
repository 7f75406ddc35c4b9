//! `db lock`, and what git has to do with it.

use std::fs;

use super::case::{A, B, C, Case, commit_all, git, needs_git};
use crate::harness::{Outcome, xtask};

crate::trials!(
    lock_writes_what_is_there_without_a_database,
    check_tells_a_fresh_lock_from_a_stale_one_and_writes_nothing,
    a_committed_line_is_not_changed_by_up_or_lock,
    a_line_that_is_not_committed_is_relocked_without_a_word,
    a_committed_migration_that_is_gone_is_not_forgotten,
    a_migration_older_than_the_newest_locked_one_is_refused,
    accept_changes_accepts_what_lock_refuses,
    import_accepts_the_style_of_an_old_history_and_says_so,
    import_refuses_two_migrations_with_one_version,
    a_conflict_of_two_branches_is_named_and_its_way_out_works,
    a_hook_of_git_sees_the_same_lock,
    where_git_refuses_the_lock_counts_as_committed,
    the_lock_can_be_checked_with_coreutils_alone,
);

fn lock_writes_what_is_there_without_a_database() -> Outcome {
    let case = Case::with(&[A, B])?;
    insta::assert_snapshot!("lock", case.see_all(&[&["lock"], &["lock"]]));
    // Not even a URL that makes no sense matters.
    xtask::run(xtask::db(case.workspace.path(), &["lock"]).env("DATABASE_URL", "oops")).ok();
    assert_eq!(case.locked(), ["1_a.up.sql", "1_a.down.sql", "2_b.up.sql", "2_b.down.sql"]);
    assert!(!case.has("a"));
    Ok(())
}

fn check_tells_a_fresh_lock_from_a_stale_one_and_writes_nothing() -> Outcome {
    let case = Case::with(&[A])?;
    insta::assert_snapshot!("lock_check_stale", case.see(&["lock", "--check"]));
    assert!(!case.lock_path().exists());
    case.db(&["lock"]).ok();
    insta::assert_snapshot!("lock_check_fresh", case.see(&["lock", "--check"]));
    let lock = case.lock();
    for (file, text) in [("1_a.up.sql", "create table a (i bigint);"), ("1_a.down.sql", "drop table if exists a;")] {
        let before = case.workspace.read(file);
        case.workspace.write(file, text);
        case.db(&["lock", "--check"]).exits(3);
        case.workspace.write(file, before);
    }
    case.db(&["lock", "--check"]).ok();
    assert_eq!(case.lock(), lock);
    Ok(())
}

fn a_committed_line_is_not_changed_by_up_or_lock() -> Outcome {
    needs_git()?;
    let case = Case::with(&[A])?;
    case.db(&["lock"]).ok();
    commit_all(case.workspace.path());
    // Pending in this database, so only the lock knows that others have it.
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    insta::assert_snapshot!("lock_committed_edited", case.see_all(&[&["up"], &["lock"]]));
    assert!(!case.has("a") && !case.has("stairwell.ledger"));
    Ok(())
}

fn a_line_that_is_not_committed_is_relocked_without_a_word() -> Outcome {
    needs_git()?;
    let case = Case::with(&[A])?;
    case.db(&["lock"]).ok();
    commit_all(case.workspace.path());
    case.workspace.write("2_b.up.sql", B.1);
    case.workspace.write("2_b.down.sql", B.2);
    case.db(&["lock"]).ok();
    case.workspace.write("2_b.up.sql", "create table b (i bigint);");
    let ran = case.db(&["up"]).ok();
    assert!(!ran.stderr.contains("error") && !ran.stderr.contains("warning"), "{}", ran.stderr);
    case.db(&["lock", "--check"]).ok();
    // And dropped: it has never been anyone else's.
    case.db(&["down"]).ok();
    case.workspace.remove("2_b.up.sql");
    case.workspace.remove("2_b.down.sql");
    case.db(&["lock"]).ok();
    assert_eq!(git(case.workspace.path(), &["status", "--short"]), "");
    Ok(())
}

fn a_committed_migration_that_is_gone_is_not_forgotten() -> Outcome {
    needs_git()?;
    let case = Case::with(&[A, B])?;
    case.db(&["lock"]).ok();
    commit_all(case.workspace.path());
    case.workspace.remove("2_b.up.sql");
    case.workspace.remove("2_b.down.sql");
    insta::assert_snapshot!("lock_committed_missing", case.see(&["lock"]));
    case.db(&["up"]).exits(3);
    // The way back that the message names.
    git(case.workspace.path(), &["checkout", "HEAD", "--", "migrations/2_b.up.sql", "migrations/2_b.down.sql"]);
    case.db(&["up", "--locked"]).ok();
    Ok(())
}

fn a_migration_older_than_the_newest_locked_one_is_refused() -> Outcome {
    let case = Case::with(&[B])?;
    case.db(&["lock"]).ok();
    case.workspace.write("1_a.up.sql", A.1);
    case.workspace.write("1_a.down.sql", A.2);
    insta::assert_snapshot!("lock_out_of_order", case.see(&["lock"]));
    case.db(&["up"]).exits(3);
    Ok(())
}

fn accept_changes_accepts_what_lock_refuses() -> Outcome {
    needs_git()?;
    let case = Case::with(&[A, C])?;
    case.db(&["lock"]).ok();
    commit_all(case.workspace.path());
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    case.workspace.write("2_b.up.sql", B.1);
    case.workspace.write("2_b.down.sql", B.2);
    case.workspace.remove("3_c.up.sql");
    case.workspace.remove("3_c.down.sql");
    case.db(&["lock"]).exits(3);
    case.db(&["lock", "--accept-changes"]).ok();
    case.db(&["lock", "--check"]).ok();
    assert_eq!(case.locked(), ["1_a.up.sql", "1_a.down.sql", "2_b.up.sql", "2_b.down.sql"]);
    // Defects of the files are nothing to accept.
    case.workspace.write("2_b.up.sql", "commit;");
    case.db(&["lock", "--accept-changes"]).exits(3);
    Ok(())
}

fn import_accepts_the_style_of_an_old_history_and_says_so() -> Outcome {
    let case = Case::with(&[("1_a", "begin;\ncreate table a (i int);\ncommit;\n", "drop table a;")])?;
    case.workspace.write("2_b.up.sql", "create table b (i int);");
    case.db(&["lock"]).exits(3);
    insta::assert_snapshot!("lock_import", case.see(&["lock", "--import"]));
    case.db(&["up", "--locked"]).ok();
    assert!(case.has("a") && case.has("b"));
    // A new one is held to the rules.
    case.workspace.write("3_c.up.sql", "begin; create table c (i int); commit;");
    case.workspace.write("3_c.down.sql", "drop table c;");
    case.db(&["up"]).exits(3);
    case.db(&["lock"]).exits(3);
    Ok(())
}

fn import_refuses_two_migrations_with_one_version() -> Outcome {
    let case = Case::with(&[("1_a", "select 1;", "select 1;"), ("1_b", "select 1;", "select 1;")])?;
    let ran = case.db(&["lock", "--import"]).exits(3);
    assert!(ran.stderr.contains("share version 1"), "{}", ran.stderr);
    assert!(!case.lock_path().exists());
    Ok(())
}

fn a_conflict_of_two_branches_is_named_and_its_way_out_works() -> Outcome {
    needs_git()?;
    let case = Case::with(&[A])?;
    let root = case.workspace.path();
    case.db(&["lock"]).ok();
    commit_all(root);
    git(root, &["switch", "--quiet", "--create", "theirs"]);
    case.workspace.write("3_c.up.sql", C.1);
    case.workspace.write("3_c.down.sql", C.2);
    case.db(&["lock"]).ok();
    commit_all(root);
    git(root, &["switch", "--quiet", "main"]);
    case.workspace.write("2_b.up.sql", B.1);
    case.workspace.write("2_b.down.sql", B.2);
    case.db(&["lock"]).ok();
    commit_all(root);
    git(root, &["merge", "theirs"]);
    let markers = case.lock();
    assert!(markers.contains("<<<<<<<"), "two branches conflict in the lock: {markers}");
    case.db(&["up"]).exits(3);
    let seen = case.see(&["lock"]);
    insta::assert_snapshot!("lock_conflict", seen);
    // By hand; what the message names is tested in rebase.rs.
    git(root, &["checkout", "--theirs", "--", "migrations/stairwell.lock"]);
    let ran = case.db(&["lock"]).exits(3);
    assert!(ran.stderr.contains("`2_b` is new, and older than the newest locked migration (3)"), "{}", ran.stderr);
    for suffix in ["up.sql", "down.sql"] {
        fs::rename(
            case.workspace.migrations().join(format!("2_b.{suffix}")),
            case.workspace.migrations().join(format!("4_b.{suffix}")),
        )
        .unwrap();
    }
    case.db(&["up"]).ok();
    assert_eq!(case.database.applied(), ["1", "3", "4"]);
    commit_all(root);
    case.db(&["lock", "--check"]).ok();
    Ok(())
}

fn where_git_refuses_the_lock_counts_as_committed() -> Outcome {
    needs_git()?;
    let case = Case::with(&[A])?;
    case.db(&["lock"]).ok();
    commit_all(case.workspace.path());
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    // As git fails over a repository of another owner: with an error of its own.
    std::fs::write(case.workspace.path().join(".git/config"), "[core\n").unwrap();
    case.db(&["up"]).exits(3);
    case.db(&["lock"]).exits(3);
    Ok(())
}

fn a_hook_of_git_sees_the_same_lock() -> Outcome {
    needs_git()?;
    let case = Case::with(&[A])?;
    case.db(&["lock"]).ok();
    commit_all(case.workspace.path());
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    // What git sets for a hook, in a worktree above all.
    let mut command = case.command(&["lock"]);
    command
        .env("GIT_DIR", case.workspace.path().join(".git"))
        .env("GIT_INDEX_FILE", case.workspace.path().join(".git/index"))
        .env("GIT_PREFIX", "");
    xtask::run(&mut command).exits(3);
    Ok(())
}

#[cfg(unix)]
fn the_lock_can_be_checked_with_coreutils_alone() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["lock"]).ok();
    let check = || {
        std::process::Command::new("sha256sum")
            .args(["--check", "stairwell.lock"])
            .current_dir(case.workspace.migrations())
            .output()
    };
    let Ok(output) = check() else { return Err(crate::harness::Skip("there is no sha256sum".to_owned())) };
    assert!(output.status.success(), "{output:?}");
    case.workspace.write("1_a.up.sql", "select 2;");
    assert!(!check().unwrap().status.success());
    Ok(())
}

#[cfg(not(unix))]
fn the_lock_can_be_checked_with_coreutils_alone() -> Outcome {
    Err(crate::harness::Skip("coreutils are a thing of Unix".to_owned()))
}
