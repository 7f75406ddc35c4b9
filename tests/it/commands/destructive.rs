//! What loses data: shown, counted, asked for; and a backup before it.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stairwell::Target;
use stairwell::migration::Direction;
use stairwell::postgres::{Amount, Destructive, Event, Migrator, RunErrorKind};

use super::case::{A, B, Case, Files, Role};
use super::output::in_terminal;
use crate::harness::database::TestDatabase;
use crate::harness::pgbouncer::PgBouncer;
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    up_that_would_lose_rows_is_refused_before_anything_is_applied,
    what_is_empty_or_new_is_dropped_without_a_word,
    allow_destructive_says_what_goes_and_where_the_log_is,
    a_person_is_shown_the_rows_and_types_the_name,
    what_each_statement_would_lose_is_counted,
    what_cannot_be_told_beforehand_needs_leave,
    a_name_that_another_script_gives_or_takes_is_not_trusted,
    what_cannot_be_counted_in_time_is_estimated,
    a_role_that_may_not_look_is_told_so_and_needs_leave,
    leave_for_one_is_none_for_another,
    rows_that_another_runner_makes_meanwhile_stop_nobody,
    a_dry_run_shows_what_would_go,
    a_trial_needs_no_leave,
    down_shows_what_goes,
    redo_shows_what_goes_and_asks_before_anything_is_undone,
    reset_loses_all_and_so_needs_no_leave,
    a_backup_is_made_before_anything_is_changed,
    a_backup_that_fails_changes_nothing,
    nothing_to_do_needs_no_backup,
    it_works_through_a_pooler,
    cut_off_after_any_message_it_refuses_or_completes_all_the_same,
);

const DROP_A: Files<'_> =
    ("2_b", "-- stairwell: destructive nobody reads it\ndrop table a;", "create table a (i int);");

/// A database at 1, with these rows in `a`, and a next migration.
fn next(rows: usize, next: Files<'_>) -> Result<Case, Skip> {
    let case = Case::applied(&[A])?;
    case.database.client().batch_execute(&format!("insert into a select generate_series(1, {rows})")).unwrap();
    write(&case, next);
    Ok(case)
}

fn write(case: &Case, (id, up, down): Files<'_>) {
    case.workspace.write(&format!("{id}.up.sql"), up);
    case.workspace.write(&format!("{id}.down.sql"), down);
}

fn up_that_would_lose_rows_is_refused_before_anything_is_applied() -> Outcome {
    let case = next(12, ("3_c", DROP_A.1, DROP_A.2))?;
    write(&case, B);
    insta::assert_snapshot!("destructive_refused", case.see(&["up"]));
    assert_eq!(case.database.applied(), ["1"], "what comes before it is not applied either");
    assert_eq!(case.database.ask("select count(*) from a"), "12");
    // Up to the one before it nothing is lost.
    case.db(&["up", "1"]).ok();
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn what_is_empty_or_new_is_dropped_without_a_word() -> Outcome {
    let case = next(0, DROP_A)?;
    insta::assert_snapshot!("destructive_empty", case.see(&["up"]));
    // In a new database nothing is there to lose, whatever the scripts put in before.
    let up = "create table a (i int); insert into a values (1); create view v as select 1;";
    let hidden =
        ("3_c", "-- stairwell: destructive it is old\ndo $$ begin execute 'dr' || 'op view v'; end $$;", "select 1;");
    let case = Case::with(&[("1_a", up, "drop table a;"), DROP_A, hidden])?;
    case.db(&["up"]).ok();
    assert_eq!(case.database.applied(), ["1", "2", "3"]);
    // A table that the run makes itself is no data, also where there is other data.
    let case = next(5, ("2_b", "create table b as select 1 as i;", "drop table b;"))?;
    write(&case, ("3_c", "-- stairwell: destructive it was a step between\ndrop table b;", "select 1;"));
    case.db(&["up"]).ok();
    assert_eq!(case.database.ask("select count(*) from a"), "5");
    Ok(())
}

fn allow_destructive_says_what_goes_and_where_the_log_is() -> Outcome {
    let case = next(1, DROP_A)?;
    let ran = case.db(&["up", "--allow-destructive"]).ok();
    insta::assert_snapshot!("destructive_allowed", case.seen(&["up", "--allow-destructive"], &ran));
    assert!(ran.stderr.contains("recovery_target_lsn = '") && ran.stderr.contains("recovery_target_time = '20"));
    assert!(!case.has("a"));
    Ok(())
}

#[cfg(unix)]
fn a_person_is_shown_the_rows_and_types_the_name() -> Outcome {
    let case = next(12, DROP_A)?;
    let name = case.database.database().name();
    let typed = |text: &str| in_terminal(&case.command(&["up"]), &format!("{text}\n"));
    for wrong in ["", "yes", "shop"] {
        let seen = typed(wrong)?;
        assert!(seen.contains("DROP TABLE a: 12 rows") && seen.contains("Type the database's name"), "{seen}");
        assert!(seen.contains("nothing was done"), "{seen}");
    }
    let mut unattended = case.command(&["up"]);
    let seen = in_terminal(unattended.env("CLAUDECODE", "1"), &format!("{name}\n"))?;
    assert!(!seen.contains("Type the database's name") && seen.contains("`CLAUDECODE` is set"), "{seen}");
    assert!(case.has("a"));
    let seen = typed(name)?;
    assert!(seen.contains("1 applied") && !case.has("a"), "{seen}");
    // Where the database is marked, it is the environment's: databases are called the same everywhere.
    let case = next(1, DROP_A)?;
    case.db(&["protect", "staging"]).ok();
    let typed = |text: &str| in_terminal(&case.command(&["up"]), &format!("{text}\n"));
    let seen = typed(case.database.database().name())?;
    assert!(seen.contains("Type the environment's name") && seen.contains("nothing was done"), "{seen}");
    assert!(typed("staging")?.contains("1 applied") && !case.has("a"));
    // A backup takes its time, so the question comes before it.
    let case = next(12, DROP_A)?;
    let command = case.command(&["up", "--backup-command", "echo backing up"]);
    let seen = in_terminal(&command, &format!("{}\n", case.database.database().name()))?;
    let place = |words: &str| seen.find(words).unwrap_or_else(|| panic!("{words} in {seen}"));
    assert!(place("Type the database's name") < place("backing up") && place("backing up") < place("1 applied"));
    // And before anything is undone.
    let case = next(2, ("2_b", "-- stairwell: destructive a test\ntruncate a;", "select 1;"))?;
    case.db(&["up", "--allow-destructive"]).ok();
    case.database.client().batch_execute("insert into a values (1)").unwrap();
    let seen = in_terminal(&case.command(&["redo"]), &format!("{}\n", case.database.database().name()))?;
    assert!(seen.contains("TRUNCATE a: 1 row") && seen.contains("1 applied again"), "{seen}");
    Ok(())
}

#[cfg(not(unix))]
fn a_person_is_shown_the_rows_and_types_the_name() -> Outcome {
    Err(Skip("a terminal is made with Unix means".to_owned()))
}

const TABLES: &str = "create schema \"App\"; create type mood as enum ('x');
    create table \"App\".\"Odd \"\"name\" (i int primary key, \"Col\" text);
    insert into \"App\".\"Odd \"\"name\" values (1, 'x'), (2, null), (3, null);
    create table plain (i int, m mood); insert into plain values (1), (2);
    create table child (i int references \"App\".\"Odd \"\"name\"); insert into child values (1), (null);
    create table part (i int) partition by list (i); create table part_1 partition of part for values in (1); insert into part values (1);
    create materialized view totals as select count(*) from plain;
    create table empty (i int); create view seen as select * from plain;
    create extension if not exists plpgsql";

/// What an up script would lose: each statement, and how much.
fn lost(case: &Case, up: &str) -> Vec<(String, Option<String>, Amount)> {
    write(case, ("2_b", &format!("-- stairwell: destructive a test\n{up}"), "select 1;"));
    let set = case.workspace.set();
    let mut migrator = Migrator::new(&set);
    let plan = migrator.plan(case.database.database(), Direction::Up, Target::Head).unwrap();
    let losses = migrator.losses(case.database.database(), &plan).unwrap();
    losses.into_iter().flat_map(|it| it.losses).map(|it| (it.what, it.table, it.amount)).collect()
}

fn what_each_statement_would_lose_is_counted() -> Outcome {
    let case = Case::applied(&[("1_a", TABLES, "select 1;")])?;
    let odd = "\"App\".\"Odd \"\"name\"";
    for (up, table, amount) in [
        (format!("drop table {odd}"), odd, Amount::Rows(3)),
        ("drop table if exists PLAIN".to_owned(), "public.plain", Amount::Rows(2)),
        (format!("alter table {odd} drop column \"Col\""), odd, Amount::Values { filled: 1, of: 3 }),
        (
            "alter table plain alter column i type smallint".to_owned(),
            "public.plain",
            Amount::Values { filled: 2, of: 2 },
        ),
        ("truncate plain".to_owned(), "public.plain", Amount::Rows(2)),
        ("delete from plain".to_owned(), "public.plain", Amount::Rows(2)),
        ("delete from plain where i = 1".to_owned(), "public.plain", Amount::AtMost(2)),
        ("update plain set i = 3".to_owned(), "public.plain", Amount::Rows(2)),
        ("update plain set i = 3 where i = 4".to_owned(), "public.plain", Amount::AtMost(2)),
        ("drop table part".to_owned(), "public.part", Amount::Rows(1)),
        ("drop materialized view totals".to_owned(), "public.totals", Amount::Rows(1)),
        ("do $$ begin execute 'drop table plain'; end $$".to_owned(), "public.plain", Amount::Rows(2)),
    ] {
        let found = lost(&case, &format!("{up};"));
        let [(_, of, how_much)] = found.as_slice() else { panic!("{up}: {found:?}") };
        assert_eq!((of.as_deref(), *how_much), (Some(table), amount), "{up}");
    }
    let several = |up: &str| {
        let found = lost(&case, up).into_iter();
        found.map(|(_, table, amount)| (table.unwrap_or_default(), amount)).collect::<Vec<_>>()
    };
    let both = [(odd.to_owned(), Amount::Rows(3)), ("public.child".to_owned(), Amount::Rows(2))];
    assert_eq!(several(&format!("truncate {odd} cascade;")), both);
    assert_eq!(several("drop schema \"App\" cascade;"), both[..1]);
    for nothing in [
        "drop table empty; alter table plain drop column m; truncate nowhere; drop table if exists \"App\".plain, other.t;",
        "drop type mood; drop schema \"App\"; drop table empty cascade; alter table plain drop column nowhere;",
    ] {
        assert_eq!(lost(&case, nothing), [], "{nothing}");
    }
    // A session's search path is the script's.
    let alter = format!("alter database \"{}\" set search_path = \"App\"", case.database.database().name());
    case.database.client().batch_execute(&alter).unwrap();
    assert_eq!(several("truncate \"Odd \"\"name\";"), both[..1]);
    assert_eq!(several("truncate plain;"), []);
    Ok(())
}

fn what_cannot_be_told_beforehand_needs_leave() -> Outcome {
    let case = Case::applied(&[("1_a", TABLES, "select 1;")])?;
    for up in [
        "drop view seen cascade",
        "drop type mood cascade",
        "drop function f() cascade",
        "drop owned by current_user",
        "select clean_up()",
        "delete from seen",
        "do $$ begin execute 'dr' || 'op table plain'; end $$",
        "do $$ begin execute format('drop table %I', 'plain'); end $$",
        "truncate a.b.c",
    ] {
        let found = lost(&case, &format!("{up};"));
        assert!(matches!(found.as_slice(), [(.., Amount::Unknown(_))]), "{up}: {found:?}");
        let error = Migrator::new(&case.workspace.set()).up(case.database.database(), Target::Head).unwrap_err();
        assert!(matches!(error.kind, RunErrorKind::Destructive(_)), "{up}: {error}");
    }
    Ok(())
}

fn a_name_that_another_script_gives_or_takes_is_not_trusted() -> Outcome {
    for (before, up) in [
        ("alter table a rename to b;", "drop table b;"),
        ("alter table a rename to b; create table a (i int);", "drop table b;"),
        ("create schema s; alter table a set schema s;", "drop table s.a;"),
        ("alter table a rename column i to j;", "alter table a drop column j;"),
        ("select 1;", "create schema s; set local search_path = s, public; drop table a; truncate nothing;"),
        ("create table p (i int) partition by list (i); alter table p attach partition a default;", "truncate p;"),
        ("do $$ begin execute 'alter table a re' || 'name to b'; end $$;", "drop table b;"),
    ] {
        let case = next(3, ("2_b", before, "select 1;"))?;
        write(&case, ("3_c", &format!("-- stairwell: destructive a test\n{up}"), "select 1;"));
        case.db(&["up"]).exits(5);
        assert_eq!(case.database.ask("select count(*) from a"), "3", "{before} {up}");
    }
    Ok(())
}

fn what_cannot_be_counted_in_time_is_estimated() -> Outcome {
    let case = next(5_000, DROP_A)?;
    let mut other = case.database.client();
    other.batch_execute("analyze a; begin; lock table a in access exclusive mode").unwrap();
    let ran = case.db(&["up"]).exits(5);
    assert!(ran.stderr.contains("DROP TABLE a: about 5000 rows (not counted)"), "{}", ran.stderr);
    Ok(())
}

fn a_role_that_may_not_look_is_told_so_and_needs_leave() -> Outcome {
    let role = Role::new("")?;
    let case = next(3, DROP_A)?;
    // It has the ledger, and nothing of the table.
    let grant = format!(
        "grant usage on schema stairwell to {0}; grant all on stairwell.ledger to {0}; revoke all on a from public;
         grant create on database \"{1}\" to {0}; grant execute on all functions in schema stairwell to {0}",
        role.name,
        case.database.database().name()
    );
    case.database.client().batch_execute(&grant).unwrap();
    let ran = xtask::run(case.command(&["up"]).env("DATABASE_URL", role.url(&case.database))).exits(5);
    assert!(ran.stderr.contains("DROP TABLE a: an unknown amount"), "{}", ran.stderr);
    Ok(())
}

fn leave_for_one_is_none_for_another() -> Outcome {
    let case = next(3, ("2_b", "-- stairwell: destructive a test\ndelete from a;", "select 1;"))?;
    write(&case, ("3_c", DROP_A.1, DROP_A.2));
    let set = case.workspace.set();
    let up = |versions: &[&str]| {
        let these = versions.iter().map(|version| version.parse().unwrap()).collect();
        Migrator::new(&set).destructive(Destructive::These(these)).up(case.database.database(), Target::Head)
    };
    let error = up(&["2"]).unwrap_err();
    let RunErrorKind::Destructive(refused) = &error.kind else { panic!("{error}") };
    assert_eq!(refused.losses.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["3_c"]);
    assert_eq!((error.done, error.total), (0, 2));
    assert_eq!(case.database.ask("select count(*) from a"), "3");
    assert_eq!(up(&["2", "3"]).unwrap().done.len(), 2);
    Ok(())
}

/// One runner has filled a new database so far; the next one comes between two of its migrations.
fn rows_that_another_runner_makes_meanwhile_stop_nobody() -> Outcome {
    let case = Case::with(&[("1_a", "create table a (i int); insert into a values (1);", "drop table a;")])?;
    for n in 2..=4 {
        write(&case, (&format!("{n}_slow"), "select pg_sleep(0.3);", "select 1;"));
    }
    write(&case, ("5_b", DROP_A.1, DROP_A.2));
    let (set, database) = (case.workspace.set(), case.database.database().clone());
    let (begun, begins) = mpsc::channel();
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let begun = begun;
            let mut migrator = Migrator::new(&set).on_event(|event| {
                if matches!(event, Event::Done { .. }) {
                    let _ = begun.send(());
                }
            });
            migrator.up(&database, Target::Head).map(|report| report.done.len())
        });
        begins.recv_timeout(Duration::from_secs(60)).unwrap();
        let second = Migrator::new(&set).up(&database, Target::Head);
        assert!(second.is_ok(), "{}", second.unwrap_err());
        assert_eq!(first.join().unwrap().unwrap(), 5);
    });
    assert_eq!(case.database.applied().len(), 5);
    Ok(())
}

fn a_dry_run_shows_what_would_go() -> Outcome {
    let case = next(12, DROP_A)?;
    let seen = case.see_all(&[&["up", "--dry-run"], &["down", "--dry-run"], &["up", "--dry-run", "--json"]]);
    insta::assert_snapshot!("destructive_dry_run", seen);
    assert!(case.has("a"));
    Ok(())
}

fn a_trial_needs_no_leave() -> Outcome {
    let case = next(12, DROP_A)?;
    case.db(&["up", "--check-only"]).ok();
    assert_eq!(case.database.ask("select count(*) from a"), "12");
    Ok(())
}

fn down_shows_what_goes() -> Outcome {
    let case = Case::applied(&[A, ("2_b", "alter table a add b int;", "alter table a drop b;")])?;
    case.database.client().batch_execute("insert into a values (1, 1), (2, null)").unwrap();
    insta::assert_snapshot!("destructive_down", case.see(&["down", "--all"]));
    assert!(!case.has("a"));
    Ok(())
}

fn redo_shows_what_goes_and_asks_before_anything_is_undone() -> Outcome {
    // What its up script drops is gone already; and what it makes goes.
    let both = "-- stairwell: destructive a test\nalter table a drop column i; create table b (i int);";
    let case = next(2, ("2_b", both, "alter table a add i int; drop table b;"))?;
    case.db(&["up", "--allow-destructive"]).ok();
    case.database.client().batch_execute("insert into b values (1)").unwrap();
    let ran = case.db(&["redo"]).ok();
    assert!(ran.stderr.contains("redo would lose data of"), "{}", ran.stderr);
    assert!(ran.stderr.contains("DROP TABLE b: 1 row"), "{}", ran.stderr);
    // A script that would lose data again is refused while it is still applied.
    let case = next(2, ("2_b", "-- stairwell: destructive a test\ntruncate a;", "select 1;"))?;
    case.db(&["up", "--allow-destructive"]).ok();
    case.database.client().batch_execute("insert into a values (1)").unwrap();
    let ran = case.db(&["redo"]).exits(5);
    assert!(ran.stderr.contains("TRUNCATE a: 1 row"), "{}", ran.stderr);
    assert_eq!(case.database.applied(), ["1", "2"]);
    let error = Migrator::new(&case.workspace.set())
        .redo(case.database.database(), Target::Steps(1.try_into().unwrap()))
        .unwrap_err();
    assert!(matches!(error.kind, RunErrorKind::Destructive(_)), "{error}");
    assert_eq!(case.database.applied(), ["1", "2"]);
    case.db(&["redo", "--allow-destructive"]).ok();
    assert_eq!(case.database.ask("select count(*) from a"), "0");
    Ok(())
}

fn reset_loses_all_and_so_needs_no_leave() -> Outcome {
    let case = next(12, DROP_A)?;
    let mut reset = case.command(&["reset"]);
    xtask::run(reset.args(["--confirm", case.database.database().name()])).ok();
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

/// A shell command that leaves what it finds in this file of the workspace.
fn backup(file: &str) -> String {
    format!(
        "echo backing up; echo $PGDATABASE $PGHOST > {file}; psql -Atc 'select count(*) from a' >> {file} 2>&1 || true"
    )
}

#[cfg(unix)]
fn a_backup_is_made_before_anything_is_changed() -> Outcome {
    let name = |case: &Case| case.database.database().name().to_owned();
    for command in [&["up", "--allow-destructive"][..], &["down", "--all"], &["redo"], &["reset"]] {
        let case = if command[0] == "up" { next(7, DROP_A)? } else { next(7, B)? };
        let copy = backup("copy");
        let all = [command, &["--backup-command", &copy]].concat();
        let mut run = case.command(&all);
        if command[0] == "reset" {
            run.args(["--confirm", &name(&case)]);
        }
        let ran = xtask::run(&mut run).ok();
        assert!(ran.stderr.contains("backing up") && ran.stderr.contains(": done in"), "{}", ran.stderr);
        let copy = std::fs::read_to_string(case.workspace.path().join("copy")).unwrap();
        assert!(copy.starts_with(&name(&case)), "{copy}");
        if !copy.contains("not found") {
            assert_eq!(copy.lines().nth(1), Some("7"), "{command:?}: {copy}");
        }
    }
    // Whoever is not allowed to go on makes none.
    let case = next(7, DROP_A)?;
    case.db(&["up", "--backup-command", &backup("copy")]).exits(5);
    assert!(!case.workspace.path().join("copy").exists());
    Ok(())
}

#[cfg(unix)]
fn a_backup_that_fails_changes_nothing() -> Outcome {
    let case = next(7, DROP_A)?;
    let failing = ["--backup-command", "echo no space left; exit 3"];
    insta::assert_snapshot!("backup_fails", case.see(&[&["up", "--allow-destructive"][..], &failing].concat()));
    for command in [&["down"][..], &["redo"]] {
        case.db(&[command, &failing].concat()).exits(1);
    }
    let mut reset = case.command(&[&["reset"][..], &failing].concat());
    xtask::run(reset.args(["--confirm", case.database.database().name()])).exits(1);
    let mut drop = case.command(&[&["drop"][..], &failing].concat());
    xtask::run(drop.args(["--confirm", case.database.database().name()])).exits(1);
    assert_eq!(case.database.ask("select count(*) from a"), "7");
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

#[cfg(unix)]
fn nothing_to_do_needs_no_backup() -> Outcome {
    let case = Case::with(&[])?;
    for command in ["up", "down", "redo"] {
        let ran = case.db(&[command, "--backup-command", "exit 3"]).ok();
        assert!(ran.stderr.contains("nothing to"), "{}", ran.stderr);
    }
    Ok(())
}

#[cfg(not(unix))]
fn a_backup_is_made_before_anything_is_changed() -> Outcome {
    Err(Skip("the commands of this test are for a Unix shell".to_owned()))
}

#[cfg(not(unix))]
fn a_backup_that_fails_changes_nothing() -> Outcome {
    Err(Skip("the commands of this test are for a Unix shell".to_owned()))
}

#[cfg(not(unix))]
fn nothing_to_do_needs_no_backup() -> Outcome {
    Err(Skip("the commands of this test are for a Unix shell".to_owned()))
}

fn it_works_through_a_pooler() -> Outcome {
    let case = next(12, DROP_A)?;
    let bouncer = PgBouncer::before(&case.database)?;
    let through = |arguments: &[&str]| xtask::run(case.command(arguments).env("DATABASE_URL", bouncer.url()));
    let ran = through(&["up"]).exits(5);
    assert!(ran.stderr.contains("DROP TABLE a: 12 rows"), "{}", ran.stderr);
    let left = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    assert_eq!(case.database.ask(left), "0");
    through(&["up", "--allow-destructive"]).ok();
    assert!(!case.has("a"));
    Ok(())
}

fn cut_off_after_any_message_it_refuses_or_completes_all_the_same() -> Outcome {
    let case = next(3, DROP_A)?;
    let template = case.database.database().name();
    for (arguments, code, left) in [(&["up"][..], 5, "t"), (&["up", "--allow-destructive"], 0, "f")] {
        for point in 0.. {
            let database = TestDatabase::from_template(template)?;
            let mut run = xtask::db(case.workspace.path(), arguments);
            run.env("DATABASE_URL", database.url()).env("STAIRWELL_FAIL_POINT", format!("{point}:cut"));
            let ran = xtask::run(&mut run).exits(code);
            assert_eq!(database.ask("select to_regclass('a') is not null"), left, "point {point}: {ran:?}");
            if !ran.stderr.contains("STAIRWELL_FAIL_POINT") {
                assert!(point > 10, "{point} points are too few: are the fail points compiled in?");
                break;
            }
        }
    }
    Ok(())
}
