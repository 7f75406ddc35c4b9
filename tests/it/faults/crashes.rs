//! Rows 27 and 30: the client, a backend or the server is killed in the middle of a run.

use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use stairwell::postgres::{Event, Migrator};
use stairwell::{MigrationSet, Target};

use super::{DOWN, until};
use crate::commands::case::Case;
use crate::harness::Outcome;
use crate::harness::cluster::{Cluster, Stop, signal};
use crate::harness::files::set;

crate::trials!(f27_the_client_is_killed_in_a_transaction, f30_a_backend_or_the_server_is_killed_during_a_run);

fn f27_the_client_is_killed_in_a_transaction() -> Outcome {
    let case = Case::with(&[
        ("1_t", "create table t (i int); create table slow (seconds float); insert into slow values (600);", DOWN),
        ("2_u", "create table u (i int); insert into t values (2); select pg_sleep(seconds) from slow;", DOWN),
    ])?;
    case.db(&["up", "1"]).ok();
    // Older servers look at the client only when they have something to say to it.
    let notices = case.database.ask("SELECT current_setting('server_version_num')::int >= 140000") == "t";
    if !notices {
        case.database.client().batch_execute("UPDATE slow SET seconds = 5").unwrap();
    }
    let mut runner = case.command(&["up"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    until("the script sleeps", || case.database.ask(sleeping) == "1");
    runner.kill().unwrap();
    runner.wait().unwrap();
    let began = Instant::now();
    let locks = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                 WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    until("the lock is free", || case.database.ask(locks) == "0");
    eprintln!("f27: the lock was free {:?} after the kill", began.elapsed());
    assert!(!case.has("u"));
    assert_eq!(
        (case.database.applied(), case.database.ask("SELECT count(*) FROM t")),
        (vec!["1".to_owned()], "0".to_owned())
    );
    case.database.client().batch_execute("TRUNCATE slow").unwrap();
    case.db(&["up"]).ok();
    assert_eq!(case.database.applied(), ["1", "2"]);
    assert_eq!(case.database.ask("SELECT count(*) FROM t"), "1");
    Ok(())
}

/// Migrations that each leave a row, and take their time.
fn rows(count: usize) -> MigrationSet {
    let scripts: Vec<_> = (1..=count)
        .map(|n| match n {
            1 => ("1_ran".to_owned(), "create table ran (n int); insert into ran values (1);".to_owned()),
            n => (format!("{n}_row"), format!("insert into ran values ({n}); select pg_sleep(0.02);")),
        })
        .collect();
    let borrowed: Vec<_> = scripts.iter().map(|(id, up)| (id.as_str(), up.as_str(), DOWN)).collect();
    set(&borrowed)
}

/// The server process of the runner.
fn backend(cluster: &Cluster) -> u32 {
    let mut pid = String::new();
    until("the runner is there", || {
        pid = cluster
            .ask("SELECT min(pid) FROM pg_stat_activity WHERE application_name = 'stairwell' AND state = 'active'");
        pid != "NULL"
    });
    pid.parse().unwrap()
}

/// Does something bad to a server, and leaves it running.
type Fault = fn(&mut Cluster);

fn f30_a_backend_or_the_server_is_killed_during_a_run() -> Outcome {
    const COUNT: usize = 60;
    let mut cluster = Cluster::new(&[])?;
    let mut misreported = Vec::new();
    let faults: [(&str, Fault); 6] = [
        ("pg_terminate_backend", |cluster| {
            let pid = backend(cluster);
            cluster.ask(&format!("SELECT pg_terminate_backend({pid})"));
        }),
        // The server ends all other sessions and recovers.
        ("SIGKILL of a backend", |cluster| signal("KILL", backend(cluster))),
        ("a restart", |cluster| {
            cluster.stop(Stop::Fast);
            cluster.start();
        }),
        ("an immediate shutdown", |cluster| {
            cluster.stop(Stop::Immediate);
            cluster.start();
        }),
        ("SIGKILL of the postmaster", |cluster| {
            cluster.kill();
            cluster.start();
        }),
        ("a server that is away for a while", |cluster| {
            cluster.stop(Stop::Fast);
            thread::sleep(Duration::from_secs(2));
            cluster.start();
        }),
    ];
    for (n, (what, fault)) in faults.into_iter().enumerate() {
        let name = format!("f30_{n}");
        cluster.client().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let database = cluster.database().with_name(&name);
        let set = rows(COUNT);
        let (sender, due) = channel();
        let mut reconnected = 0;
        thread::scope(|scope| {
            let cluster = &mut cluster;
            scope.spawn(move || {
                due.recv().unwrap();
                fault(cluster);
            });
            let mut sender = Some(sender);
            let report = Migrator::new(&set)
                // A slow machine recovers slowly.
                .connect_wait(Duration::from_secs(600))
                .server_wait(Duration::from_secs(600))
                .on_event(|event| match event {
                    // Others are on their way by then.
                    Event::Done { position: 5.., .. } => drop(sender.take().map(|sender| sender.send(()).unwrap())),
                    Event::Reconnecting { .. } => reconnected += 1,
                    _ => {}
                })
                .up(&database, Target::Head)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let done: Vec<u64> = report.done.iter().map(|done| done.version.get()).collect();
            if done != (1..=COUNT as u64).collect::<Vec<_>>() {
                misreported.push(format!("{what}: {done:?}"));
            }
        });
        assert!(reconnected > 0, "{what}: the run was over before");
        let mut client = database.connect().unwrap();
        let ask = |client: &mut postgres::Client, question: &str| crate::harness::database::ask(client, question);
        assert_eq!(ask(&mut client, "SELECT count(*) || ' ' || count(DISTINCT n) FROM ran"), "60 60", "{what}");
        assert_eq!(
            ask(&mut client, "SELECT count(*) || ' ' || max(version) FROM stairwell.ledger WHERE state = 'applied'"),
            "60 60",
            "{what}"
        );
    }
    // What a crash of the server takes back, since it was not on its disk yet, is applied again: it was done once, and is told once.
    assert_eq!(misreported, [""; 0]);
    Ok(())
}
