//! `db sql`: what psql makes of it is what `db up` makes.

use std::process::{Command, Stdio};

use super::case::{A, B, Case, Files};
use crate::harness::Outcome;
use crate::harness::database::TestDatabase;
use crate::harness::dump::{assert_same_databases, programs_fit};
use crate::harness::xtask::{self, Ran, clean};

crate::trials!(
    the_script_for_psql_reads_well,
    psql_leaves_what_up_and_down_leave,
    a_script_does_nothing_in_a_database_that_is_elsewhere,
    a_script_stops_at_the_first_error_and_up_goes_on,
    psql_replaces_nothing_in_a_script,
    no_connection_is_made,
    a_range_that_makes_no_sense_is_refused,
    a_reader_that_leaves_early_is_no_error,
);

/// Outside of a transaction.
const INDEX: Files<'_> = (
    "3_index",
    "-- stairwell: no-transaction\ncreate index concurrently a_i on a (i)",
    "-- stairwell: no-transaction\ndrop index concurrently a_i",
);
/// What psql and the server could read differently.
const ODD: Files<'_> = (
    "4_odd",
    "create function f() returns text language plpgsql as $$ begin return 'a;b\\n'; end $$;\n\
     insert into b select x from generate_series(1, 3) x;\n\
     create rule r as on delete to b do also (select 1; select 2);\n\
     comment on table b is ':HOME and E''\\'''; -- no semicolon behind the last one\n\
     create view v as select (array[1, 2, 3])[1:2] -- :x",
    "drop view v; drop rule r on b; drop function f();",
);

/// Feeds a script to psql, with variables and settings that it must not mind.
fn psql(database: &TestDatabase, script: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let mut command = Command::new("psql");
    clean(&mut command);
    command
        .args(["-X", "-v", "AUTOCOMMIT=off", "-v", "HOME=/root", "-v", "n=9", "-d", database.url(), "-f"])
        .arg(&file);
    xtask::run(command.stdin(Stdio::null()).env("PGOPTIONS", "-c statement_timeout=10s"))
}

#[track_caller]
fn assert_same_result(case: &Case, other: &TestDatabase) {
    assert_same_databases(&case.database, other);
    let times =
        "SELECT count(*) FROM stairwell.ledger WHERE applied_at < started_at OR applied_at < now() - interval '1 hour'";
    assert_eq!(other.ask(times), "0");
}

fn the_script_for_psql_reads_well() -> Outcome {
    let case = Case::with(&[A, B, INDEX])?;
    let up = case.db(&["sql", "1:"]).ok().stdout;
    let down = case.db(&["sql", "head:b"]).ok().stdout;
    insta::assert_snapshot!("sql", [up, down, case.db(&["sql", "head"]).ok().stdout].join("\n----\n"));
    Ok(())
}

fn psql_leaves_what_up_and_down_leave() -> Outcome {
    let case = Case::with(&[A, B, INDEX, ODD])?;
    programs_fit(&case.database)?;
    let other = TestDatabase::new()?;
    let steps: [(&[&str], &str); 5] = [
        (&["up"], "base:head"),
        (&["down", "b"], "head:b"),
        (&["up", "+1"], "2:3"),
        (&["up", "head"], "index"),
        (&["down", "base"], "head:base"),
    ];
    for (command, range) in steps {
        case.db(command).ok();
        let ran = psql(&other, &case.db(&["sql", range]).ok().stdout).ok();
        assert!(!ran.stderr.contains("psql:"), "{range}: {}", ran.stderr);
        assert_same_result(&case, &other);
    }
    Ok(())
}

fn a_script_does_nothing_in_a_database_that_is_elsewhere() -> Outcome {
    let case = Case::applied(&[A, B])?;
    programs_fit(&case.database)?;
    let ran = psql(&case.database, &case.db(&["sql"]).ok().stdout).exits(3);
    for words in ["1_a is for a database at base, and this one is at 2", "cargo xtask db sql 2"] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn a_script_stops_at_the_first_error_and_up_goes_on() -> Outcome {
    let case = Case::with(&[A, B, INDEX])?;
    programs_fit(&case.database)?;
    case.database.client().batch_execute("create table b ()").unwrap();
    let script = case.db(&["sql"]).ok().stdout;
    psql(&case.database, &script).exits(3);
    assert_eq!(case.database.applied(), ["1"], "the one that failed is rolled back, and none runs behind it");
    case.database.client().batch_execute("drop table b").unwrap();
    case.db(&["up"]).ok();
    assert_eq!(case.database.applied(), ["1", "2", "3"]);
    Ok(())
}

fn psql_replaces_nothing_in_a_script() -> Outcome {
    let slice: Files<'_> = (
        "1_a",
        "create table a (n int, r int[]); insert into a values (2, '{1,2,3}'); create view v as select r[1:n] as s from a;",
        "drop view v; drop table a;",
    );
    let case = Case::with(&[slice])?;
    programs_fit(&case.database)?;
    psql(&case.database, &case.db(&["sql"]).ok().stdout).ok();
    assert_eq!(case.database.ask("SELECT s::text FROM v"), "{1,2}", "and not up to 9, as psql's variable n says");
    Ok(())
}

fn no_connection_is_made() -> Outcome {
    let case = Case::with(&[A])?;
    let mut command = case.command(&["sql"]);
    xtask::run(command.env("DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")).ok();
    Ok(())
}

fn a_range_that_makes_no_sense_is_refused() -> Outcome {
    let case = Case::with(&[A, ("2_one_way", "-- stairwell: irreversible it is gone\ncreate table w ();", "")])?;
    case.workspace.remove("2_one_way.down.sql");
    insta::assert_snapshot!(
        "sql_wrong",
        case.see_all(&[&["sql", "nope"], &["sql", "head:base"], &["sql", "+1"], &["sql", "a:nope"], &["sql", "-1"]])
    );
    Ok(())
}

fn a_reader_that_leaves_early_is_no_error() -> Outcome {
    let case = Case::with(&[A, B])?;
    let mut command = case.command(&["sql"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Ok(())
}
