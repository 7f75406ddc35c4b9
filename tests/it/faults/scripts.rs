//! Rows 11–20 and 23: what stands in a script, and what the server says to it.

use std::time::Instant;

use stairwell::Rule;

use super::{DOWN, build, build_refuses, one, up, up_fails};
use crate::harness::database::TestDatabase;
use crate::harness::files::{Workspace, set};
use crate::harness::{Outcome, xtask};

crate::trials!(
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
    f23_a_deferred_violation,
);

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

fn f23_a_deferred_violation() -> Outcome {
    let tables =
        "create table a (i int primary key); create table b (a int references a deferrable initially deferred);";
    let trigger = "create function stop() returns trigger language plpgsql as $$ begin raise exception 'not these'; end $$;
        create constraint trigger c after insert on b deferrable initially deferred for each row execute function stop();
        insert into a values (1); insert into b values (1);";
    for (violation, code) in [("insert into b values (1);\nselect 1;", "23503"), (trigger, "P0001")] {
        let database = TestDatabase::new()?;
        let set = set(&[("1_a", tables, DOWN), ("2_b", violation, DOWN), ("3_c", "create table c (i int);", DOWN)]);
        let error = up_fails(&database, &set);
        for words in [
            code,
            "2_b.up.sql",
            "at the end of the script",
            "1 of 3 applied; 2_b was rolled back; nothing else changed",
        ] {
            assert!(error.contains(words), "{words} in {error}");
        }
        assert_eq!(database.applied(), ["1"]);
        assert_eq!(database.ask("SELECT (SELECT count(*) FROM b) || ' ' || (to_regclass('c') IS NULL)"), "0 true");
    }
    Ok(())
}
