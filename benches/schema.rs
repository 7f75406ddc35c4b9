//! Reading and comparing schemas: two databases of 1,000 tables, and a migration that writes itself behind the warehouse of the tests.
//!
//! `cargo build --release -p stairwell-xtask && cargo bench --bench schema`. The floor of reading is `pg_dump --schema-only` of the same
//! databases, which asks for each table apart. The server and the variables are those of `cargo bench --bench runner`. Nothing here
//! fails for being slow.

#[path = "runner/clock.rs"]
#[allow(dead_code, reason = "the runner's bench needs more of it")]
mod clock;
#[path = "runner/server.rs"]
#[allow(dead_code, reason = "the runner's bench needs more of it")]
mod server;
#[path = "runner/table.rs"]
#[allow(dead_code, reason = "the runner's bench needs more of it")]
mod table;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use stairwell::postgres::Database;
use stairwell::schema::{Catalog, Without, compare};

use self::clock::Samples;
use self::server::Server;
use self::table::{Bar, Row, Table};

const WAREHOUSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scenarios/warehouse");
const XTASK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/release/xtask");
const TABLES: usize = 1_000;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Box<dyn Error>> {
    let bin = server::binaries()?;
    let server = Server::find(&bin)?;
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|value| value.parse().ok()).unwrap_or(5).max(1);
    println!("Postgres {}; median (least) of {rounds} rounds\n", server.setting("server_version")?);
    let mut table = Table::default();
    large(&server, &bin, rounds, &mut table)?;
    warehouse(&server, rounds, &mut table)?;
    println!("{table}");
    Ok(())
}

/// 1,000 tables of 10 columns; on the new side every tenth has one column more, one of another type, and an index.
fn large(server: &Server, bin: &Path, rounds: usize, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let names = ["stairwell_bench_old", "stairwell_bench_new"];
    let mut databases = Vec::new();
    for (side, name) in names.into_iter().enumerate() {
        let database = Database::parse(&server.create(name)?)?;
        let mut sql = String::new();
        for n in 0..TABLES {
            let columns: Vec<String> = (1..10).map(|c| format!(", c{c} text NOT NULL DEFAULT ''")).collect();
            write!(sql, "CREATE TABLE t{n} (id bigint PRIMARY KEY{}); CREATE INDEX ON t{n} (c1);", columns.concat())?;
            if n > 0 {
                write!(sql, "ALTER TABLE t{n} ADD FOREIGN KEY (id) REFERENCES t{} (id);", n - 1)?;
            }
            if side == 1 && n % 10 == 0 {
                write!(
                    sql,
                    "ALTER TABLE t{n} ADD c10 integer, ALTER c2 TYPE varchar(80); CREATE INDEX ON t{n} (c2, c3);"
                )?;
            }
        }
        database.connect()?.batch_execute(&sql)?;
        databases.push((name, database));
    }
    let (mut reading, mut comparing, mut floor) = (Samples::default(), Samples::default(), Samples::default());
    let mut statements = 0;
    for _ in 0..rounds {
        clock::quiet();
        let begin = Instant::now();
        let mut catalogs = Vec::new();
        for (_, database) in &databases {
            catalogs.push(Catalog::of(database, &Without::default())?);
        }
        reading.add(begin.elapsed());
        let begin = Instant::now();
        let script = compare(&catalogs[0], &catalogs[1]).map_err(|_| "no way from one to the other")?;
        comparing.add(begin.elapsed());
        statements = script.statements.len();
        let begin = Instant::now();
        for (name, _) in &databases {
            let dump = Command::new(bin.join("pg_dump")).args(["--schema-only", "-d", &server.url(name)]).output()?;
            if !dump.status.success() {
                return Err(String::from_utf8_lossy(&dump.stderr).into());
            }
        }
        floor.add(begin.elapsed());
    }
    for (name, _) in &databases {
        server.drop(name)?;
    }
    table.add(Row {
        what: format!("reading two schemas of {TABLES} tables with 10 columns; floor: pg_dump --schema-only"),
        floor: floor.text(),
        ours: reading.text(),
        ratio: Some(reading.over(&floor)),
        bar: Bar::Words("< 2 s", reading.median().as_secs_f64() < 2.0),
        ..Row::default()
    });
    table.add(Row {
        what: format!("comparing them: {statements} statements"),
        ours: comparing.text(),
        bar: Bar::Words("< 100 ms", comparing.median().as_secs_f64() < 0.1),
        ..Row::default()
    });
    Ok(())
}

/// `db new --auto` where one column was added to the desired state.
fn warehouse(server: &Server, rounds: usize, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let has_postgis = Database::parse(&server.url("postgres"))?
        .connect()?
        .query_opt("SELECT FROM pg_available_extensions WHERE name = 'postgis'", &[])?
        .is_some();
    if !Path::new(XTASK).exists() || !has_postgis {
        println!("left out: --auto on the warehouse, for want of target/release/xtask or of PostGIS\n");
        return Ok(());
    }
    let project = tempfile::tempdir()?;
    let folder = project.path().join("migrations");
    fs::write(project.path().join("Cargo.toml"), "[workspace]\nmembers = []\nresolver = \"3\"\n")?;
    fs::create_dir(&folder)?;
    for entry in fs::read_dir(WAREHOUSE)? {
        let path = entry?.path();
        if let Some(name) = path.file_name() {
            fs::copy(&path, folder.join(name))?;
        }
    }
    let run = |arguments: &[&str]| -> Result<String, Box<dyn Error>> {
        let mut command = Command::new(XTASK);
        command.current_dir(project.path()).arg("db").args(arguments).env("DATABASE_URL", server.url("postgres"));
        let output = command.output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        Err(String::from_utf8_lossy(&output.stderr).into())
    };
    run(&["dump"])?;
    let desired = project.path().join("schema.sql");
    let text = fs::read_to_string(&desired)?;
    let some = text.split("CREATE TABLE ").nth(1).and_then(|rest| rest.split_whitespace().next()).ok_or("no table")?;
    fs::write(&desired, format!("{text}\nALTER TABLE {some} ADD COLUMN bench_note text;\n"))?;
    let mut samples = Samples::default();
    // The first makes the template.
    for round in 0..=rounds {
        clock::quiet();
        let begin = Instant::now();
        let written = run(&["new", "bench_note", "--auto"])?;
        if round > 0 {
            samples.add(begin.elapsed());
        }
        for path in written.lines().map(|line| project.path().join(line)).filter(|path| path.is_file()) {
            fs::remove_file(path)?;
        }
    }
    table.add(Row {
        what: "`db new --auto` behind the warehouse's 16 migrations, with a warm template".to_owned(),
        ours: samples.text(),
        bar: Bar::Words("< 2 s", samples.median().as_secs_f64() < 2.0),
        ..Row::default()
    });
    Ok(())
}
