//! How long `db lint --all` takes for 1,000 migrations, beside a command that only reads and checks the same files:
//! `cargo bench -p stairwell-xtask --bench lint`. With real histories in `STAIRWELL_TEST_HISTORIES`, a folder of folders, these as well.

#![expect(clippy::expect_used, reason = "a benchmark that cannot set itself up ends")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MIGRATIONS: usize = 1_000;
const ROUNDS: usize = 7;

/// What migrations do, over and over; `#` is a number.
const SHAPES: [&str; 10] = [
    "CREATE TABLE t# (id bigint PRIMARY KEY, name varchar(40) NOT NULL, price numeric(10, 2), at timestamptz DEFAULT now());\n\
     CREATE INDEX t#_name ON t# (name);\nCREATE INDEX t#_at ON t# (at DESC) WHERE price > 0;",
    "ALTER TABLE t0 ADD COLUMN c# text;\nALTER TABLE t0 ADD COLUMN d# jsonb NOT NULL DEFAULT '{}';",
    "CREATE INDEX i# ON t0 (name, price);",
    "ALTER TABLE t0 ADD CONSTRAINT k# CHECK (price > 0) NOT VALID;",
    "ALTER TABLE t0 VALIDATE CONSTRAINT k#;",
    "CREATE FUNCTION f#(a bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN a + #; END $$;",
    "CREATE VIEW v# AS SELECT t.id, t.name, sum(t.price) OVER (PARTITION BY t.name ORDER BY t.at) AS total FROM t0 t WHERE t.at > now() - interval '1 day';",
    "UPDATE t0 SET name = lower(name) WHERE id BETWEEN # AND # + 1000 AND name <> lower(name);",
    "ALTER TABLE t0 ALTER COLUMN name TYPE text;\nCOMMENT ON COLUMN t0.name IS 'what it is called';",
    "GRANT SELECT, INSERT ON t0 TO app;\nINSERT INTO kinds (id, name) VALUES (#, 'one'), (# + 1, 'two'), (# + 2, 'three');",
];

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let migrations = folder.path().join("migrations");
    fs::create_dir(&migrations).expect("a folder");
    fs::write(folder.path().join("Cargo.toml"), "[workspace]\n").expect("a file");
    for n in 0..MIGRATIONS {
        let up = SHAPES[n % SHAPES.len()].replace('#', &(n - n % SHAPES.len()).to_string());
        let version = 20_260_101_000_000 + n;
        fs::write(migrations.join(format!("{version}_m{n}.up.sql")), up).expect("a file");
        fs::write(migrations.join(format!("{version}_m{n}.down.sql")), "SELECT 1;\n").expect("a file");
    }
    let mut report = String::new();
    let _ = writeln!(report, "{}", line(&format!("{MIGRATIONS} migrations"), folder.path(), &migrations));
    let histories = std::env::var_os("STAIRWELL_TEST_HISTORIES");
    for history in histories.iter().flat_map(|folder| fs::read_dir(folder).expect("the folder")) {
        let path = history.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let _ = writeln!(report, "{}", line(&name, folder.path(), &path));
    }
    print!("{report}");
}

/// The medians of both commands, and their ratio.
fn line(name: &str, workspace: &Path, migrations: &Path) -> String {
    let lint = median(|| timed(workspace, migrations, &["lint", "--all", "--json"]));
    let floor = median(|| timed(workspace, migrations, &["lock", "--check"]));
    let ratio = lint.as_secs_f64() / floor.as_secs_f64();
    format!("{name}: lint {lint:.0?}, only read and checked {floor:.0?}: {ratio:.1} x")
}

fn timed(workspace: &Path, migrations: &Path, arguments: &[&str]) -> Duration {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("db").args(arguments).arg("--dir").arg(migrations).current_dir(workspace);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).env_remove("CI");
    let started = Instant::now();
    let status = command.status().expect("the command runs");
    let elapsed = started.elapsed();
    // It finds something, and nothing is locked.
    assert!(matches!(status.code(), Some(0 | 1 | 3)), "{status}");
    elapsed
}

fn median(mut measure: impl FnMut() -> Duration) -> Duration {
    measure();
    let mut all: Vec<Duration> = (0..ROUNDS).map(|_| measure()).collect();
    all.sort_unstable();
    all[ROUNDS / 2]
}
