//! What the build check costs: 1,000 migrations, every file of which has changed since the last build.
//!
//! `cargo bench --bench build_check` for optimized code; `cargo bench --profile dev --bench build_check` for what an app's build
//! script is by default, which Cargo builds without optimization.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use stairwell::build::{Build, Verdict};

const RUNS: usize = 15;

fn main() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("a folder for the migrations: {error}"));
    for n in 1..=1_000_u64 {
        let id = format!("{}_create_t{n}", 20_260_101_000_000 + n);
        let up = format!(
            "-- {id}\n--\n-- Why: the bench wants a table with a key, a foreign key and an index.\n\n\
             CREATE TABLE t{n} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    parent_id bigint REFERENCES t{n} (id),\n    name text NOT NULL CHECK (name <> '')\n);\n\n\
             CREATE INDEX t{n}_parent_id ON t{n} (parent_id);\n"
        );
        write(folder.path(), &format!("{id}.up.sql"), &up);
        write(folder.path(), &format!("{id}.down.sql"), &format!("-- Undoes {id}.\n\nDROP TABLE t{n};\n"));
    }
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            let verdict = Verdict::of(folder.path(), &Build::default());
            black_box(verdict.to_string());
            started.elapsed()
        })
        .collect();
    times.sort();
    // The floor: the same files, read and not looked at.
    let started = Instant::now();
    let bytes: usize = fs::read_dir(folder.path())
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| fs::read(e.path()).ok())
        .map(|b| b.len())
        .sum();
    let floor = started.elapsed();
    println!(
        "build check, 1,000 migrations, all unlocked: median {:?} (min {:?}, max {:?}); reading the {bytes} bytes alone: {floor:?}; the bar is 100 ms",
        times[RUNS / 2],
        times[0],
        times[RUNS - 1]
    );
}

fn write(folder: &std::path::Path, file: &str, text: &str) {
    fs::write(folder.join(file), text).unwrap_or_else(|error| panic!("{file}: {error}"));
}
