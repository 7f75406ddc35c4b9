//! Row 37: a schema and temporary objects that would stand in for what the runner's own SQL means.

use std::sync::Mutex;
use std::thread;

use stairwell::Target;
use stairwell::postgres::{Database, Migrator};

use super::until;
use crate::commands::case::{Case, Files, Role};
use crate::harness::{Outcome, xtask};

crate::trials!(f37_a_hostile_search_path_and_temporary_schema);

const TYPES: [&str; 12] = [
    "bool",
    "int2",
    "int4",
    "int8",
    "text",
    "varchar",
    "name",
    "oid",
    "numeric",
    "timestamp",
    "timestamptz",
    "interval",
];

/// Functions that a migration runner may want, each with its arguments and what it returns.
const FUNCTIONS: [(&str, &str, &str); 42] = [
    ("lower", "text", "text"),
    ("lower", "varchar", "text"),
    ("upper", "text", "text"),
    ("quote_ident", "text", "text"),
    ("quote_literal", "text", "text"),
    ("format", "text", "text"),
    ("concat", "text, text", "text"),
    ("length", "text", "int4"),
    ("to_char", "timestamp, text", "text"),
    ("to_char", "timestamptz, text", "text"),
    ("timezone", "text, timestamptz", "timestamp"),
    ("date_part", "text, interval", "float8"),
    ("now", "", "timestamptz"),
    ("clock_timestamp", "", "timestamptz"),
    ("statement_timestamp", "", "timestamptz"),
    ("transaction_timestamp", "", "timestamptz"),
    ("pg_sleep", "float8", "void"),
    ("current_setting", "text", "text"),
    ("current_setting", "text, bool", "text"),
    ("set_config", "text, text, bool", "text"),
    ("version", "", "text"),
    ("current_database", "", "name"),
    ("txid_current", "", "int8"),
    ("pg_backend_pid", "", "int4"),
    ("pg_blocking_pids", "int4", "int4[]"),
    ("pg_is_in_recovery", "", "bool"),
    ("pg_logical_emit_message", "bool, text, text", "pg_lsn"),
    ("pg_try_advisory_lock", "int8", "bool"),
    ("pg_try_advisory_xact_lock", "int8", "bool"),
    ("pg_advisory_lock", "int8", "void"),
    ("pg_advisory_xact_lock", "int8", "void"),
    ("pg_advisory_unlock", "int8", "bool"),
    ("pg_advisory_unlock_all", "", "void"),
    ("to_regclass", "text", "regclass"),
    ("to_regnamespace", "text", "regnamespace"),
    ("parse_ident", "text", "text[]"),
    ("parse_ident", "text, bool", "text[]"),
    ("has_schema_privilege", "text, text", "bool"),
    ("has_table_privilege", "text, text", "bool"),
    ("obj_description", "oid, name", "text"),
    ("split_part", "text, text, int4", "text"),
    ("translate", "text, text, text", "text"),
];

/// Ends every function: it counts that it was called, and fails.
const TROJAN: &str =
    "LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.nextval('public.calls'); RAISE EXCEPTION 'TROJAN'; END $$;";

/// A schema with operators, functions, aggregates, types and relations that all are trojans.
fn hostile() -> String {
    let mut sql = vec!["CREATE SCHEMA hostile; CREATE SEQUENCE public.calls;".to_owned()];
    for name in TYPES {
        // The server takes what fits best, and that has to be the one here.
        for other in TYPES.into_iter().filter(|other| comparable(name, other)) {
            sql.extend(operators(name, other));
        }
        for aggregate in ["max", "min", "sum"] {
            let step = format!("hostile.{aggregate}_step");
            sql.push(format!(
                "CREATE FUNCTION {step}(pg_catalog.{name}, pg_catalog.{name}) RETURNS pg_catalog.{name} {TROJAN}"
            ));
            sql.push(format!(
                "CREATE AGGREGATE hostile.{aggregate}(pg_catalog.{name}) (SFUNC = {step}, STYPE = pg_catalog.{name});"
            ));
        }
    }
    for (name, arguments, returns) in FUNCTIONS {
        sql.push(format!("CREATE FUNCTION hostile.\"{name}\"({arguments}) RETURNS {returns} {TROJAN}"));
    }
    for relation in RELATIONS {
        let rows = format!("hostile.\"rows of {relation}\"");
        sql.push(format!("CREATE FUNCTION {rows}() RETURNS SETOF pg_catalog.pg_class {TROJAN}"));
        sql.push(format!("CREATE VIEW hostile.{relation} AS SELECT * FROM {rows}();"));
    }
    // Last: from here on these names mean something else to whoever has the schema on his path.
    for name in ["text", "timestamptz", "int8", "int4", "bool", "name", "oid", "numeric", "regclass", "stairwell"] {
        sql.push(format!("CREATE DOMAIN hostile.\"{name}\" AS pg_catalog.bytea CHECK (hostile.now() IS NULL);"));
    }
    sql.join("\n")
}

const RELATIONS: [&str; 9] = [
    "ledger",
    "pg_class",
    "pg_index",
    "pg_locks",
    "pg_stat_activity",
    "pg_database",
    "pg_namespace",
    "pg_proc",
    "pg_stat_progress_create_index",
];

fn comparable(one: &str, other: &str) -> bool {
    let kinds: [&[&str]; 3] = [
        &["int2", "int4", "int8", "numeric", "oid"],
        &["text", "varchar", "name"],
        &["timestamp", "timestamptz", "interval"],
    ];
    one == other || kinds.iter().any(|kind| kind.contains(&one) && kind.contains(&other))
}

fn operators(left: &str, right: &str) -> Vec<String> {
    let arguments = format!("pg_catalog.{left}, pg_catalog.{right}");
    let mut sql = vec![
        format!("CREATE FUNCTION hostile.compare({arguments}) RETURNS pg_catalog.bool {TROJAN}"),
        format!("CREATE FUNCTION hostile.compute({arguments}) RETURNS pg_catalog.{left} {TROJAN}"),
    ];
    let compare = ["=", "<>", "<", ">", "<=", ">="].map(|operator| (operator, "compare"));
    let compute = ["+", "-", "*", "/", "||"].map(|operator| (operator, "compute"));
    for (operator, function) in compare.into_iter().chain(compute) {
        sql.push(format!(
            "CREATE OPERATOR hostile.{operator} (FUNCTION = hostile.{function}, LEFTARG = pg_catalog.{left}, RIGHTARG = pg_catalog.{right});"
        ));
    }
    sql
}

/// A script that shadows what it can in the temporary schema, which comes before every other one.
const SHADOWS: &str = "create temporary table ledger (version pg_catalog.int8, state pg_catalog.int4);
    insert into pg_temp.ledger values (99, 0);
    create temporary table pg_class (oid pg_catalog.int4);
    create temporary table text (a pg_catalog.int4);
    create temporary table int8 (a pg_catalog.int4);
    create temporary table timestamptz (a pg_catalog.int4);
    create table public.b (i pg_catalog.int4);";

const MIGRATIONS: [Files<'_>; 4] = [
    ("1_a", "create table public.a (i pg_catalog.int4);", "drop table public.a;"),
    ("2_shadows", SHADOWS, "drop table public.b;"),
    (
        "3_index",
        "-- stairwell: no-transaction\ncreate index concurrently a_i on public.a (i);",
        "-- stairwell: no-transaction\ndrop index concurrently public.a_i;",
    ),
    ("4_c", "create table public.c (i pg_catalog.int4);", "drop table public.c;"),
];

fn f37_a_hostile_search_path_and_temporary_schema() -> Outcome {
    let role = Role::new("SUPERUSER")?;
    let case = Case::with(&MIGRATIONS)?;
    let mut admin = case.database.client();
    admin.batch_execute(&hostile()).unwrap();
    admin.batch_execute(&format!("ALTER ROLE {} SET search_path = hostile, pg_catalog, public", role.name)).unwrap();
    let url = role.url(&case.database);
    let victim = Database::parse(&url).unwrap();
    // They are what that role would call.
    let error =
        victim.connect().unwrap().batch_execute("SELECT 1 WHERE 1::pg_catalog.int8 = 1::pg_catalog.int8").unwrap_err();
    assert!(error.as_db_error().is_some_and(|error| error.message() == "TROJAN"), "{error:?}");
    assert_eq!(called(&case), "t");
    admin.batch_execute("ALTER SEQUENCE calls RESTART").unwrap();

    let db = |arguments: &[&str]| {
        let ran = xtask::run(case.command(arguments).env("DATABASE_URL", &url).env("STAIRWELL_ENV", "staging"));
        assert!(!ran.stderr.contains("TROJAN"), "{arguments:?}: {}", ran.stderr);
        assert_eq!(called(&case), "f", "{arguments:?}: {}", ran.stderr);
        ran
    };
    for arguments in [&["up"][..], &["status"], &["up"], &["redo"], &["down"], &["up"], &["redo", "--to", "2"]] {
        db(arguments).ok();
        assert_eq!(
            case.database.ask(
                "SELECT string_agg(version::text, ' ' ORDER BY version) FROM stairwell.ledger WHERE state <> 'applied'"
            ),
            "NULL"
        );
    }
    assert_eq!(case.database.applied(), ["1", "2", "3", "4"]);
    // A row that only a right ledger has.
    let times = "SELECT count(*) FROM stairwell.ledger WHERE applied_at >= started_at AND length(checksum) = 64";
    assert_eq!(case.database.ask(times), "4");

    // What a crash leaves, and an invalid index.
    admin.batch_execute("UPDATE stairwell.ledger SET state = 'applying', applied_at = NULL WHERE version = 3; DELETE FROM stairwell.ledger WHERE version = 4; DROP TABLE c").unwrap();
    db(&["up"]).ok();
    admin.batch_execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_i'::regclass; UPDATE stairwell.ledger SET state = 'applying', applied_at = NULL WHERE version = 3; DELETE FROM stairwell.ledger WHERE version = 4; DROP TABLE c").unwrap();
    db(&["up"]).ok();
    assert_eq!(case.database.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_i'::regclass"), "t");

    // The mark, and what looks for it under the lock.
    for arguments in [&["protect", "staging"][..], &["down", "--confirm", "staging"], &["up"]] {
        db(arguments).ok();
    }
    db(&["redo"]).exits(5);
    db(&["protect", "production", "--confirm", "staging"]).ok();
    db(&["up"]).exits(5);
    db(&["unprotect", "--confirm", "production"]).exits(5);
    Migrator::new(&case.workspace.set()).unprotect(&victim, &"production".parse().unwrap()).unwrap();

    waits_ask_no_trojan(&case, &victim);
    assert_eq!(called(&case), "f");
    case.workspace.write("6_fails.up.sql", "create table public.d (i pg_catalog.int4); select 1 from public.nowhere;");
    case.workspace.write("6_fails.down.sql", "drop table public.d;");
    let ran = db(&["up"]).exits(1);
    assert!(ran.stderr.contains("42P01"), "{}", ran.stderr);
    Ok(())
}

/// Whether anything hostile was called. A sequence keeps what a transaction that is rolled back loses.
fn called(case: &Case) -> String {
    case.database.ask("SELECT is_called FROM calls")
}

/// The questions after who has the migration lock, and who a table's.
fn waits_ask_no_trojan(case: &Case, victim: &Database) {
    case.workspace.write("5_e.up.sql", "alter table public.a add column j pg_catalog.int4;");
    case.workspace.write("5_e.down.sql", "alter table public.a drop column j;");
    let set = case.workspace.set();
    let mut reader = case.database.client();
    reader.batch_execute("SET application_name = 'reader'; BEGIN; SELECT * FROM a").unwrap();
    let heard = Mutex::new(Vec::new());
    let said = |words: &str| heard.lock().unwrap().iter().any(|event: &String| event.contains(words));
    thread::scope(|scope| {
        // One runner waits for the table, and the other one for that runner.
        for _ in 0..2 {
            scope.spawn(|| {
                Migrator::new(&set)
                    .tries(1_000.try_into().unwrap())
                    .on_event(|event| heard.lock().unwrap().push(event.to_string()))
                    .up(victim, Target::Head)
                    .unwrap_or_else(|error| panic!("{error}"));
            });
        }
        until("both say whom they wait for", || {
            said("(`reader`)") && said("waiting for the migration lock") && said("(`stairwell`)")
        });
        drop(reader);
    });
    assert!(!said("TROJAN"), "{heard:?}");
    assert_eq!(case.database.applied().last().map(String::as_str), Some("5"));
}
