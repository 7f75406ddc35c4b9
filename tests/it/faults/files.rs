//! Rows 1–10: files, names and encodings.

use std::fs;
use std::process::Command;

use stairwell::postgres::Migrator;
use stairwell::{Rule, Target};

use super::{DOWN, build, build_refuses, one, up};
use crate::harness::database::TestDatabase;
use crate::harness::files::{Workspace, set};
use crate::harness::{Outcome, xtask};

crate::trials!(
    f01_two_files_with_one_version,
    f02_names_that_are_none,
    f03_what_is_no_plain_file,
    f04_db_new_makes_safe_names_and_overwrites_nothing,
    f05_an_applied_file_was_edited,
    f07_a_new_file_is_older_than_the_newest_applied,
    f08_line_ends_of_a_checkout,
    f09_encodings,
    f10_scripts_without_a_statement,
);

fn f01_two_files_with_one_version() -> Outcome {
    let workspace = Workspace::with(&[("20260101000000_a", DOWN, DOWN), ("20260101000000_b", DOWN, DOWN)]);
    let (text, rules) = build(&workspace);
    assert_eq!(rules, [Rule::DuplicateVersion]);
    assert!(text.contains("20260101000000_a.up.sql") && text.contains("20260101000000_b.up.sql"), "{text}");
    Ok(())
}

fn f02_names_that_are_none() -> Outcome {
    let long = format!("1_{}.up.sql", "x".repeat(200));
    for file in ["+1_x.sql", "-7_x.sql", "1_x.SQL", "1-x.sql", "1_x y.up.sql", "1_x.sql", &long] {
        let workspace = Workspace::new();
        workspace.write(file, DOWN);
        build_refuses(&workspace, Rule::FileName, file);
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let workspace = Workspace::new();
        fs::write(workspace.migrations().join(std::ffi::OsStr::from_bytes(b"1_\xff.up.sql")), DOWN).unwrap();
        build_refuses(&workspace, Rule::FileName, "not valid UTF-8");
    }
    Ok(())
}

#[cfg(unix)]
fn f03_what_is_no_plain_file() -> Outcome {
    let workspace = Workspace::new();
    // Were the target read, its content would be an error of its own.
    fs::write(workspace.path().join("target.sql"), b"\xff\xfe").unwrap();
    std::os::unix::fs::symlink(workspace.path().join("target.sql"), workspace.migrations().join("1_link.up.sql"))
        .unwrap();
    fs::create_dir(workspace.migrations().join("2_folder.up.sql")).unwrap();
    // Were it opened, this would hang.
    assert!(Command::new("mkfifo").arg(workspace.migrations().join("3_pipe.up.sql")).status().unwrap().success());
    workspace.write("4_backup.up.sql~", DOWN);
    workspace.write("5_case.up.sql", DOWN);
    workspace.write("5_Case.up.sql", DOWN);
    let (text, rules) = build(&workspace);
    assert_eq!(rules.iter().filter(|rule| **rule == Rule::FileKind).count(), 3, "{text}");
    assert!(!rules.contains(&Rule::Encoding), "{text}");
    assert!(text.contains("4_backup.up.sql~") && text.contains("are one file on macOS and Windows"), "{text}");
    Ok(())
}

#[cfg(not(unix))]
fn f03_what_is_no_plain_file() -> Outcome {
    Err(crate::harness::Skip("links and pipes are made with Unix means".to_owned()))
}

fn f04_db_new_makes_safe_names_and_overwrites_nothing() -> Outcome {
    let workspace = Workspace::new();
    for (name, slug) in [("../../x", "x"), ("a/b", "a_b"), ("x'); drop table--", "x_drop_table")] {
        let ran = xtask::run(&mut xtask::db(workspace.path(), &["new", name])).ok();
        let files: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(files.len(), 2);
        for file in files {
            assert!(file.starts_with("migrations/") && file.contains(&format!("_{slug}.")), "{file}");
            assert!(workspace.path().join(file).is_file());
        }
    }
    for name in ["", "🚀", "../.."] {
        xtask::run(&mut xtask::db(workspace.path(), &["new", name])).exits(2);
    }
    // Three pairs, each with a version of its own although they were made within a second, and nothing beside them.
    assert_eq!(fs::read_dir(workspace.migrations()).unwrap().count(), 6);
    assert_eq!(fs::read_dir(workspace.path()).unwrap().count(), 2);
    let versions: std::collections::BTreeSet<String> = fs::read_dir(workspace.migrations())
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy()[..14].to_owned())
        .collect();
    assert_eq!(versions.len(), 3);
    Ok(())
}

fn f05_an_applied_file_was_edited() -> Outcome {
    let database = TestDatabase::new()?;
    let workspace = Workspace::with(&[
        ("1_a", "create table a (i int);", "drop table a;"),
        ("2_b", "create table b (i int);", "drop table b;"),
    ]);
    xtask::run(xtask::db(workspace.path(), &["up", "1"]).env("DATABASE_URL", database.url())).ok();
    let locked = workspace.set().migrations()[0].up.checksum();
    workspace.write("1_a.up.sql", "create table a (i bigint);");
    build_refuses(&workspace, Rule::Edited, "was edited after it was locked");
    let ran = xtask::run(xtask::db(workspace.path(), &["up"]).env("DATABASE_URL", database.url())).exits(1);
    let now = stairwell::inspect(&workspace.migrations()).unwrap().set().migrations()[0].up.checksum();
    for words in ["1_a.up.sql", &locked.to_string(), &now.to_string(), "db redo --to 1", "git checkout"] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    assert_eq!(database.applied(), ["1"], "nothing was run");
    // The way out that the message names.
    xtask::run(xtask::db(workspace.path(), &["redo", "--to", "1"]).env("DATABASE_URL", database.url())).ok();
    assert_eq!(build(&workspace).1, []);
    assert_eq!(database.ask("SELECT data_type FROM information_schema.columns WHERE table_name = 'a'"), "bigint");
    Ok(())
}

fn f07_a_new_file_is_older_than_the_newest_applied() -> Outcome {
    let database = TestDatabase::new()?;
    let workspace = Workspace::with(&[("2_b", "create table b (i int);", "drop table b;")]);
    xtask::run(xtask::db(workspace.path(), &["up"]).env("DATABASE_URL", database.url())).ok();
    workspace.write("1_a.up.sql", "create table a (i int);");
    workspace.write("1_a.down.sql", "drop table a;");
    build_refuses(&workspace, Rule::OutOfOrder, "older than the newest locked migration (2)");
    let ran = xtask::run(xtask::db(workspace.path(), &["up"]).env("DATABASE_URL", database.url())).exits(3);
    assert!(ran.stderr.contains("`cargo xtask db rebase` gives it a later version"), "{}", ran.stderr);
    assert_eq!(database.applied(), ["2"]);
    // Without a lock, the ledger says the same.
    workspace.remove("stairwell.lock");
    let error = Migrator::new(&workspace.set()).up(database.database(), Target::Head).unwrap_err();
    assert!(
        error.to_string().contains("out-of-order") && error.to_string().contains("--allow-out-of-order"),
        "{error}"
    );
    xtask::run(xtask::db(workspace.path(), &["up", "--allow-out-of-order"]).env("DATABASE_URL", database.url())).ok();
    assert_eq!(database.applied(), ["1", "2"]);
    Ok(())
}

fn f08_line_ends_of_a_checkout() -> Outcome {
    let database = TestDatabase::new()?;
    let unix = set(&[("1_a", "create table a (\n  i int\n);\n", DOWN)]);
    let windows = set(&[("1_a", "create table a (\r\n  i int\r\n);\r\n", "select 1;\r\n")]);
    assert_eq!(unix.digest(), windows.digest());
    up(&database, &unix);
    let report = Migrator::new(&windows).up(database.database(), Target::Head).unwrap();
    assert!(report.done.is_empty());
    Ok(())
}

fn f09_encodings() -> Outcome {
    let database = TestDatabase::new()?;
    for (bytes, words) in [
        (b"\xff\xfes\0e\0".as_slice(), "UTF-16"),
        (b"select 1;\nselect '\xe9';", "byte 0xe9 at offset 18 (line 2)"),
        (b"select 1;\0", "NUL byte at offset 9"),
    ] {
        let workspace = one("");
        workspace.write("1_a.up.sql", bytes);
        build_refuses(&workspace, Rule::Encoding, words);
    }
    let workspace = one("");
    workspace.write(
        "1_a.up.sql",
        "\u{feff}create table a (t text); insert into a values ('\u{fffd}'); -- \u{fffd}\ninsert into a values ('2');",
    );
    up(&database, &workspace.set());
    assert_eq!(database.ask("SELECT count(*) FROM a"), "2");
    Ok(())
}

fn f10_scripts_without_a_statement() -> Outcome {
    for text in ["", "-- only a comment\n", ";;\n", "/* a */ ;"] {
        build_refuses(&one(text), Rule::Empty, "has no statement");
    }
    let database = TestDatabase::new()?;
    let workspace = one("-- stairwell: allow empty it marks a release\n");
    assert_eq!(build(&workspace).1, []);
    up(&database, &workspace.set());
    assert_eq!(database.applied(), ["1"]);
    Ok(())
}
