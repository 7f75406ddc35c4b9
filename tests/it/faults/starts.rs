//! Rows 32 and 33: many that start at once.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{DOWN, with_parameter};
use crate::commands::case::{Case, at_once};
use crate::harness::{Outcome, xtask};

crate::trials!(f32_many_start_at_once_on_an_empty_database, f33_a_migration_that_fails_in_three_replicas);

fn f32_many_start_at_once_on_an_empty_database() -> Outcome {
    const INSTANCES: usize = 32;
    let case = Case::with(&[("1_start", "create table ran (n int); insert into ran values (1);", "drop table ran;")])?;
    for n in 2..=20 {
        case.workspace.write(&format!("{n}_step.up.sql"), format!("insert into ran values ({n});"));
        case.workspace.write(&format!("{n}_step.down.sql"), format!("delete from ran where n = {n};"));
    }
    // All of them are there by then, and wait.
    case.workspace.write("5_step.up.sql", "insert into ran values (5); select pg_sleep(3);");
    let concurrently = "-- stairwell: no-transaction\ncreate unique index concurrently ran_n on ran (n);";
    case.workspace.write("10_step.up.sql", concurrently);
    case.workspace.write("10_step.down.sql", "-- stairwell: no-transaction\ndrop index concurrently ran_n;");
    let commands: Vec<Command> = (0..INSTANCES)
        .map(|n| {
            let mut command = xtask::db(case.workspace.path(), &["up"]);
            command.env("DATABASE_URL", with_parameter(case.database.url(), &format!("application_name=instance_{n}")));
            command
        })
        .collect();
    let over = AtomicBool::new(false);
    let (ran, most) = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut client = case.database.client();
            let mut most: BTreeMap<String, i64> = BTreeMap::new();
            while !over.load(Ordering::Relaxed) {
                // One that its client has closed may be there a little longer: those that have just been opened do not count.
                let sample = "SELECT application_name, count(*) FROM pg_stat_activity \
                              WHERE datname = current_database() AND application_name LIKE 'instance%' \
                              AND clock_timestamp() - backend_start > interval '1 s' GROUP BY 1";
                for row in client.query(sample, &[]).unwrap() {
                    let (name, count): (String, i64) = (row.get(0), row.get(1));
                    let most = most.entry(name).or_default();
                    *most = count.max(*most);
                }
                thread::sleep(Duration::from_millis(20));
            }
            most
        });
        let ran = at_once(commands);
        over.store(true, Ordering::Relaxed);
        (ran, sampler.join().unwrap())
    });
    for ran in ran {
        let ran = ran.ok();
        for code in ["23505", "42710", "42P06", "42P07", "40P01", "error"] {
            assert!(!ran.stderr.contains(code) && !ran.stdout.contains(code), "{code} in {ran:?}");
        }
    }
    assert!(!most.is_empty() && most.values().all(|count| *count <= 2), "{most:?}");
    assert_eq!(case.database.applied().len(), 20);
    assert_eq!(case.database.ask("select count(*) || ' ' || count(distinct n) from ran"), "19 19");
    assert_eq!(case.database.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ran_n'::regclass"), "t");
    assert_eq!(case.locked().len(), 40);
    Ok(())
}

fn f33_a_migration_that_fails_in_three_replicas() -> Outcome {
    let case = Case::with(&[
        ("1_a", "create table a (i int);", "drop table a;"),
        ("2_b", "insert into a values (1); select 1 / (select count(*) from a where i > 1);", DOWN),
    ])?;
    // Sessions of the apps, which a lock of a session's could stay with.
    let mut pool: Vec<_> = (0..3).map(|_| case.database.client()).collect();
    let mut replicas: Vec<_> =
        (0..3).map(|_| case.command(&["up"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()).collect();
    let began = Instant::now();
    for replica in &mut replicas {
        let code = loop {
            if let Some(status) = replica.try_wait().unwrap() {
                break status.code();
            }
            assert!(began.elapsed() < Duration::from_secs(120), "a replica hangs");
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(code, Some(1));
    }
    for client in &mut pool {
        client.batch_execute("SELECT 1").unwrap();
    }
    let locks = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                 WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    assert_eq!(case.database.ask(locks), "0");
    assert_eq!(case.database.applied(), ["1"]);
    assert_eq!(case.database.ask("SELECT count(*) FROM a"), "0");
    // The next release mends it.
    case.workspace.write("2_b.up.sql", "insert into a values (1);");
    case.db(&["up"]).ok();
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}
