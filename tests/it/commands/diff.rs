//! `db diff`: what differs, and the SQL that is proved before it is shown.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::case::{A, Case, Files, Role};
use crate::harness::cluster::signal;
use crate::harness::database::TestDatabase;
use crate::harness::{Outcome, xtask};

crate::trials!(
    the_sql_between_two_files_is_all_that_is_printed,
    what_is_printed_makes_one_database_of_another,
    drift_is_shown_as_a_tree_and_ends_with_one,
    a_mistake_in_a_schema_names_file_and_line,
    nothing_is_left_on_the_server,
    three_connections_are_enough,
    whoever_interrupts_it_finds_nothing_left,
    no_difference_is_no_statement,
    a_role_that_a_migration_makes_may_be_named_by_the_schema,
);

const USERS: Files<'_> = (
    "1_users",
    "create table users (id bigint primary key, email varchar(20) not null check (email in ('a', 'b')));",
    "drop table users;",
);

fn file(case: &Case, name: &str, text: &str) {
    std::fs::write(case.workspace.path().join(name), text).unwrap();
}

fn run(database: &TestDatabase, sql: &str) {
    database.client().batch_execute(sql).unwrap();
}

fn scratches(case: &Case) -> String {
    case.database.ask(
        r"SELECT count(*) FROM pg_database d WHERE d.datname LIKE 'stairwell\_scratch\_%'
        AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid::text = split_part(d.datname, '_', 3))",
    )
}

fn the_sql_between_two_files_is_all_that_is_printed() -> Outcome {
    let case = Case::with(&[])?;
    file(&case, "old.sql", "create table t (a int);");
    file(&case, "new.sql", "create table t (a bigint not null, b text);\ncreate view v as select a from t;");
    insta::assert_snapshot!(
        "diff",
        case.see_all(&[
            &["diff", "--from", "old.sql", "--to", "new.sql"],
            &["diff", "--from", "new.sql", "--to", "old.sql", "--json"],
            &["diff", "--from", "new.sql", "--to", "old.sql", "--exit-code"],
        ])
        .replace(" t.a", " a") // Postgres 16 and later print columns of a single table without its name
    );
    Ok(())
}

fn what_is_printed_makes_one_database_of_another() -> Outcome {
    let case = Case::with(&[])?;
    let other = TestDatabase::new()?;
    run(&case.database, "create table t (a int); insert into t values (1); create type m as enum ('a', 'c')");
    run(
        &other,
        "create type m as enum ('a', 'b', 'c'); create table t (a int, b m default 'b'); create index i on t (b)",
    );
    let sql = case.db(&["diff", "--from", case.database.url(), "--to", other.url()]).ok().stdout;
    run(&case.database, &sql);
    let again = case.db(&["diff", "--from", case.database.url(), "--to", other.url(), "--exit-code"]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""), "{}", again.stderr);
    assert_eq!(case.database.ask("SELECT a FROM t"), "1");
    Ok(())
}

fn drift_is_shown_as_a_tree_and_ends_with_one() -> Outcome {
    let case = Case::applied(&[USERS])?;
    let none = case.see(&["diff"]);
    run(
        &case.database,
        "alter table users add phone text; create view v as select id from users; drop table if exists nothing",
    );
    let drift = case.see_all(&[&["diff"], &["diff", "--sql"]]);
    insta::assert_snapshot!("drift", [none, drift.replace(" users.", " ")].join("\n"));
    Ok(())
}

fn a_mistake_in_a_schema_names_file_and_line() -> Outcome {
    let case = Case::with(&[])?;
    file(&case, "schema.sql", "create table t (a int);\n\ncreate view v as selec 1;\n");
    file(&case, "psql.sql", "\\restrict abc\ncreate table t (a int);\n\\connect other\n");
    insta::assert_snapshot!(
        "mistakes_in_a_schema",
        case.see_all(&[
            &["diff", "--from", "migrations", "--to", "schema"],
            &["diff", "--from", "migrations", "--to", "psql.sql"],
            &["diff", "--from", "migrations", "--to", "nowhere.sql"],
        ])
    );
    Ok(())
}

fn nothing_is_left_on_the_server() -> Outcome {
    let case = Case::with(&[A])?;
    file(&case, "schema.sql", "create table b (i int);\nselect nonsense;");
    assert_eq!(case.db(&["diff", "--from", "migrations", "--to", "schema"]).code, 3);
    assert_eq!(scratches(&case), "0");
    Ok(())
}

/// One for each side, and one that makes the databases: that of the helper is given back.
fn three_connections_are_enough() -> Outcome {
    let role = Role::new("CREATEDB CONNECTION LIMIT 3")?;
    let case = Case::with(&[])?;
    file(&case, "old.sql", "create table t (a int);");
    file(&case, "new.sql", "create table t (a bigint);");
    let mut command = case.command(&["diff", "--from", "old.sql", "--to", "new.sql"]);
    let ran = xtask::run(command.env("DATABASE_URL", role.url(&case.database))).ok();
    assert!(ran.stdout.contains("ALTER COLUMN a TYPE bigint"), "{}", ran.stdout);
    assert_eq!(owned(&case, &role), "0");
    Ok(())
}

fn owned(case: &Case, role: &Role) -> String {
    case.database.ask(&format!("SELECT count(*) FROM pg_database WHERE pg_get_userbyid(datdba) = '{}'", role.name))
}

/// Also while the server makes a database, which is nowhere to be seen then.
fn whoever_interrupts_it_finds_nothing_left() -> Outcome {
    let role = Role::new("CREATEDB")?;
    let case = Case::with(&[])?;
    file(&case, "old.sql", "create table t (a int);");
    file(&case, "new.sql", "create table t (a bigint);");
    let working = format!("SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = '{}'", role.name);
    let mut codes = Vec::new();
    for tenths in [0, 1, 2, 3, 4, 6] {
        let mut command = case.command(&["diff", "--from", "old.sql", "--to", "new.sql"]);
        let mut child = command.env("DATABASE_URL", role.url(&case.database)).stdout(Stdio::null()).spawn().unwrap();
        while child.try_wait().unwrap().is_none() && case.database.ask(&working) != "t" {}
        thread::sleep(Duration::from_millis(100 * tenths));
        signal("INT", child.id());
        codes.push(child.wait().unwrap().code());
        assert_eq!(owned(&case, &role), "0", "after {tenths} tenths of a second");
    }
    assert!(codes.contains(&Some(130)), "{codes:?}");
    Ok(())
}

/// The roles of a server are there when the migrations have run, and no scratch database takes them along.
fn a_role_that_a_migration_makes_may_be_named_by_the_schema() -> Outcome {
    let role = format!("it_made_{}", std::process::id());
    let make = format!("create role {role}; create table t (i int); grant select on t to {role};");
    let case = Case::with(&[("1_role", &make, "drop table t;")])?;
    file(&case, "schema.sql", &format!("create table t (i int); grant select on t to {role};"));
    let templates = format!(
        "SELECT coalesce(string_agg(DISTINCT d.datname, ' '), '') FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
         WHERE s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = '{role}')"
    );
    let ran = [["migrations", "schema"], ["schema", "migrations"]].map(|[from, to]| {
        let ran = case.db(&["diff", "--from", from, "--to", to, "--exit-code"]);
        // As on a server that has seen neither the role nor the migrations.
        for name in case.database.ask(&templates).split(' ').filter(|name| !name.is_empty()) {
            run(&case.database, &format!("drop database {name}"));
        }
        run(&case.database, &format!("drop role if exists {role}"));
        ran
    });
    for ran in ran {
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    }
    Ok(())
}

fn no_difference_is_no_statement() -> Outcome {
    let case = Case::applied(&[USERS])?;
    // Loaded from its own print, an IN over varchar is printed in another way.
    file(&case, "schema.sql", "create table users (id bigint primary key, email varchar(20) not null,
        constraint users_email_check check (((email)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))));");
    let ran = case.db(&["diff", "--from", "migrations", "--to", "schema"]).ok();
    assert_eq!(ran.stdout, "");
    Ok(())
}
