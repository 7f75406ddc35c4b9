//! Rows 24, 25 and 34: locks that others hold, and the runner's own that is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use stairwell::Target;
use stairwell::postgres::{Event, Migrator, RunErrorKind};

use super::{DOWN, until};
use crate::commands::case::Case;
use crate::harness::database::{TestDatabase, ask};
use crate::harness::files::set;
use crate::harness::xtask::{self, Ran};
use crate::harness::{Outcome, Skip};

crate::trials!(
    f24_a_table_that_a_long_reader_holds,
    f25_a_deadlock_with_the_app,
    f34_the_lock_is_lost_while_a_script_runs_outside_of_a_transaction,
);

fn f24_a_table_that_a_long_reader_holds() -> Outcome {
    const TRIES: u32 = 3;
    let case =
        Case::with(&[("1_t", "create table t (i int);", DOWN), ("2_add", "alter table t add column j int;", DOWN)])?;
    let (database, set) = (&case.database, case.workspace.set());
    case.db(&["up", "1"]).ok();
    let mut reporting = database.client();
    reporting.batch_execute("SET application_name = 'nightly report'; BEGIN; SELECT * FROM t").unwrap();
    let pid = ask(&mut reporting, "SELECT pg_backend_pid()");

    let over = AtomicBool::new(false);
    let mut retries = Vec::new();
    let began = Instant::now();
    let (error, longest_wait) = thread::scope(|scope| {
        let readers = scope.spawn(|| {
            let mut reader = database.client();
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                reader.batch_execute("SELECT count(*) FROM t").unwrap();
                longest = longest.max(began.elapsed());
                thread::sleep(Duration::from_millis(5));
            }
            longest
        });
        let error = Migrator::new(&set)
            .tries(TRIES.try_into().unwrap())
            .on_event(|event| {
                if matches!(event, Event::Retrying { .. }) {
                    retries.push(event.to_string());
                }
            })
            .up(database.database(), Target::Head)
            .map(drop);
        over.store(true, Ordering::Relaxed);
        (error.unwrap_err(), readers.join().unwrap())
    });
    // Each try keeps readers out for two seconds at most; between them the readers get their turn.
    let all = began.elapsed();
    assert!(all >= Duration::from_secs(2) * TRIES, "{all:?}");
    assert!(longest_wait * 3 < all * 2, "a reader waited for {longest_wait:?} of {all:?}");
    assert_eq!(retries.len() + 1, TRIES as usize, "{retries:?}");
    for text in retries.iter().chain([&error.to_string()]) {
        assert!(text.contains("nightly report") && text.contains(&pid) && text.contains("55P03"), "{text}");
    }
    assert!(matches!(error.kind, RunErrorKind::Script(_)), "{error}");
    assert!(error.to_string().contains("0 of 1 applied; 2_add was rolled back"), "{error}");
    assert_eq!(database.applied(), ["1"]);
    let ran = case.db(&["up", "--tries", "1"]).exits(1);
    assert!(ran.stderr.contains("nightly report"), "{}", ran.stderr);
    reporting.batch_execute("COMMIT").unwrap();
    case.db(&["up"]).ok();
    assert_eq!(database.applied(), ["1", "2"]);
    Ok(())
}

fn f25_a_deadlock_with_the_app() -> Outcome {
    let database = &TestDatabase::new()?;
    // The first try holds `a` until the app waits for it, and then asks for `b`, which the app has.
    let script = "-- stairwell: lock-timeout 60s
        lock table a;
        do $$ begin
            if nextval('tries') = 1 then
                while not exists (select from pg_locks where relation = 'a'::regclass and not granted) loop
                    perform pg_sleep(0.01);
                end loop;
            end if;
        end $$;
        lock table b;
        insert into a values (1);";
    let set = set(&[
        ("1_t", "create table a (i int); create table b (i int); create sequence tries;", DOWN),
        ("2_both", script, DOWN),
    ]);
    Migrator::new(&set).up(database.database(), Target::Steps(1.try_into().unwrap())).unwrap();
    let mut app = database.client();
    // It is the runner that finds the deadlock, and so the runner whose transaction is rolled back.
    app.batch_execute("SET deadlock_timeout = '10min'; BEGIN; LOCK TABLE b").unwrap();
    let mut reasons = Vec::new();
    thread::scope(|scope| {
        // A panic here takes the session along, and so lets the runner go on.
        scope.spawn(move || {
            until("the migration has `a`", || {
                database.ask("SELECT count(*) FROM pg_locks WHERE relation = 'a'::regclass AND granted AND mode = 'AccessExclusiveLock'") == "1"
            });
            app.batch_execute("LOCK TABLE a; COMMIT").unwrap();
        });
        Migrator::new(&set)
            .on_event(|event| {
                if let Event::Retrying { reason, .. } = event {
                    reasons.push((*reason).to_owned());
                }
            })
            .up(database.database(), Target::Head)
            .unwrap_or_else(|error| panic!("{error}"));
    });
    assert_eq!(reasons, ["40P01"]);
    assert_eq!(database.applied(), ["1", "2"]);
    assert_eq!(database.ask("SELECT count(*) FROM a"), "1");
    Ok(())
}

/// The server process of the session that holds the migration lock while `statement` runs in another one.
fn holder_while_it_runs(case: &Case, statement: &str) -> String {
    let running = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '{statement}%'"
    );
    until("the script runs", || case.database.ask(&running) == "1");
    let holders = "SELECT string_agg(DISTINCT l.pid::text, ' ') FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                   WHERE l.locktype = 'advisory' AND a.datname = current_database() AND a.state = 'idle in transaction'";
    let holder = case.database.ask(holders);
    assert!(holder.parse::<u32>().is_ok(), "one session holds the lock: {holder}");
    holder
}

/// Two runs of `db up`: the second starts when the lock of the first has been lost. `release` lets the script of the first come
/// to its end, and owns what holds it up: a panic lets it go on as well.
fn second_after_the_lock_is_lost(case: &Case, statement: &str, release: impl FnOnce()) -> [Ran; 2] {
    let (mut first, mut second) = (case.command(&["up"]), case.command(&["up"]));
    thread::scope(|scope| {
        let first = scope.spawn(move || xtask::run(&mut first));
        let holder = holder_while_it_runs(case, statement);
        assert_eq!(case.database.ask(&format!("SELECT pg_terminate_backend({holder})")), "t");
        let second = scope.spawn(move || xtask::run(&mut second));
        // Time for the second to take the lock, which is free now, and to do what it must not.
        thread::sleep(Duration::from_secs(2));
        release();
        [first.join().unwrap(), second.join().unwrap()]
    })
}

fn f34_the_lock_is_lost_while_a_script_runs_outside_of_a_transaction() -> Outcome {
    an_index_is_built_once()?;
    a_statement_runs_once()
}

fn an_index_is_built_once() -> Result<(), Skip> {
    let case = Case::with(&[
        ("1_t", "create table t (i int);", "drop table t;"),
        ("2_i", "-- stairwell: no-transaction\ncreate index concurrently t_i on t (i);", "drop index t_i;"),
    ])?;
    case.db(&["up", "1"]).ok();
    let mut writer = case.database.client();
    writer.batch_execute("BEGIN; INSERT INTO t VALUES (1)").unwrap();
    let [first, second] = second_after_the_lock_is_lost(&case, "create index concurrently", move || {
        writer.batch_execute("COMMIT").unwrap();
    });
    assert!(first.stderr.contains("lost"), "the first tells that its lock is gone: {first:?}");
    assert_eq!((first.code, second.code), (0, 0), "{first:?} {second:?}");
    assert_eq!(
        case.database.ask("SELECT string_agg(indisvalid::text, ' ') FROM pg_index WHERE indrelid = 't'::regclass"),
        "true"
    );
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn a_statement_runs_once() -> Result<(), Skip> {
    // What it leaves shows how often it ran, and it waits for a lock as long as the test wants.
    let statement = "with gate as materialized (select count(*) from gate) insert into ran select count from gate";
    let case = Case::with(&[
        ("1_t", "create table gate (i int); create table ran (n bigint);", "drop table gate, ran;"),
        ("2_ran", &format!("-- stairwell: no-transaction\n{statement};"), DOWN),
    ])?;
    case.db(&["up", "1"]).ok();
    let mut gate = case.database.client();
    gate.batch_execute("BEGIN; LOCK TABLE gate").unwrap();
    let [first, second] = second_after_the_lock_is_lost(&case, "with gate as", move || {
        gate.batch_execute("COMMIT").unwrap();
    });
    assert!(first.stderr.contains("lost"), "the first tells that its lock is gone: {first:?}");
    assert_eq!(case.database.ask("SELECT count(*) FROM ran"), "1", "{first:?} {second:?}");
    assert_eq!((first.code, second.code), (0, 0), "{first:?} {second:?}");
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}
