//! What the build check costs with 1,000 migrations, beside the floor of only reading the files.
//!
//! `cargo bench --bench build_check` for optimized code; `cargo bench --profile dev --bench build_check` for what an app's build
//! script is by default, which Cargo builds without optimization (this workspace optimizes `sha2` there, see Cargo.toml).

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use stairwell::MigrationSet;
use stairwell::build::{Build, Verdict};

const RUNS: usize = 15;
const MIGRATIONS: u64 = 1_000;

fn main() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("a folder for the migrations: {error}"));
    let folder = folder.path();
    let (floor, bytes) = {
        write_all(folder, "");
        let started = Instant::now();
        let read = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| fs::read(entry.path()).ok());
        let bytes: usize = read.map(|content| content.len()).sum();
        (started.elapsed(), bytes)
    };
    println!("{MIGRATIONS} migrations, {bytes} bytes; reading them alone: {floor:?}; the bar is 100 ms");
    measure("none is locked", folder);
    let set = MigrationSet::from_directory(folder).unwrap_or_else(|error| panic!("{error}"));
    write(folder, "stairwell.lock", &set.lock().to_string());
    measure("all are locked", folder);
    write_all(folder, "-- edited\n");
    measure("all are edited", folder);
}

fn measure(what: &str, folder: &Path) {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            black_box(Verdict::of(folder, &Build::default()).to_string());
            started.elapsed()
        })
        .collect();
    times.sort();
    println!("{what}: median {:?} (min {:?}, max {:?})", times[RUNS / 2], times[0], times[RUNS - 1]);
}

fn write_all(folder: &Path, more: &str) {
    for n in 1..=MIGRATIONS {
        let id = format!("{}_create_t{n}", 20_260_101_000_000 + n);
        let up = format!(
            "-- {id}\n--\n-- Why: the bench wants a table with a key, a foreign key and an index.\n{more}\n\
             CREATE TABLE t{n} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    \
             parent_id bigint REFERENCES t{n} (id),\n    name text NOT NULL CHECK (name <> '')\n);\n\n\
             CREATE INDEX t{n}_parent_id ON t{n} (parent_id);\n"
        );
        write(folder, &format!("{id}.up.sql"), &up);
        write(folder, &format!("{id}.down.sql"), &format!("-- Undoes {id}.\n{more}\nDROP TABLE t{n};\n"));
    }
}

fn write(folder: &Path, file: &str, text: &str) {
    fs::write(folder.join(file), text).unwrap_or_else(|error| panic!("{file}: {error}"));
}
