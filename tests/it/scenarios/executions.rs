//! An executions API: a database that was there before any migration, with rows, and with a writer that does not stop for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::commands::case::{Case, Files};
use crate::harness::database::TestDatabase;
use crate::harness::{Outcome, Skip};

crate::trials!(
    a_live_database_is_stamped_and_evolves_and_loses_no_row,
    without_the_stamp_the_baseline_is_refused_and_changes_nothing,
);

const BASELINE: Files<'_> = (
    "20260105090000_baseline",
    "-- What was there when this project came to migrations, as `pg_dump --schema-only` had it.

CREATE TABLE api_keys (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    digest     bytea NOT NULL,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE executions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow    text NOT NULL,
    status      text NOT NULL DEFAULT 'queued',
    started_by  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
",
    "-- stairwell: destructive drops executions and api_keys with all their rows
DROP TABLE executions;

DROP TABLE api_keys;
",
);

/// Adds to the table that is written to without rewriting it, and without reading it under a lock that stops writers.
const KEYS: Files<'_> = (
    "20260112101500_executions_have_a_key",
    "ALTER TABLE executions
    ADD COLUMN api_key_id bigint,
    ADD COLUMN attempt integer NOT NULL DEFAULT 1,
    ADD CONSTRAINT executions_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES api_keys (id) NOT VALID,
    ADD CONSTRAINT executions_attempt_check CHECK (attempt >= 1) NOT VALID;
",
    "-- stairwell: destructive drops which key started an execution, and which attempt it was
ALTER TABLE executions
    DROP COLUMN attempt,
    DROP COLUMN api_key_id;
",
);

const QUEUE: Files<'_> = (
    "20260119083000_index_the_queue",
    "-- stairwell: no-transaction
CREATE INDEX CONCURRENTLY executions_queued_idx ON executions (created_at) WHERE status = 'queued';
",
    "-- stairwell: no-transaction
DROP INDEX CONCURRENTLY executions_queued_idx;
",
);

/// A workspace with the three, and a database that has the first by hand, with rows, and no ledger.
fn live() -> Result<Case, Skip> {
    let case = Case::with(&[BASELINE, KEYS, QUEUE])?;
    let mut client = case.database.client();
    client.batch_execute(BASELINE.1).unwrap();
    client
        .batch_execute(
            "INSERT INTO api_keys (name, digest) SELECT 'key ' || n, sha256(n::text::bytea) FROM generate_series(1, 20) AS n;
             INSERT INTO executions (workflow, status, started_by)
             SELECT 'nightly', 'done', 'key ' || (n % 20 + 1) FROM generate_series(1, 20000) AS n;",
        )
        .unwrap();
    Ok(case)
}

/// What a writer saw.
#[derive(Default)]
struct Written {
    /// The keys of the rows that the server said it has.
    acknowledged: Vec<i64>,
    errors: Vec<String>,
    longest: Duration,
}

/// Someone who inserts 200 rows a second on a connection of its own, until stopped.
struct Writer {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<Written>,
}

impl Writer {
    const EVERY: Duration = Duration::from_millis(5);

    fn start(database: &TestDatabase) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut client = database.client();
        let thread = std::thread::spawn({
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            move || {
                let (mut written, mut next) = (Written::default(), Instant::now());
                while !stop.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    match client.query_one("INSERT INTO executions (workflow) VALUES ('live') RETURNING id", &[]) {
                        Ok(row) => written.acknowledged.push(row.get(0)),
                        Err(error) => written.errors.push(error.to_string()),
                    }
                    written.longest = written.longest.max(started.elapsed());
                    count.fetch_add(1, Ordering::Relaxed);
                    // After a wait it catches up, as requests do that have queued.
                    next += Self::EVERY;
                    sleep(next.saturating_duration_since(Instant::now()));
                }
                written
            }
        });
        Self { stop, count, thread }
    }

    /// Waits until so many more inserts have ended.
    fn goes_on(&self, more: usize) {
        let goal = self.count.load(Ordering::Relaxed) + more;
        while self.count.load(Ordering::Relaxed) < goal {
            assert!(!self.thread.is_finished(), "the writer has died");
            sleep(Duration::from_millis(10));
        }
    }

    fn stop(self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// What `db current` prints.
fn current(case: &Case) -> String {
    case.db(&["current"]).ok().stdout.trim_end().to_owned()
}

fn a_live_database_is_stamped_and_evolves_and_loses_no_row() -> Outcome {
    let case = live()?;
    let writer = Writer::start(&case.database);
    writer.goes_on(50);

    case.db(&["stamp", "20260105090000"]).ok();
    assert_eq!(current(&case), BASELINE.0);
    case.db(&["current", "--check"]).exits(1);
    assert_eq!(case.database.applied(), ["20260105090000"]);

    case.db(&["up"]).ok();
    writer.goes_on(50);
    assert_eq!(current(&case), format!("{} (head)", QUEUE.0));
    case.db(&["current", "--check"]).ok();
    assert_eq!(
        case.database.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'executions_queued_idx'::regclass"),
        "t"
    );
    assert_eq!(case.database.ask("SELECT count(*) FILTER (WHERE attempt = 1) = count(*) FROM executions"), "t");

    case.db(&["down", "-1"]).ok();
    assert_eq!(current(&case), KEYS.0);
    assert!(!case.has("executions_queued_idx"));
    case.db(&["down", "-1"]).ok();
    assert_eq!(current(&case), BASELINE.0);
    writer.goes_on(50);
    case.db(&["up", "head"]).ok();
    assert_eq!(current(&case), format!("{} (head)", QUEUE.0));
    writer.goes_on(50);

    let written = writer.stop();
    eprintln!(
        "executions: {} inserts beside stamp, up, down, down, up; the longest took {:?}",
        written.acknowledged.len(),
        written.longest
    );
    assert_eq!(written.errors, Vec::<String>::new());
    let kept = case
        .database
        .client()
        .query_one("SELECT count(*) FROM executions WHERE id = ANY ($1)", &[&written.acknowledged])
        .unwrap();
    assert_eq!(kept.get::<_, i64>(0), i64::try_from(written.acknowledged.len()).unwrap());
    assert_eq!(case.database.ask("SELECT count(*) FROM executions WHERE workflow = 'nightly'"), "20000");
    assert_eq!(case.database.ask("SELECT count(*) FROM api_keys"), "20");
    Ok(())
}

fn without_the_stamp_the_baseline_is_refused_and_changes_nothing() -> Outcome {
    let case = live()?;
    assert_eq!(current(&case), "");
    let ran = case.db(&["up"]).exits(1);
    assert!(ran.stderr.contains("already exists"), "{}", ran.stderr);
    assert_eq!(case.database.applied(), [""; 0]);
    assert_eq!(case.database.ask("SELECT count(*) FROM executions"), "20000");
    Ok(())
}
