//! Up, down and up again, and what each leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use stairwell::migration::{Direction, Migration};

use super::history::History;
use super::roles::Roles;
use crate::harness::database::TestDatabase;
use crate::harness::{Skip, dump};

/// The migrations whose scripts failed and were stepped over, each with its SQLSTATE.
pub(super) type Failed = BTreeMap<String, String>;

/// Something that runs scripts in a database.
pub(super) trait Side {
    /// Runs all of them in this direction, and steps over those that fail.
    fn run(&mut self, direction: Direction) -> Failed;

    /// More to say about the run.
    fn told(&self) -> String {
        String::new()
    }
}

/// What a run left.
pub(super) struct Stage {
    name: &'static str,
    direction: Direction,
    pub(super) failed: Failed,
    schema: String,
    elapsed: Duration,
    told: String,
}

impl Stage {
    pub(super) fn told(&self) -> String {
        /// Of those that fail when a broken way back was gone there can be dozens.
        const MOST: usize = 12;
        let Self { name, elapsed, told, failed, .. } = self;
        let mut text = format!("{name} in {elapsed:.1?}{told}");
        if !failed.is_empty() {
            let names: Vec<_> = failed.iter().take(MOST).map(|(id, state)| format!("{id} ({state})")).collect();
            let more = if failed.len() > MOST { ", …" } else { "" };
            write!(text, "; {} scripts fail: {}{more}", failed.len(), names.join(", ")).unwrap();
        }
        text
    }
}

/// Goes up, down and up again in a database of its own. Nothing is left of that, so that the next side finds the server as this one did.
pub(super) fn stages<'a, S: Side>(
    history: &'a History,
    side: impl FnOnce(&'a History, &TestDatabase) -> S,
) -> Result<Vec<Stage>, Skip> {
    // Dropped after the database.
    let _roles = Roles::of(history)?;
    let database = TestDatabase::new()?;
    dump::programs_fit(&database)?;
    let mut side = side(history, &database);
    let ways = [("up", Direction::Up), ("down", Direction::Down), ("up again", Direction::Up)];
    let stage = |(name, direction)| {
        let started = Instant::now();
        let failed = side.run(direction);
        let elapsed = started.elapsed();
        Stage { name, direction, failed, schema: schema(&database), elapsed, told: side.told() }
    };
    Ok(ways.into_iter().map(stage).collect())
}

/// With what a schema alone does not show: the invalid indexes, which `pg_dump` leaves out, and how many rows each table has. The rows
/// themselves have times in them, and numbers of sequences, which are used up by what is rolled back as well.
fn schema(database: &TestDatabase) -> String {
    let mut client = database.client();
    let mut names =
        |question: &str| -> Vec<String> { client.query(question, &[]).unwrap().iter().map(|row| row.get(0)).collect() };
    let invalid = names("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1");
    let tables = names(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'stairwell') ORDER BY 1",
    );
    let mut text = String::new();
    for index in invalid {
        writeln!(text, "-- Name: {index}; Type: INVALID INDEX").unwrap();
    }
    for table in tables {
        let rows: i64 = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).unwrap().get(0);
        writeln!(text, "-- Name: {table}; Type: ROWS\n{rows}").unwrap();
    }
    text + &dump::dump(database)
}

/// Prints ours; fails with what differs, and with the migrations that speak of it.
pub(super) fn assert_same_stages(history: &History, ours: &[Stage], psqls: &[Stage]) {
    for stage in ours {
        eprintln!("{}: {}", history.name, stage.told());
    }
    for (ours, psqls) in ours.iter().zip(psqls) {
        let stage = format!("{}, {}", history.name, ours.name);
        let differing: Vec<_> = keys(&ours.failed, &psqls.failed)
            .filter(|id| ours.failed.get(*id) != psqls.failed.get(*id))
            .map(|id| format!("{id}: here {}, with psql {}", end(&ours.failed, id), end(&psqls.failed, id)))
            .collect();
        assert!(differing.is_empty(), "{stage}: these do not end as with psql:\n{}", differing.join("\n"));
        assert!(ours.schema == psqls.schema, "{stage}: {}", difference(history, ours, psqls));
    }
}

fn keys<'a>(one: &'a Failed, other: &'a Failed) -> impl Iterator<Item = &'a String> {
    one.keys().chain(other.keys()).collect::<BTreeSet<_>>().into_iter()
}

fn end(failed: &Failed, id: &str) -> String {
    failed.get(id).map_or_else(|| "done".to_owned(), |state| format!("failed with {state}"))
}

/// Objects that are not the same on both sides, and where they come from.
fn difference(history: &History, ours: &Stage, psqls: &Stage) -> String {
    /// More of them help nobody.
    const MOST: usize = 10;
    let (a, b) = (objects(&ours.schema), objects(&psqls.schema));
    let names: BTreeSet<&str> = a.keys().chain(b.keys()).copied().filter(|name| a.get(name) != b.get(name)).collect();
    if names.is_empty() {
        return "pg_dump writes the same objects in another order".to_owned();
    }
    let mut text = format!("{} objects of pg_dump's differ from those that psql left", names.len());
    for header in names.into_iter().take(MOST) {
        let lines = |side: &BTreeMap<&str, Vec<&str>>| {
            side.get(header).map_or("(nothing)".to_owned(), |lines| lines.join("\n"))
        };
        write!(text, "\n\n{header}\n-- here:\n{}\n-- with psql:\n{}", lines(&a).trim(), lines(&b).trim()).unwrap();
        write!(text, "\n-- in: {}", mentioning(history, ours.direction, header).join(", ")).unwrap();
    }
    text
}

/// The text of each object of a dump under its header, `-- Name: …; Type: …; Schema: …; Owner: …`.
fn objects(schema: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut objects: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut header = "-- before the first object";
    for line in schema.lines() {
        if line.starts_with("-- Name: ") {
            header = line;
        }
        objects.entry(header).or_default().push(line);
    }
    objects
}

/// The migrations in which all words of the object's name stand.
fn mentioning(history: &History, direction: Direction, header: &str) -> Vec<String> {
    let name = header
        .trim_start_matches("-- Name: ")
        .split(';')
        .next()
        .unwrap_or_default()
        .split('(')
        .next()
        .unwrap_or_default();
    let script = |migration: &Migration| match direction {
        Direction::Up => Some(migration.up.clone()),
        Direction::Down => migration.down.clone(),
    };
    let mentions = |migration: &&Migration| {
        script(migration).is_some_and(|script| name.split_whitespace().all(|word| script.text().contains(word)))
    };
    history.set.migrations().iter().filter(mentions).map(|migration| migration.id().to_owned()).collect()
}
