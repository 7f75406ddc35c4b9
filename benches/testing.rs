//! How long a test waits for its database, with 100 migrations: beside a bare `CREATE DATABASE … TEMPLATE`, and beside `#[sqlx::test]`.
//!
//! `cargo bench --profile dev --bench testing`, since tests are built so. The peer is built from `benches/testing/sqlx`, which fetches sqlx;
//! where that fails it is left out. The server is that of users' tests, with the same variables. Nothing here fails for being slow.

#[path = "runner/chain.rs"]
#[allow(dead_code, reason = "the runner's bench needs more of it")]
mod chain;
#[path = "runner/clock.rs"]
#[allow(dead_code, reason = "the runner's bench needs more of it")]
mod clock;
#[path = "runner/table.rs"]
#[allow(dead_code, reason = "the runner's bench needs more of it")]
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use stairwell::MigrationSet;
use stairwell::postgres::{Migrator, Password};
use stairwell::testing::{self, TestDatabase};

use self::chain::Chain;
use self::clock::Samples;
use self::table::{Bar, Row, Table};

const MIGRATIONS: usize = 100;
/// Tests of one process, one after the other.
const TESTS: usize = 20;
/// Says that this process is one with tests: the folder with their migrations.
const ROLE: &str = "STAIRWELL_BENCH_IS_TESTS";
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/testing/sqlx/Cargo.toml");

fn main() -> ExitCode {
    let outcome = match std::env::var(ROLE) {
        Ok(folder) => tests(Path::new(&folder)),
        Err(_) => measure(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints for each test after how many microseconds it had its database, and when that had answered.
fn tests(folder: &Path) -> Result<(), Box<dyn Error>> {
    for _ in 0..TESTS {
        let began = Instant::now();
        let db = TestDatabase::new(folder);
        let made = began.elapsed();
        db.client().simple_query("SELECT 1")?;
        println!("{} {}", made.as_micros(), began.elapsed().as_micros());
    }
    Ok(())
}

fn measure() -> Result<(), Box<dyn Error>> {
    let server = testing::server().map_err(|error| error.to_string())?;
    let mut admin = server.connect()?;
    let version: String = admin.query_one("SHOW server_version", &[])?.get(0);
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|value| value.parse().ok()).unwrap_or(5).max(1);
    println!("Postgres {version}; median (least) of {rounds} × {TESTS} tests\n");
    let chain = Chain::write(MIGRATIONS)?;
    let peer = peer();
    admin.batch_execute("DROP DATABASE IF EXISTS stairwell_bench_template")?;
    admin.batch_execute("CREATE DATABASE stairwell_bench_template TEMPLATE template0 ENCODING 'UTF8'")?;
    let template = server.with_name("stairwell_bench_template");
    Migrator::new(&MigrationSet::from_directory(chain.migrations())?).up(&template, stairwell::Target::Head)?;

    let (mut bare, mut made) = (Samples::default(), Samples::default());
    let (mut ready, mut sqlx) = (Samples::default(), Samples::default());
    let (mut cold, mut first) = (Samples::default(), Samples::default());
    for round in 0..=rounds {
        clock::quiet();
        let times = ours(&chain.migrations())?;
        for (n, (has, answered)) in times.into_iter().enumerate() {
            match (round, n) {
                // The first process of all makes the template, and in each the first test looks for the server.
                (0, 0) => cold.add(answered),
                (_, 0) => first.add(answered),
                _ => {
                    made.add(has);
                    ready.add(answered);
                }
            }
        }
        for time in floor(&mut admin)? {
            bare.add(time);
        }
        if let Some(peer) = &peer {
            let command = &mut Command::new(peer);
            command.arg(chain.migrations()).arg(TESTS.to_string()).env("DATABASE_URL", server.to_url(Password::Show));
            let output = command.output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into());
            }
            for line in String::from_utf8(output.stdout)?.lines() {
                sqlx.add(Duration::from_micros(line.parse()?));
            }
        }
    }
    admin.batch_execute("DROP DATABASE stairwell_bench_template")?;

    let mut table = Table::default();
    table.add(Row {
        what: "a test has its database; floor: a bare `CREATE DATABASE … TEMPLATE`".to_owned(),
        ratio: Some(made.over(&bare)),
        floor: bare.text(),
        ours: made.text(),
        bar: Bar::Ratio(1.3),
        ..Row::default()
    });
    if !sqlx.is_empty() {
        table.add(Row {
            what: "it has answered a query; floor: `#[sqlx::test]`".to_owned(),
            ratio: Some(ready.over(&sqlx)),
            floor: sqlx.text(),
            ours: ready.text(),
            bar: Bar::Ratio(0.1),
            ..Row::default()
        });
    }
    for (what, times) in [("the same, the first test of a process", first), ("the very first, with the template", cold)]
    {
        table.add(Row { what: what.to_owned(), ours: times.text(), ..Row::default() });
    }
    println!("{table}");
    Ok(())
}

/// A process with tests.
fn ours(folder: &Path) -> Result<Vec<(Duration, Duration)>, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?).env(ROLE, folder).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let said = String::from_utf8(output.stdout)?;
    let times = said.lines().filter_map(|line| {
        let (made, answered) = line.split_once(' ')?;
        Some((Duration::from_micros(made.parse().ok()?), Duration::from_micros(answered.parse().ok()?)))
    });
    Ok(times.collect())
}

/// The statement alone, on a connection that is there. What was made is dropped meanwhile, as tests do.
fn floor(client: &mut postgres::Client) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::new();
    for n in 0..TESTS {
        let began = Instant::now();
        client.batch_execute(&format!("CREATE DATABASE stairwell_bench_{n} TEMPLATE stairwell_bench_template"))?;
        times.push(began.elapsed());
        client.batch_execute(&format!("DROP DATABASE stairwell_bench_{n}"))?;
    }
    Ok(times)
}

/// The program with `#[sqlx::test]`, built if it can be.
fn peer() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-sqlx");
    let mut build = Command::new(env!("CARGO"));
    // By the same profile as this program.
    let (profile, folder) = if cfg!(debug_assertions) { ("dev", "debug") } else { ("release", "release") };
    build
        .args(["build", "--profile", profile, "--locked", "--quiet", "--manifest-path", PEER, "--target-dir"])
        .arg(&target);
    if build.status().is_ok_and(|status| status.success()) {
        return Some(target.join(folder).join("sqlx-test"));
    }
    println!("left out: #[sqlx::test], since {PEER} cannot be built\n");
    None
}
