//! What a run reports as done outlives a crash of the server that follows.

use stairwell::Target;
use stairwell::postgres::{Migrator, Transactions};

use crate::harness::Outcome;
use crate::harness::cluster::{Cluster, Stop};
use crate::harness::files::set;

crate::trials!(what_a_run_reported_outlives_a_crash_of_the_server);

/// That many migrations, the last of them with this script.
fn migrations(count: usize, last: &str) -> stairwell::MigrationSet {
    let scripts: Vec<_> = (1..=count)
        .map(|n| (format!("{n}_t"), if n == count { last.to_owned() } else { format!("create table t{n} (i int);") }))
        .collect();
    let borrowed: Vec<_> = scripts.iter().map(|(id, up)| (id.as_str(), up.as_str(), "select 1;")).collect();
    set(&borrowed)
}

fn what_a_run_reported_outlives_a_crash_of_the_server() -> Outcome {
    // Nothing but a commit that waits writes the log to disk for ten seconds.
    let mut cluster = Cluster::new(&["wal_writer_delay=10s", "bgwriter_delay=10s"])?;
    let cases = [
        ("whole", "create table last (i int);", Transactions::Each, 40),
        ("failed", "select 1 / (select 0);", Transactions::Each, 39),
        ("single", "create table last (i int);", Transactions::Single, 40),
        ("single_failed", "select 1 / (select 0);", Transactions::Single, 0),
    ];
    for (name, last, transactions, expected) in cases {
        cluster.client().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let database = cluster.database().with_name(name);
        let set = migrations(40, last);
        let reported = match Migrator::new(&set).transactions(transactions).up(&database, Target::Head) {
            Ok(report) => report.done.len(),
            Err(error) => error.done,
        };
        cluster.stop(Stop::Immediate);
        cluster.start();
        let mut client = database.connect().unwrap();
        let tables: i64 =
            client.query_one("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", &[]).unwrap().get(0);
        assert_eq!((reported, usize::try_from(tables).unwrap()), (expected, expected), "{name}");
        if expected > 0 {
            let rows: i64 = client.query_one("SELECT count(*) FROM stairwell.ledger", &[]).unwrap().get(0);
            assert_eq!(usize::try_from(rows).unwrap(), expected, "{name}");
        }
    }
    Ok(())
}
