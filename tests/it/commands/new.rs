//! `db new`

use std::collections::BTreeSet;
use std::fs;

use super::case::{ReadOnly, as_ordinary_user, at_once};
use crate::harness::files::Workspace;
use crate::harness::{Outcome, xtask};

crate::trials!(
    a_new_migration_is_later_than_the_newest_also_when_that_lies_in_the_future,
    a_version_that_only_the_lock_knows_is_not_given_again,
    a_folder_with_defects_still_takes_a_new_migration,
    the_folder_is_created_where_there_is_none,
    from_a_folder_below_the_workspaces_migrations_are_meant,
    eight_at_once_with_one_name_overwrite_nothing,
    a_folder_that_cannot_be_written_to_is_named_and_nothing_is_left_in_it,
    where_a_file_stands_in_the_folders_place_that_is_said,
    a_template_is_not_applied_before_it_is_written,
    after_the_last_version_there_is_none_left,
);

const SOME: &str = "select 1;\n";

/// The two files that a command printed, as they are called.
#[track_caller]
fn made(workspace: &Workspace, arguments: &[&str]) -> Vec<String> {
    let ran = xtask::run(&mut xtask::db(workspace.path(), arguments)).ok();
    let files: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
    assert!(files.len() == 2 && files.iter().all(|file| workspace.path().join(file).is_file()), "{files:?}");
    files
}

fn a_new_migration_is_later_than_the_newest_also_when_that_lies_in_the_future() -> Outcome {
    let workspace = Workspace::with(&[("7_small", SOME, SOME)]);
    let now = made(&workspace, &["new", "now"]);
    assert!(
        now[0].starts_with("migrations/20")
            && now[0].ends_with("_now.up.sql")
            && now[0].len() == "migrations/20261121093000_now.up.sql".len(),
        "{now:?}"
    );
    workspace.write("20990101000000_later.up.sql", SOME);
    assert_eq!(
        made(&workspace, &["new", "even later"]),
        ["migrations/20990101000001_even_later.up.sql", "migrations/20990101000001_even_later.down.sql"]
    );
    Ok(())
}

fn a_version_that_only_the_lock_knows_is_not_given_again() -> Outcome {
    let workspace = Workspace::with(&[("20990101000000_a", SOME, SOME)]);
    xtask::run(&mut xtask::db(workspace.path(), &["lock"])).ok();
    workspace.remove("20990101000000_a.up.sql");
    workspace.remove("20990101000000_a.down.sql");
    assert_eq!(made(&workspace, &["new", "b"])[0], "migrations/20990101000001_b.up.sql");
    Ok(())
}

fn a_folder_with_defects_still_takes_a_new_migration() -> Outcome {
    let workspace = Workspace::with(&[("1_a", "commit;", SOME), ("2_b", SOME, SOME), ("2_c", SOME, SOME)]);
    workspace.write("20990101000000_no_utf8.up.sql", b"\xff\xfe");
    workspace.write("notes.txt", "what is this");
    workspace.write("stairwell.lock", "<<<<<<< HEAD\n");
    assert_eq!(made(&workspace, &["new", "d"])[0], "migrations/20990101000001_d.up.sql");
    Ok(())
}

fn the_folder_is_created_where_there_is_none() -> Outcome {
    let workspace = Workspace::new();
    fs::remove_dir(workspace.migrations()).unwrap();
    assert!(made(&workspace, &["new", "first"])[0].starts_with("migrations/"));
    assert!(made(&workspace, &["new", "--dir", "db/migrations", "first"])[0].starts_with("db/migrations/"));
    Ok(())
}

fn from_a_folder_below_the_workspaces_migrations_are_meant() -> Outcome {
    let workspace = Workspace::new();
    fs::write(workspace.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    let below = workspace.path().join("app/src");
    fs::create_dir_all(&below).unwrap();
    let ran = xtask::run(&mut xtask::db(&below, &["new", "x"])).ok();
    assert_eq!(fs::read_dir(workspace.migrations()).unwrap().count(), 2);
    assert!(
        ran.stdout.lines().all(|file| below.join(file).is_file()),
        "the paths lead there from where one stands: {}",
        ran.stdout
    );
    assert!(!below.join("migrations").exists());
    Ok(())
}

fn eight_at_once_with_one_name_overwrite_nothing() -> Outcome {
    let workspace = Workspace::new();
    let ran = at_once((0..8).map(|_| xtask::db(workspace.path(), &["new", "same"])).collect());
    let files: Vec<String> =
        ran.into_iter().flat_map(|ran| ran.ok().stdout.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    assert_eq!(files.len(), 16);
    assert_eq!(files.iter().collect::<BTreeSet<_>>().len(), 16, "{files:?}");
    assert_eq!(fs::read_dir(workspace.migrations()).unwrap().count(), 16);
    Ok(())
}

fn a_folder_that_cannot_be_written_to_is_named_and_nothing_is_left_in_it() -> Outcome {
    let workspace = Workspace::new();
    let mut command = xtask::db(workspace.path(), &["new", "x"]);
    as_ordinary_user(&workspace, &mut command)?;
    let read_only = ReadOnly::new(workspace.migrations());
    let ran = xtask::run(&mut command).exits(3);
    assert!(
        ran.stderr.contains("cannot write `migrations/20") && ran.stderr.contains("ermission denied"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout, "");
    drop(read_only);
    assert_eq!(fs::read_dir(workspace.migrations()).unwrap().count(), 0);
    Ok(())
}

fn where_a_file_stands_in_the_folders_place_that_is_said() -> Outcome {
    let workspace = Workspace::new();
    fs::write(workspace.path().join("taken"), "mine").unwrap();
    let ran = xtask::run(&mut xtask::db(workspace.path(), &["new", "--dir", "taken", "x"])).exits(3);
    assert!(ran.stderr.contains("`taken`"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(workspace.path().join("taken")).unwrap(), "mine");
    Ok(())
}

fn a_template_is_not_applied_before_it_is_written() -> Outcome {
    let workspace = Workspace::new();
    let files = made(&workspace, &["new", "x"]);
    let ran =
        xtask::run(xtask::db(workspace.path(), &["up"]).env("DATABASE_URL", "postgresql://localhost:1/none")).exits(3);
    for words in [files[0].as_str(), files[1].as_str(), "the script has no statement", "write its SQL"] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    Ok(())
}

fn after_the_last_version_there_is_none_left() -> Outcome {
    let workspace = Workspace::with(&[("9223372036854775807_last", SOME, SOME)]);
    let ran = xtask::run(&mut xtask::db(workspace.path(), &["new", "x"])).exits(3);
    assert!(ran.stderr.contains("9223372036854775807") && ran.stderr.contains("help: "), "{}", ran.stderr);
    Ok(())
}
