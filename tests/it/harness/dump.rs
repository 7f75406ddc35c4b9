//! Schemas as `pg_dump` has them.

use std::process::{Command, Stdio};

use super::database::TestDatabase;
use super::{Outcome, Skip};

/// The schema as `pg_dump` has it, without the ledger, and without what differs each time the same SQL is run: the random key in
/// the `\restrict` lines of newer versions, and the attribute option `pg_attver`, in which Debian's 15.20 keeps a number of its own.
pub(crate) fn dump(database: &TestDatabase) -> String {
    dump_without(database, &[])
}

/// The same without these tables, which another tool has made for itself.
pub(crate) fn dump_without(database: &TestDatabase, tables: &[&str]) -> String {
    let tables = tables.iter().map(|table| format!("--exclude-table={table}"));
    dumped(database, &std::iter::once("--exclude-schema=stairwell".to_owned()).chain(tables).collect::<Vec<_>>())
}

/// What the ledger is made of.
fn dump_of_ledger(database: &TestDatabase) -> String {
    dumped(database, &["--schema=stairwell".to_owned()])
}

fn dumped(database: &TestDatabase, selection: &[String]) -> String {
    let mut command = Command::new("pg_dump");
    command.args(["--schema-only", "--no-owner", "--dbname", database.url()]).args(selection);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let differs = |line: &&str| {
        line.starts_with("\\restrict") || line.starts_with("\\unrestrict") || line.contains(" SET (pg_attver=")
    };
    text.lines().filter(|line| !differs(line)).collect::<Vec<_>>().join("\n")
}

/// Fails with the first lines that differ, and not with two whole dumps.
#[track_caller]
pub(crate) fn assert_same(what: &str, ours: &str, theirs: &str) {
    let differing: Vec<_> = ours.lines().zip(theirs.lines()).enumerate().filter(|(_, (a, b))| a != b).take(5).collect();
    assert!(
        ours == theirs,
        "{what}: {} and {} lines; first differences: {differing:#?}",
        ours.lines().count(),
        theirs.lines().count()
    );
}

/// Fails unless both have the same schema, and ledgers that are made alike and have the same rows, times aside.
#[track_caller]
pub(crate) fn assert_same_databases(one: &TestDatabase, other: &TestDatabase) {
    assert_same_whole(&whole(one), &whole(other));
}

/// A schema, the definition of its ledger, and that one's rows.
pub(crate) struct Whole([String; 3]);

/// All that two databases must have in common if the same was done with them.
pub(crate) fn whole(database: &TestDatabase) -> Whole {
    Whole([dump(database), dump_of_ledger(database), ledger(database)])
}

/// [`assert_same_databases`], where one of them may be gone by now.
#[track_caller]
pub(crate) fn assert_same_whole(one: &Whole, other: &Whole) {
    for (what, (one, other)) in
        ["schema", "the ledger's definition", "the ledger's rows"].into_iter().zip(one.0.iter().zip(&other.0))
    {
        assert_same(what, one, other);
    }
}

/// The ledger, without times.
fn ledger(database: &TestDatabase) -> String {
    let columns = "version, name, checksum, fingerprint, up_script, down_script, state, progress, applied_by, applied_with, unfinished, remarks";
    database.ask(&format!(
        "SELECT string_agg(l::text, E'\\n') FROM (SELECT {columns} FROM stairwell.ledger ORDER BY version) l"
    ))
}

/// Whether psql and pg_dump are here, and pg_dump is not older than the server: it refuses newer ones.
pub(crate) fn programs_fit(database: &TestDatabase) -> Outcome {
    let version = |program: &str| {
        let output =
            Command::new(program).arg("--version").output().map_err(|_| Skip(format!("{program} is not here")))?;
        Ok::<_, Skip>(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    version("psql")?;
    let dump = version("pg_dump")?;
    let major = |text: &str| text.split(|c: char| !c.is_ascii_digit()).find_map(|number| number.parse::<u32>().ok());
    let server = database.ask("SHOW server_version");
    if major(&dump) < major(&server) {
        return Err(Skip(format!("{} is older than the server, {server}", dump.trim())));
    }
    Ok(())
}

/// Runs a script with psql, which stops at the first error; that fails the test.
#[track_caller]
pub(crate) fn psql(database: &TestDatabase, script: &str) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, script.as_bytes()).unwrap();
    let output = Command::new("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url(), "-f"])
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
