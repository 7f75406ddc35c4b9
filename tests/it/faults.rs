//! Rows 1–5 and 7–20 of the table of faults: bad files, names, encodings, splitting and errors.

use std::fs;
use std::process::Command;
use std::time::Instant;

use stairwell::build::{Build, Unlocked, Verdict};
use stairwell::postgres::{Migrator, RunErrorKind};
use stairwell::{MigrationSet, Rule, Severity, Target};

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
    f11_bodies_are_applied_whole,
    f12_what_only_psql_understands,
    f13_very_large_scripts,
    f14_what_a_linter_cannot_parse_still_runs,
    f15_a_syntax_error_in_the_last_statement,
    f16_a_run_time_error_in_statement_seven,
    f17_a_script_that_commits,
    f18_a_script_that_rolls_back,
    f19_concurrently_in_the_wrong_place,
    f20_directives_are_read_or_refused,
);

const DOWN: &str = "select 1;\n";

/// What a build says about the workspace's migrations: its lines for Cargo, and the rules of its errors.
fn build(workspace: &Workspace) -> (String, Vec<Rule>) {
    let build = Build { unlocked: Unlocked::Warn, workspace: Some(workspace.path().to_owned()) };
    let verdict = Verdict::of(&workspace.migrations(), &build);
    let errors = verdict
        .findings()
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.rule);
    (verdict.to_string(), errors.collect())
}

/// Fails unless a build stops with this rule, with words from the message, and names the file and a remedy.
#[track_caller]
fn build_refuses(workspace: &Workspace, rule: Rule, words: &str) {
    let (text, rules) = build(workspace);
    assert!(rules.contains(&rule), "{rules:?}\n{text}");
    assert!(
        text.contains("cargo::error=")
            && text.contains(words)
            && text.contains("--> migrations")
            && text.contains("help: "),
        "{text}"
    );
}

fn one(up: &str) -> Workspace {
    Workspace::with(&[("1_a", up, DOWN)])
}

/// Applies a set that must fail in a script; gives the rendered error.
#[track_caller]
fn up_fails(database: &TestDatabase, set: &MigrationSet) -> String {
    let error = Migrator::new(set).up(database.database(), Target::Head).unwrap_err();
    assert!(matches!(error.kind, RunErrorKind::Script(_)), "{error}");
    error.to_string()
}

#[track_caller]
fn up(database: &TestDatabase, set: &MigrationSet) {
    Migrator::new(set).up(database.database(), Target::Head).unwrap_or_else(|error| panic!("{error}"));
}

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
    let locked = workspace.set().migrations()[0].up.checksum;
    workspace.write("1_a.up.sql", "create table a (i bigint);");
    build_refuses(&workspace, Rule::Edited, "was edited after it was locked");
    let ran = xtask::run(xtask::db(workspace.path(), &["up"]).env("DATABASE_URL", database.url())).exits(1);
    let now = stairwell::inspect(&workspace.migrations()).unwrap().set().migrations()[0].up.checksum;
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
    assert!(ran.stderr.contains("give it a later version"), "{}", ran.stderr);
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

fn f11_bodies_are_applied_whole() -> Outcome {
    let database = TestDatabase::new()?;
    let script = r"
        create table t (i int); create table u (i int);
        create function f() returns int language plpgsql as $$ begin perform 1; return 1; end; $$;
        create function g() returns int language sql begin atomic select case when true then 1 end; select 2; end;
        create function fn_atomic() returns int language sql as $a$ select $$x;$$::text; select 3; $a$;
        create rule r as on insert to t do also (insert into u values (1); insert into u values (2););
        insert into t values (1); /* a /* nested ; */ ; */
        create table e (t text); insert into e values (E'it\'s;'), (U&'d\0061ta;'), ('a;'
          'b');
        create view last as select count(*) from e;";
    up(&database, &set(&[("1_a", script, DOWN)]));
    assert_eq!(database.ask("SELECT f() + g() + fn_atomic() + (SELECT count(*) FROM u) + (SELECT * FROM last)"), "11");
    Ok(())
}

fn f12_what_only_psql_understands() -> Outcome {
    for (text, rule, words) in [
        ("select 1;\n\\i other.sql\n", Rule::MetaCommand, "`\\i` is a command of psql"),
        ("\\copy t from 'f'\n", Rule::MetaCommand, "INSERT"),
        ("\\restrict abc\nselect 1;\n", Rule::MetaCommand, "pg_dump"),
        ("select 1;\ncopy t from stdin;\n1\n\\.\n", Rule::CopyFromStdin, "1_a.up.sql:2:1"),
    ] {
        build_refuses(&one(text), rule, words);
    }
    Ok(())
}

fn f13_very_large_scripts() -> Outcome {
    let database = TestDatabase::new()?;
    let line = format!("create table a (t text); insert into a values ('{}');", "x".repeat(5_000_000));
    let fifty = format!("insert into a values ('{}');\n", "y".repeat(1_000)).repeat(50_000);
    let started = Instant::now();
    let workspace = Workspace::with(&[("1_line", &line, DOWN), ("2_fifty", &fifty, DOWN)]);
    assert_eq!(build(&workspace).1, []);
    up(&database, &workspace.set());
    assert_eq!(database.ask("SELECT count(*) FROM a"), "50001");
    eprintln!("5 MB and 50 MB of SQL: read, checked and applied in {:?}", started.elapsed());
    let nested = one(&format!("select {}1{};", "(".repeat(20_000), ")".repeat(20_000)));
    assert_eq!(build(&nested).1, []);
    let database = TestDatabase::new()?;
    let error = up_fails(&database, &nested.set());
    assert!(error.contains("1_a") && error.contains("0 of 1 applied"), "{}", &error[..error.len().min(2_000)]);
    assert_eq!(database.applied(), [""; 0]);
    Ok(())
}

fn f14_what_a_linter_cannot_parse_still_runs() -> Outcome {
    let database = TestDatabase::new()?;
    up(&database, &set(&[("1_a", "alter user current_user with login;\ncreate table a (i int);", DOWN)]));
    assert_eq!(database.applied(), ["1"]);
    Ok(())
}

fn f15_a_syntax_error_in_the_last_statement() -> Outcome {
    let database = TestDatabase::new()?;
    let good = "create table if not exists ü (\"größe\" int); -- zählt\n".repeat(9);
    let set = set(&[
        ("1_first", "create table first (i int);", DOWN),
        ("2_umlauts", &format!("{good}create tabel ü10 (i int);\n"), DOWN),
    ]);
    let error = up_fails(&database, &set);
    assert!(error.contains("2_umlauts.up.sql:10:8"), "{error}");
    assert!(error.contains("^^^^^"), "{error}");
    assert!(error.contains("1 of 2 applied; 2_umlauts was rolled back; nothing else changed"), "{error}");
    assert_eq!(database.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "1");
    Ok(())
}

fn f16_a_run_time_error_in_statement_seven() -> Outcome {
    for (seventh, code) in [("insert into t values (1)", "23505"), ("select 1 / (select 0)", "22012")] {
        let database = TestDatabase::new()?;
        let script = format!(
            "create table t (i int primary key);\ninsert into t values (1);\ninsert into t values (2);\nselect 1;\nselect 2;\n\nselect 3;\n{seventh};\nselect 8;\nselect 9;\nselect 10;"
        );
        let error = up_fails(&database, &set(&[("1_a", &script, DOWN)]));
        assert!(
            error.contains(code) && error.contains("statement 7 of 10") && error.contains("1_a.up.sql:8:1"),
            "{error}"
        );
        assert_eq!(database.applied(), [""; 0]);
        assert_eq!(database.ask("SELECT to_regclass('t') IS NULL"), "t");
    }
    Ok(())
}

fn f17_a_script_that_commits() -> Outcome {
    for text in [
        "commit;",
        "commit; begin;",
        "commit and chain;",
        "prepare transaction 'x';",
        "select 1; end;",
        "/* x */ START TRANSACTION;",
    ] {
        build_refuses(&one(text), Rule::TransactionControl, "cannot control its own transaction");
    }
    // What no lexer sees: a procedure, and a DO block.
    let procedure = "create table t (i int); create procedure p() language plpgsql as $$ begin insert into t values (1); commit; end $$;";
    for smuggled in ["call p();", "do $$ begin commit; end $$;", "do $$ begin execute 'commit'; end $$;"] {
        let database = TestDatabase::new()?;
        let error = up_fails(&database, &set(&[("1_a", &format!("{procedure}\n{smuggled}"), DOWN)]));
        assert!(error.contains("1_a was rolled back"), "{error}");
        assert!(smuggled.contains("execute") || error.contains("2D000"), "{error}");
        assert_eq!(database.ask("SELECT to_regclass('t') IS NULL"), "t", "nothing applied");
        assert_eq!(database.applied(), [""; 0]);
    }
    Ok(())
}

fn f18_a_script_that_rolls_back() -> Outcome {
    build_refuses(&one("rollback; create table a (i int);"), Rule::TransactionControl, "rolls the transaction back");
    build_refuses(&one("abort;"), Rule::TransactionControl, "rolls the transaction back");
    let database = TestDatabase::new()?;
    let error = up_fails(&database, &set(&[("1_a", "create table a (i int);\ndo $$ begin rollback; end $$;", DOWN)]));
    assert!(error.contains("2D000"), "{error}");
    // An imported history may have it: accepted by the lock, it is run, found out, and never recorded.
    let workspace = one("rollback;\ncreate table a (i int);\nbegin;");
    xtask::run(&mut xtask::db(workspace.path(), &["lock", "--import"])).ok();
    let error = up_fails(&database, &workspace.set());
    assert!(error.contains("0 of 1 applied; 1_a may be partially applied, and is not recorded"), "{error}");
    assert!(!error.contains("nothing else changed"), "{error}");
    assert_eq!(database.applied(), [""; 0]);
    Ok(())
}

fn f19_concurrently_in_the_wrong_place() -> Outcome {
    let concurrently = "create index concurrently i on t (a);";
    build_refuses(&one(concurrently), Rule::InTransaction, "begin the script with `-- stairwell: no-transaction`");
    build_refuses(
        &one(&format!("create table t (a int);\n{concurrently}")),
        Rule::InTransaction,
        "a migration of its own",
    );
    let two = format!("-- stairwell: no-transaction\n{concurrently}\nselect 1;");
    build_refuses(&one(&two), Rule::SeveralStatements, "a `no-transaction` script is one statement");
    let database = TestDatabase::new()?;
    let good = set(&[
        ("1_t", "create table t (a int);", DOWN),
        ("2_i", &format!("-- stairwell: no-transaction\n{concurrently}"), DOWN),
    ]);
    up(&database, &good);
    assert_eq!(database.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"), "t");
    Ok(())
}

fn f20_directives_are_read_or_refused() -> Outcome {
    let vacuum = "vacuum;";
    for read in [
        "\n\n-- Copyright us, all rights reserved\n\n-- stairwell: no-transaction\n",
        "-- why\r\n-- stairwell: no-transaction\r\n",
        "--STAIRWELL: No-Transaction\n",
    ] {
        assert_eq!(build(&one(&format!("{read}{vacuum}"))).1, [], "{read}");
    }
    for refused in [
        "-- stairwell: no_transaction\nselect 1;",
        "select 1;\n-- stairwell: no-transaction\n",
        "/* stairwell: no-transaction */\nselect 1;",
    ] {
        build_refuses(&one(refused), Rule::Directive, "1_a.up.sql:");
    }
    Ok(())
}
