//! The warehouse of the tests, all up and all down: 28 tables with foreign keys and indexes, and PostGIS under them.
//!
//! `cargo bench --bench warehouse`, beside the floor: psql with the same files in one go, in as few transactions as they allow. The
//! server and the variables are those of `cargo bench --bench runner`; most of an `up` is `CREATE EXTENSION postgis`, which is shown
//! for itself. Nothing here fails for being slow.

#[path = "runner/child.rs"]
mod child;
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
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use stairwell::MigrationSet;
use stairwell::migration::{Mode, Script};
use stairwell::postgres::Database;

use self::child::Job;
use self::clock::Samples;
use self::server::Server;
use self::table::{Bar, Row, Table};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scenarios/warehouse");

fn main() -> ExitCode {
    child::main_or(measure)
}

fn measure() -> Result<(), Box<dyn Error>> {
    let bin = server::binaries()?;
    let server = Server::find(&bin)?;
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|value| value.parse().ok()).unwrap_or(5).max(1);
    let mut client = Database::parse(&server.url("postgres"))?.connect()?;
    let Some(row) =
        client.query_opt("SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'", &[])?
    else {
        println!("left out: the server has no PostGIS (Debian: `apt-get install postgresql-15-postgis-3`)");
        return Ok(());
    };
    drop(client);
    let (postgis, version): (String, _) = (row.get(0), server.setting("server_version")?);
    let set = MigrationSet::from_directory(FOLDER)?;
    println!(
        "Postgres {version}, PostGIS {postgis}, {} migrations; median (least) of {rounds} rounds\n",
        set.migrations().len()
    );

    let scripts = tempfile::tempdir()?;
    let ups = set.migrations().iter().map(|migration| &migration.up);
    let downs = set.migrations().iter().rev().filter_map(|migration| migration.down.as_ref());
    let ways =
        [(Job::Up, write(scripts.path(), "up.sql", ups)?), (Job::Down, write(scripts.path(), "down.sql", downs)?)];
    let (mut ours, mut floors, mut extension) =
        (<[Samples; 2]>::default(), <[Samples; 2]>::default(), Samples::default());
    for round in 0..rounds {
        let (url, floor_url) = (server.create("stairwell_bench_ours")?, server.create("stairwell_bench_floor")?);
        for (way, (job, file)) in ways.iter().enumerate() {
            // Whoever is first in one round is second in the next.
            for turn in [round % 2, (round + 1) % 2] {
                let (mut command, samples) = if turn == 0 {
                    (child::command(*job, Path::new(FOLDER), &url)?, &mut ours[way])
                } else {
                    (psql(&bin, &floor_url, &["-f"], Some(file)), &mut floors[way])
                };
                clock::quiet();
                samples.add(clock::timed(&mut command)?.wall);
            }
        }
        let url = server.create("stairwell_bench_ours")?;
        clock::quiet();
        extension.add(clock::timed(&mut psql(&bin, &url, &["-c", "CREATE EXTENSION postgis"], None))?.wall);
    }
    server.drop("stairwell_bench_ours")?;
    server.drop("stairwell_bench_floor")?;

    let mut table = Table::default();
    for (way, (what, words, most)) in [("up", "< 10 s", 10.0), ("down", "< 5 s", 5.0)].into_iter().enumerate() {
        table.add(Row {
            what: format!("all {what}; floor: psql -f"),
            floor: floors[way].text(),
            ours: ours[way].text(),
            ratio: Some(ours[way].over(&floors[way])),
            bar: Bar::Words(words, ours[way].median().as_secs_f64() < most),
            ..Row::default()
        });
    }
    table.add(Row {
        what: "of that: psql -c 'CREATE EXTENSION postgis' alone".to_owned(),
        floor: extension.text(),
        ..Row::default()
    });
    println!("{table}");
    Ok(())
}

/// psql, which reads no `~/.psqlrc`, for this database.
fn psql(bin: &Path, url: &str, arguments: &[&str], file: Option<&PathBuf>) -> Command {
    let mut command = Command::new(bin.join("psql"));
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", url]).args(arguments).args(file);
    command
}

/// One file of many scripts. A transaction ends only where one of them cannot be in any.
fn write<'a>(folder: &Path, name: &str, scripts: impl Iterator<Item = &'a Script>) -> Result<PathBuf, Box<dyn Error>> {
    let (mut all, mut open) = (String::new(), false);
    for script in scripts {
        let transactional = script.mode() == Mode::Transaction;
        match (open, transactional) {
            (false, true) => all.push_str("BEGIN;\n"),
            (true, false) => all.push_str("COMMIT;\n"),
            _ => {}
        }
        open = transactional;
        writeln!(all, "\\i {FOLDER}/{}", script.file())?;
    }
    if open {
        all.push_str("COMMIT;\n");
    }
    let path = folder.join(name);
    fs::write(&path, all)?;
    Ok(path)
}
