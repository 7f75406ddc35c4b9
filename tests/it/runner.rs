//! What the runner promises, against a real server.

use std::thread;
use std::time::Duration;

use stairwell::postgres::{Event, Ledger, Migrator, RunErrorKind};
use stairwell::{MigrationSet, Target};

use crate::harness::Outcome;
use crate::harness::database::TestDatabase;
use crate::harness::files::set;
use crate::harness::server::server;
use crate::harness::shared::checkout;

crate::trials!(
    nothing_pending_creates_nothing,
    many_go_in_few_messages_and_each_is_recorded_with_its_time,
    what_comes_before_a_failure_stays_and_what_comes_after_does_not_run,
    a_syntax_error_far_behind_does_not_hide_what_comes_before_it,
    session_state_of_one_script_does_not_reach_the_next_or_the_ledger,
    another_ledger_is_another_history,
    a_runner_waits_for_the_lock_and_says_who_has_it,
    a_runner_that_may_not_wait_says_who_has_the_lock,
    a_table_lock_is_waited_for_in_short_tries,
    a_lost_connection_is_looked_up_and_nothing_runs_twice,
    a_server_that_stays_away_leaves_it_open_what_was_under_way,
    two_that_go_opposite_ways_leave_no_gap,
    from_async_code_it_says_what_to_do,
    an_older_release_undoes_what_a_newer_one_did,
    notices_of_scripts_are_heard,
    the_example_backends_migrations_go_up_down_and_up,
);

pub(crate) const DOWN: &str = "select 1;";

pub(crate) fn up(database: &TestDatabase, set: &MigrationSet) -> Vec<String> {
    let report = Migrator::new(set).up(database.database(), Target::Head).unwrap_or_else(|error| panic!("{error}"));
    report.done.into_iter().map(|done| done.id).collect()
}

/// `count` migrations that each make a table.
pub(crate) fn tables(count: usize) -> MigrationSet {
    let scripts: Vec<_> = (1..=count)
        .map(|n| (format!("{n}_t"), format!("create table t{n} (i int primary key);"), format!("drop table t{n};")))
        .collect();
    let borrowed: Vec<_> = scripts.iter().map(|(id, up, down)| (id.as_str(), up.as_str(), down.as_str())).collect();
    set(&borrowed)
}

fn nothing_pending_creates_nothing() -> Outcome {
    let database = TestDatabase::new()?;
    let none = MigrationSet::default();
    assert!(up(&database, &none).is_empty());
    assert!(Migrator::new(&tables(3)).status(database.database()).is_ok());
    assert!(Migrator::new(&tables(3)).down(database.database(), Target::Base).unwrap().done.is_empty());
    assert_eq!(database.ask("SELECT to_regnamespace('stairwell') IS NULL"), "t");
    Ok(())
}

fn many_go_in_few_messages_and_each_is_recorded_with_its_time() -> Outcome {
    let database = TestDatabase::new()?;
    let set = tables(300);
    let mut started = 0;
    let report = Migrator::new(&set)
        .program("tests 1")
        .on_event(|event| started += usize::from(matches!(event, Event::Started { .. })))
        .up(database.database(), Target::Head)
        .unwrap();
    assert_eq!((report.done.len(), report.head.as_deref()), (300, Some("300_t")));
    assert!(report.done.iter().all(|done| done.elapsed.is_some()));
    // A machine that is slow gets narrower messages; the benches count them.
    assert!(started < 300, "{started} messages for 300 migrations");
    assert_eq!(database.ask("SELECT count(*) FROM stairwell.ledger WHERE applied_at >= started_at AND applied_with = 'tests 1' AND state = 'applied'"), "300");
    let report = Migrator::new(&set).down(database.database(), Target::Base).unwrap();
    assert!(report.done.iter().all(|done| done.elapsed.is_some_and(|elapsed| elapsed < Duration::from_secs(60))));
    assert_eq!(
        report.done.iter().map(|done| done.version.get()).collect::<Vec<_>>(),
        (1..=300).rev().collect::<Vec<_>>()
    );
    assert_eq!(database.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    Ok(())
}

fn what_comes_before_a_failure_stays_and_what_comes_after_does_not_run() -> Outcome {
    let database = TestDatabase::new()?;
    let set = set(&[
        ("1_a", "create table a (i int);", DOWN),
        ("2_b", "create table b (i int);", DOWN),
        ("3_c", "create table c (i int); select 1 / (select 0);", DOWN),
        ("4_d", "create table d (i int);", DOWN),
    ]);
    let error = Migrator::new(&set).up(database.database(), Target::Head).unwrap_err();
    assert_eq!(error.state_sentence().as_deref(), Some("2 of 4 applied; 3_c was rolled back; nothing else changed"));
    assert_eq!(database.applied(), ["1", "2"]);
    assert_eq!(
        database.ask("SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'"),
        "a b"
    );
    Ok(())
}

fn a_syntax_error_far_behind_does_not_hide_what_comes_before_it() -> Outcome {
    let database = TestDatabase::new()?;
    let scripts: Vec<_> = (1..=50)
        .map(|n| {
            (
                format!("{n}_t"),
                if n == 37 { "creat table x ();".to_owned() } else { format!("create table t{n} (i int);") },
            )
        })
        .collect();
    let borrowed: Vec<_> = scripts.iter().map(|(id, up)| (id.as_str(), up.as_str(), DOWN)).collect();
    let error = Migrator::new(&set(&borrowed)).up(database.database(), Target::Head).unwrap_err();
    assert!(error.to_string().contains("37_t.up.sql:1:1"), "{error}");
    assert_eq!((error.done, database.applied().len()), (36, 36));
    Ok(())
}

fn session_state_of_one_script_does_not_reach_the_next_or_the_ledger() -> Outcome {
    let database = TestDatabase::new()?;
    let role = format!("{}_guest", database.database().name());
    database.client().batch_execute(&format!("CREATE ROLE \"{role}\"")).unwrap();
    let states = [
        "set search_path = ''".to_owned(),
        "select set_config('search_path', '', false)".to_owned(),
        format!("set role \"{role}\""),
        format!("set session authorization \"{role}\""),
        "reset all".to_owned(),
        "create temporary table probe (i int)".to_owned(),
        "set default_transaction_read_only = on".to_owned(),
        "set standard_conforming_strings = off".to_owned(),
    ];
    let scripts: Vec<_> = states
        .iter()
        .enumerate()
        .flat_map(|(n, state)| {
            let check = "insert into public.seen select current_user = session_user, current_setting('search_path'), to_regclass('pg_temp.probe') is null, '\\'";
            // A build would refuse most of them; who insists is not trusted either.
            let allow = if state.starts_with("create") { "" } else { "-- stairwell: allow session-state it is tested\n" };
            [(format!("{}_state", 2 * n + 2), format!("{allow}{state};")), (format!("{}_check", 2 * n + 3), format!("{check};"))]
        })
        .collect();
    let mut all =
        vec![("1_seen", "create table seen (same_role bool, path text, no_temporary bool, backslash text);", DOWN)];
    all.extend(scripts.iter().map(|(id, up)| (id.as_str(), up.as_str(), DOWN)));
    assert_eq!(up(&database, &set(&all)).len(), all.len());
    assert_eq!(
        database.ask(
            "SELECT count(*) FROM seen WHERE same_role AND no_temporary AND path LIKE '%public%' AND backslash = '\\'"
        ),
        states.len().to_string()
    );
    database.client().batch_execute(&format!("DROP ROLE \"{role}\"")).unwrap();
    Ok(())
}

fn another_ledger_is_another_history() -> Outcome {
    let database = TestDatabase::new()?;
    let ledger = Ledger::new("ops", "migrations").unwrap();
    let report = Migrator::new(&tables(2)).ledger(ledger).up(database.database(), Target::Head).unwrap();
    assert_eq!(report.done.len(), 2);
    assert_eq!(database.ask("SELECT count(*) FROM ops.migrations"), "2");
    assert_eq!(database.applied(), [""; 0]);
    Ok(())
}

/// The statement that takes the lock of the default ledger, read off a message of the runner's own.
fn take_lock(database: &TestDatabase) -> postgres::Client {
    let mut client = database.client();
    let key = stairwell::Checksum::of("stairwell lock stairwell.ledger").to_string();
    let key = u64::from_str_radix(&key[..16], 16).unwrap().cast_signed();
    client
        .batch_execute(&format!("SET application_name = 'someone'; BEGIN; SELECT pg_advisory_xact_lock({key})"))
        .unwrap();
    client
}

fn a_runner_waits_for_the_lock_and_says_who_has_it() -> Outcome {
    let database = TestDatabase::new()?;
    up(&database, &tables(1));
    let mut holder = take_lock(&database);
    let mut heard = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(600));
            holder.batch_execute("COMMIT").unwrap();
        });
        let set = tables(3);
        let report = Migrator::new(&set)
            .on_event(|event| heard.push(event.to_string()))
            .up(database.database(), Target::Head)
            .unwrap();
        assert_eq!(report.done.len(), 2);
    });
    assert!(
        heard.iter().any(|event| event.contains("waiting for the migration lock") && event.contains("`someone`")),
        "{heard:?}"
    );
    Ok(())
}

fn a_runner_that_may_not_wait_says_who_has_the_lock() -> Outcome {
    let database = TestDatabase::new()?;
    let _holder = take_lock(&database);
    let error =
        Migrator::new(&tables(1)).lock_wait(Some(Duration::ZERO)).up(database.database(), Target::Head).unwrap_err();
    assert!(
        matches!(&error.kind, RunErrorKind::Locked { holder: Some(holder), .. } if holder.application == "someone"),
        "{error}"
    );
    assert_eq!(database.ask("SELECT to_regclass('t1') IS NULL"), "t");
    Ok(())
}

fn a_table_lock_is_waited_for_in_short_tries() -> Outcome {
    let database = TestDatabase::new()?;
    up(&database, &tables(1));
    let mut reader = database.client();
    reader.batch_execute("BEGIN; SELECT * FROM t1").unwrap();
    let set = set(&[
        ("1_t", "create table t1 (i int primary key);", "drop table t1;"),
        ("2_add", "-- stairwell: lock-timeout 100ms\nalter table t1 add column j int;", DOWN),
    ]);
    let mut retries = 0;
    let mut migrator = Migrator::new(&set).on_event(|event| {
        if let Event::Retrying { reason, .. } = event {
            assert_eq!(*reason, "55P03");
            retries += 1;
            if retries == 2 {
                reader.batch_execute("COMMIT").unwrap();
            }
        }
    });
    migrator.up(database.database(), Target::Head).unwrap();
    drop(migrator);
    assert_eq!(retries, 2);
    assert_eq!(database.applied(), ["1", "2"]);
    Ok(())
}

fn a_lost_connection_is_looked_up_and_nothing_runs_twice() -> Outcome {
    let database = TestDatabase::new()?;
    let set = set(&[
        ("1_a", "create table a (i int); insert into a values (1);", DOWN),
        // Kills its own backend the first time that it runs.
        (
            "2_b",
            "insert into a values (2); select case when (select count(*) from pg_stat_activity where application_name = 'sentinel') > 0 then pg_terminate_backend(pg_backend_pid()) end;",
            DOWN,
        ),
        ("3_c", "insert into a values (3);", DOWN),
    ]);
    let mut sentinel = Some(database.client());
    sentinel.as_mut().unwrap().batch_execute("SET application_name = 'sentinel'").unwrap();
    let mut reconnected = 0;
    let mut migrator = Migrator::new(&set).on_event(|event| {
        if matches!(event, Event::Reconnecting { .. }) {
            reconnected += 1;
            drop(sentinel.take());
        }
    });
    let report = migrator.up(database.database(), Target::Head).unwrap_or_else(|error| panic!("{error}"));
    drop(migrator);
    assert_eq!((report.done.len(), reconnected), (3, 1));
    assert_eq!(database.ask("SELECT string_agg(i::text, ' ' ORDER BY i) FROM a"), "1 2 3");
    Ok(())
}

fn a_server_that_stays_away_leaves_it_open_what_was_under_way() -> Outcome {
    let database = TestDatabase::new()?;
    let set = set(&[
        ("1_a", "create table a (i int);", DOWN),
        ("2_b", "create table b (i int);", DOWN),
        ("3_c", "select pg_terminate_backend(pg_backend_pid());", DOWN),
    ]);
    let name = database.database().name().to_owned();
    let mut admin = server()?.connect().unwrap();
    let mut migrator = Migrator::new(&set).on_event(|event| {
        if matches!(event, Event::Reconnecting { .. }) {
            admin.batch_execute(&format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false")).unwrap();
        }
    });
    let error = migrator.up(database.database(), Target::Head).unwrap_err();
    drop(migrator);
    admin.batch_execute(&format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true")).unwrap();
    let sentence = error.state_sentence().unwrap();
    assert!(sentence.starts_with("at least 2 of 3 applied; what was under way"), "{error}");
    assert_eq!(database.applied(), ["1", "2"]);
    Ok(())
}

/// A listener that does this once, before the first script is sent.
fn at_first_script(what: &dyn Fn()) -> impl FnMut(&Event<'_>) {
    let mut done = false;
    move |event| {
        if matches!(event, Event::Started { .. }) && !std::mem::replace(&mut done, true) {
            what();
        }
    }
}

fn two_that_go_opposite_ways_leave_no_gap() -> Outcome {
    let database = TestDatabase::new()?;
    let set = tables(30);
    let steps = |n: usize| Target::Steps(n.try_into().unwrap());
    Migrator::new(&set).up(database.database(), steps(15)).unwrap();
    // Between the plan and the first script of one, the other goes the other way.
    let down = || drop(Migrator::new(&set).down(database.database(), steps(5)).unwrap());
    let error = Migrator::new(&set).on_event(at_first_script(&down)).up(database.database(), Target::Head).unwrap_err();
    assert!(error.to_string().contains("another runner is going the other way"), "{error}");
    assert_eq!((error.done, database.applied().len()), (0, 10));
    let up = || drop(Migrator::new(&set).up(database.database(), Target::Head).unwrap());
    let error = Migrator::new(&set).on_event(at_first_script(&up)).down(database.database(), steps(5)).unwrap_err();
    assert!(error.to_string().contains("0 of 5 undone; nothing else changed"), "{error}");
    assert_eq!(database.applied().len(), 30);
    Ok(())
}

fn from_async_code_it_says_what_to_do() -> Outcome {
    let database = TestDatabase::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error =
        runtime.block_on(async { Migrator::new(&tables(1)).up(database.database(), Target::Head).unwrap_err() });
    assert!(error.to_string().contains("postgres::spawn"), "{error}");
    Ok(())
}

fn an_older_release_undoes_what_a_newer_one_did() -> Outcome {
    let database = TestDatabase::new()?;
    up(&database, &tables(3));
    let older = tables(2);
    let error = Migrator::new(&older).up(database.database(), Target::Head).unwrap_err();
    assert!(error.to_string().contains("`3_t` is applied in this database, and its file is not here"), "{error}");
    let report = Migrator::new(&older).down(database.database(), Target::Version("2".parse().unwrap())).unwrap();
    assert_eq!(report.done.iter().map(|done| done.id.as_str()).collect::<Vec<_>>(), ["3_t"]);
    assert_eq!(database.ask("SELECT to_regclass('t3') IS NULL"), "t");
    assert!(up(&database, &older).is_empty());
    Ok(())
}

fn notices_of_scripts_are_heard() -> Outcome {
    let database = TestDatabase::new()?;
    let set = set(&[("1_a", "do $$ begin raise notice 'backfilled % rows', 7; end $$;", DOWN)]);
    let mut heard = Vec::new();
    Migrator::new(&set).on_event(|event| heard.push(event.to_string())).up(database.database(), Target::Head).unwrap();
    assert!(heard.iter().any(|event| event.contains("backfilled 7 rows")), "{heard:?}");
    Ok(())
}

fn the_example_backends_migrations_go_up_down_and_up() -> Outcome {
    let set = MigrationSet::from_directory(checkout("migrations")).unwrap_or_else(|error| panic!("{error}"));
    let database = TestDatabase::new()?;
    let count =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'i', 'S')";
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    // One at a time, so that each down script is tried on exactly what its up script made.
    for migration in set.migrations() {
        let to = Target::Version(migration.version);
        let before = database.ask(count);
        Migrator::new(&set).up(database.database(), to).unwrap_or_else(|error| panic!("{error}"));
        Migrator::new(&set)
            .down(database.database(), Target::Steps(1.try_into().unwrap()))
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(database.ask(count), before, "{}", migration.id());
        Migrator::new(&set).up(database.database(), to).unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(database.ask(tables), "9");
    Migrator::new(&set).down(database.database(), Target::Base).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(database.ask(count), "0");
    assert_eq!(up(&database, &set).len(), set.migrations().len());
    Ok(())
}
