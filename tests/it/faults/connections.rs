//! Rows 31 and 36: replies that are lost, and servers that cannot be used, or not yet.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use stairwell::postgres::{Database, Event, Migrator, RunError};
use stairwell::{MigrationSet, Target};

use super::{DOWN, until};
use crate::commands::case::{Case, Role};
use crate::harness::cluster::{Cluster, Stop};
use crate::harness::database::TestDatabase;
use crate::harness::files::set;
use crate::harness::proxy::{Moment, Query, Refusal};
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(f31_the_connection_is_cut_after_commit_was_sent, f36_a_server_that_cannot_be_used_or_not_yet);

fn f31_the_connection_is_cut_after_commit_was_sent() -> Outcome {
    the_command_looks_it_up()?;
    every_message_may_be_lost()
}

fn the_command_looks_it_up() -> Result<(), Skip> {
    for moment in [Moment::Answered, Moment::Forwarded] {
        let case = Case::with(&[
            ("1_a", "create table ran (n int); insert into ran values (1);", "drop table ran;"),
            ("2_b", "insert into ran values (2);", DOWN),
            ("3_c", "insert into ran values (3);", DOWN),
        ])?;
        let with_the_commit = Query::With("insert into ran values (2)".to_owned());
        let proxy = case.database.proxy().cut(with_the_commit, moment).start().unwrap();
        let mut command = case.command(&["up"]);
        let ran = xtask::run(command.env("DATABASE_URL", case.database.url_through(&proxy))).ok();
        assert_eq!(proxy.counts().cut, 1);
        assert!(ran.stderr.contains("the connection was lost"), "{}", ran.stderr);
        assert_eq!(case.database.applied(), ["1", "2", "3"]);
        assert_eq!(case.database.ask("SELECT string_agg(n::text, ' ' ORDER BY n) FROM ran"), "1 2 3");
        // Each is told as applied, once.
        for id in ["1_a", "2_b", "3_c"] {
            assert_eq!(format!("{}{}", ran.stdout, ran.stderr).matches(&format!("] {id}")).count(), 1, "{ran:?}");
        }
    }
    Ok(())
}

/// The same for whatever message of a run, scripts outside of a transaction included.
fn every_message_may_be_lost() -> Outcome {
    let set = set(&[
        ("1_a", "create table ran (n int); insert into ran values (1);", DOWN),
        ("2_b", "insert into ran values (2);", DOWN),
        ("3_i", "-- stairwell: no-transaction\ncreate unique index concurrently ran_n on ran (n);", DOWN),
        ("4_d", "insert into ran values (4);", DOWN),
    ]);
    let all = {
        let database = TestDatabase::new()?;
        let proxy = database.proxy().start().unwrap();
        let through = database.through(&proxy);
        Migrator::new(&set).up(&through, Target::Head).unwrap();
        proxy.counts().queries
    };
    let cuts: Vec<Cut> = (1..=all).flat_map(|n| [(n, Moment::Answered), (n, Moment::Forwarded)]).collect();
    // Most of the time is waiting before the next try to connect.
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(cut) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    applies_all_once(&set, cut);
                }
            });
        }
    });
    Ok(())
}

type Cut = (u64, Moment);

fn applies_all_once(set: &MigrationSet, (n, moment): &Cut) {
    let Ok(database) = TestDatabase::new() else {
        unreachable!("there was one a moment ago");
    };
    let proxy = database.proxy().cut(Query::Nth(*n), *moment).start().unwrap();
    let through = database.through(&proxy);
    let report = Migrator::new(set)
        .up(&through, Target::Head)
        .unwrap_or_else(|error| panic!("message {n}, {moment:?}: {error}"));
    assert_eq!(proxy.counts().cut, 1, "message {n}, {moment:?}");
    let done: Vec<u64> = report.done.iter().map(|done| done.version.get()).collect();
    assert_eq!(done, [1, 2, 3, 4], "message {n}, {moment:?}");
    assert_eq!(database.applied(), ["1", "2", "3", "4"], "message {n}, {moment:?}");
    assert_eq!(database.ask("SELECT string_agg(n::text, ' ' ORDER BY n) FROM ran"), "1 2 4");
    let indexes = "SELECT string_agg(indisvalid::text, ' ') FROM pg_index WHERE indrelid = 'ran'::regclass";
    assert_eq!(database.ask(indexes), "true", "message {n}, {moment:?}");
}

/// What was said of each trouble.
type Said = BTreeMap<&'static str, String>;

fn f36_a_server_that_cannot_be_used_or_not_yet() -> Outcome {
    let mut said = Said::new();
    refused_for_good(&mut said)?;
    not_yet(&mut said)?;
    servers_of_another_kind(&mut said)?;
    // Whoever reads one of them knows which it is.
    for (one, text) in &said {
        for (other, same) in &said {
            assert!(one == other || text != same, "{one} and {other}: {text}");
        }
    }
    Ok(())
}

fn one_table() -> MigrationSet {
    set(&[("1_a", "create table a (i int);", DOWN)])
}

/// Notes the diagnosis: one line with the reason in it, a remedy below it, and nothing was done.
#[track_caller]
fn note(said: &mut Said, what: &'static str, error: &RunError, words: &[&str]) {
    let text = error.to_string();
    let (line, rest) = text.split_once('\n').unwrap_or((&text, ""));
    for word in words {
        assert!(text.contains(word), "{what}: {word} in {text}");
    }
    assert!(rest.contains("help: "), "{what} has no remedy: {text}");
    assert_eq!(error.done, 0);
    // Without the name and place of the database, in which they differ anyway.
    let reason = line.rsplit_once(": ").map_or(line, |(_, reason)| reason);
    said.insert(what, format!("{reason}\n{rest}"));
}

/// Tries once: what would pass is not waited for.
fn fails_at_once(database: &Database) -> RunError {
    let mut connecting = 0;
    let error = Migrator::new(&one_table())
        .connect_wait(Duration::ZERO)
        .on_event(|event| connecting += usize::from(matches!(event, Event::Connecting { .. })))
        .up(database, Target::Head)
        .unwrap_err();
    assert_eq!(connecting, 0);
    error
}

/// What will be the same in a moment is not asked again, however long it may take to connect.
fn fails_for_good(database: &Database) -> RunError {
    let mut connecting = 0;
    let error = Migrator::new(&one_table())
        .connect_wait(Duration::from_secs(600))
        .on_event(|event| connecting += usize::from(matches!(event, Event::Connecting { .. })))
        .up(database, Target::Head)
        .unwrap_err();
    assert_eq!(connecting, 0, "{error}");
    error
}

fn refused_for_good(said: &mut Said) -> Result<(), Skip> {
    let (role, limited) = (Role::new("")?, Role::new("CONNECTION LIMIT 1")?);
    let database = TestDatabase::new()?;
    let as_role = Database::parse(&role.url(&database)).unwrap();

    let missing = database.database().with_name("no_such_database");
    note(said, "a missing database", &fails_for_good(&missing), &["no_such_database", "cargo xtask db create"]);

    let words = ["42501", "GRANT CREATE ON DATABASE"];
    note(said, "no right to create the ledger", &fails_for_good(&as_role), &words);

    let name = database.database().name();
    let mut admin = database.client();
    admin.batch_execute(&format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on")).unwrap();
    note(
        said,
        "a database that is read-only",
        &fails_for_good(database.database()),
        &["read-only", "default_transaction_read_only"],
    );
    assert_eq!(database.ask("SELECT to_regnamespace('stairwell') IS NULL"), "t");
    admin.batch_execute(&format!("ALTER DATABASE \"{name}\" RESET default_transaction_read_only")).unwrap();

    // A role's limit, as the server's own, is a matter of time.
    let as_limited = Database::parse(&limited.url(&database)).unwrap();
    let other = as_limited.connect().unwrap();
    note(said, "a role without a free slot", &fails_at_once(&as_limited), &["too many connections for role"]);
    admin
        .batch_execute(&format!(
            "GRANT CREATE ON DATABASE \"{name}\" TO {}; GRANT CREATE ON SCHEMA public TO {0}",
            limited.name
        ))
        .unwrap();
    let mut other = Some(other);
    let mut tries = 0;
    Migrator::new(&one_table())
        .on_event(|event| {
            if matches!(event, Event::Connecting { .. }) {
                tries += 1;
                drop(other.take());
            }
        })
        .up(&as_limited, Target::Head)
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(tries > 0);
    admin.batch_execute(&format!("DROP OWNED BY {}", limited.name)).unwrap();
    Ok(())
}

fn not_yet(said: &mut Said) -> Result<(), Skip> {
    let refusals = [
        ("a server that starts", "57P03", "the database system is starting up"),
        ("a server that stops", "57P03", "the database system is shutting down"),
        ("a server without a free slot", "53300", "sorry, too many clients already"),
    ];
    for (what, sqlstate, message) in refusals {
        let database = TestDatabase::new()?;
        let proxy = database.proxy().refuse_first(3, Refusal { sqlstate, message }).start().unwrap();
        let through = database.through(&proxy);
        note(said, what, &fails_at_once(&through), &[message]);
        let mut heard = Vec::new();
        let report = Migrator::new(&one_table())
            .on_event(|event| {
                if matches!(event, Event::Connecting { .. }) {
                    heard.push(event.to_string());
                }
            })
            .up(&through, Target::Head)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((report.done.len(), proxy.counts().refused), (1, 3), "{what}");
        assert!(heard.len() == 2 && heard.iter().all(|event| event.contains(message)), "{heard:?}");
        // The wait has an end.
        proxy.refuse(u64::MAX, Refusal { sqlstate, message });
        let error = Migrator::new(&one_table())
            .connect_wait(Duration::from_millis(300))
            .up(&through, Target::Head)
            .unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    nobody_speaks(said);
    nobody_listens(said)
}

/// A server that is stopped takes a connection, and never says a word.
fn nobody_speaks(said: &mut Said) {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgresql://u@127.0.0.1:{port}/d?connect_timeout=1");
    let database = Database::parse(&url).unwrap();
    note(said, "a server that never answers", &fails_for_good(&database), &["no answer within 1s", "connect_timeout"]);
}

fn nobody_listens(said: &mut Said) -> Result<(), Skip> {
    let database = TestDatabase::new()?;
    let proxy = database.proxy().start().unwrap();
    let through = database.through(&proxy);
    proxy.close();
    note(said, "a server that does not run", &fails_for_good(&through), &["is the server running"]);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            proxy.open().unwrap();
        });
        let mut tries = 0;
        Migrator::new(&one_table())
            .server_wait(Duration::from_secs(60))
            .on_event(|event| tries += usize::from(matches!(event, Event::Connecting { .. })))
            .up(&through, Target::Head)
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(tries > 0);
    });
    Ok(())
}

fn servers_of_another_kind(said: &mut Said) -> Result<(), Skip> {
    let slots = ["max_connections=4", "superuser_reserved_connections=1", "max_wal_senders=3", "wal_level=replica"];
    let primary = Cluster::new(&slots)?;
    primary
        .client()
        .batch_execute(
            "CREATE ROLE app LOGIN; GRANT CREATE ON DATABASE postgres TO app; GRANT CREATE ON SCHEMA public TO app",
        )
        .unwrap();
    let as_app = Database::parse(&primary.url_as("app", "postgres")).unwrap();
    let mut others = Vec::new();
    // The sessions that made the role may take a moment to leave.
    until("all slots are taken", || {
        others.extend(as_app.connect());
        others.len() == 3
    });
    let error = fails_at_once(&as_app);
    assert!(error.to_string().contains("max_connections"), "{error}");
    // A slot is free as soon as one of the others leaves.
    let mut tries = 0;
    Migrator::new(&one_table())
        .on_event(|event| {
            if matches!(event, Event::Connecting { .. }) {
                tries += 1;
                others.clear();
            }
        })
        .up(&as_app, Target::Head)
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(tries > 0);

    let two = set(&[("1_a", "create table a (i int);", DOWN), ("2_b", "create table b (i int);", DOWN)]);
    let mut standby = primary.standby(&["max_connections=4", "max_wal_senders=3", "hot_standby=on"])?;
    until("the standby takes connections", || standby.database().connect().is_ok());
    let error = Migrator::new(&two).up(&standby.database(), Target::Head).unwrap_err();
    note(said, "a standby", &error, &["standby", "connect to the primary"]);
    // Nothing to do is nothing to refuse: an app may start beside a standby.
    until("the standby has what the primary has", || {
        Migrator::new(&one_table()).up(&standby.database(), Target::Head).is_ok_and(|report| report.done.is_empty())
    });

    // A real server that answers and is not ready: the words differ from version to version, the code does not.
    standby.stop(Stop::Fast);
    let closed = primary.standby(&["max_connections=4", "max_wal_senders=3", "hot_standby=off"])?;
    let code = || closed.database().connect().err().and_then(|error| error.sqlstate().map(str::to_owned));
    until("it refuses connections in words of its own", || code().as_deref() == Some("57P03"));
    let error = fails_at_once(&closed.database());
    assert!(error.to_string().contains("help: the server is starting or stopping"), "{error}");
    Ok(())
}
