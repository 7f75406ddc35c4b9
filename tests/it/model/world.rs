//! The real thing beside the model: a database, a folder of files, and runners.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, SimpleQueryMessage};
use stairwell::plan::{PlanError, State};
use stairwell::postgres::{Database, Event, Interruption, Migrator, Report, RunError, RunErrorKind, Transactions};
use stairwell::{MigrationSet, OutOfOrder, Target, Version};

use super::child;
use super::script::{self, Down, File, Kind, Up};
use super::state::{End, Go, Goal, Model, Row};
use crate::harness::Skip;
use crate::harness::database::TestDatabase;
use crate::harness::files::Workspace;

/// How a runner dies, or what else befalls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Well,
    /// The client dies when it says something for the n-th time: between two messages.
    AtEvent(u32),
    /// The server's process dies in the middle of the n-th piece of a script, and the client with it.
    InScript(u32),
    /// The server's process dies there, and the client connects again.
    Cut(u32),
    /// The server's process dies while it builds or drops an index, and the client with it.
    InBuild,
    /// The client's process is killed at the n-th fail point of the library, from 0.
    Killed(u32),
    /// Its connection is cut there, and it connects again.
    CutAt(u32),
}

/// What a runner that died panics with; no panic hook hears of it.
struct Died;

/// A line of `trace.ran`: version, direction, revision.
pub(super) type Trace = (u64, String, u32);

/// What is in the database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Version, checksum, state, progress, down script.
    rows: BTreeMap<u64, (String, State, usize, Option<String>)>,
    /// Everything that ever ran.
    pub(super) ran: Vec<Trace>,
    /// Tables, with the revision that made them.
    pub(super) tables: BTreeMap<u64, u32>,
    /// Indexes: whether they are valid, their fill factor, and their identity.
    pub(super) indexes: BTreeMap<u64, (bool, u32, String)>,
    pub(super) duplicates: bool,
}

/// A database and a folder, used by one case after the other.
pub(super) struct World {
    database: TestDatabase,
    client: Client,
    folder: Workspace,
    /// Every up script that this case has had, by its checksum, and every down script, by its text.
    ups: BTreeMap<String, Up>,
    downs: BTreeMap<String, Down>,
}

impl World {
    pub(super) fn new() -> Result<Self, Skip> {
        let database = TestDatabase::new()?;
        // Here clients die, and server processes; the machine does not. So nobody waits for its disk.
        let setting = format!("alter database \"{}\" set synchronous_commit = off", database.database().name());
        database.client().batch_execute(&setting).unwrap();
        let mut client = database.client();
        client.batch_execute("set client_min_messages = warning").unwrap();
        Ok(Self { database, client, folder: Workspace::new(), ups: BTreeMap::new(), downs: BTreeMap::new() })
    }

    /// Makes it as empty as a case begins.
    pub(super) fn begin(&mut self) {
        self.await_end_of_sessions();
        self.client.batch_execute(script::GROUND).unwrap();
        self.ups.clear();
        self.downs.clear();
    }

    pub(super) fn sql(&mut self, text: &str) -> Result<(), postgres::Error> {
        self.client.batch_execute(text)
    }

    /// Writes the files, and reads them as the product does.
    pub(super) fn set(&mut self, files: &BTreeMap<u64, File>) -> MigrationSet {
        for entry in std::fs::read_dir(self.folder.migrations()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (version, File { up, down }) in files {
            self.folder.write(&format!("{version}_m.up.sql"), up.text(*version));
            if let Some(text) = down.text(*version, up.kind) {
                self.folder.write(&format!("{version}_m.down.sql"), &text);
                self.downs.insert(text, *down);
            }
        }
        let set = self.folder.set();
        for migration in set.migrations() {
            self.ups.insert(migration.up.checksum().to_string(), files[&migration.version.get()].up);
        }
        set
    }

    /// Runs, and waits until the server has noticed the end of it.
    pub(super) fn go(&mut self, model: &Model, go: Go, fate: Fate) -> (End, usize) {
        let set = self.set(&model.files);
        self.arm(fate);
        let url = self.database.url();
        let end = match fate {
            Fate::Killed(at) => child::run(&self.folder.migrations(), url, go, &format!("{at}:kill")),
            Fate::CutAt(at) => child::run(&self.folder.migrations(), url, go, &format!("{at}:cut")),
            _ => run(self.database.database(), &set, model, go, fate),
        };
        self.await_end_of_sessions();
        self.arm(Fate::Well);
        end
    }

    /// Two at once; the first one's fate may be a bad one.
    pub(super) fn together(&mut self, model: &Model, goes: [Go; 2], fate: Fate) -> [(End, usize); 2] {
        let set = self.set(&model.files);
        self.arm(fate);
        let ends = thread::scope(|scope| {
            let (set, database) = (&set, self.database.database());
            let (folder, url) = (self.folder.migrations(), self.database.url());
            let first = scope.spawn(move || match fate {
                Fate::Killed(at) => child::run(&folder, url, goes[0], &format!("{at}:kill")),
                fate => run(database, set, model, goes[0], fate),
            });
            let second = scope.spawn(move || run(database, set, model, goes[1], Fate::Well));
            [first.join().unwrap(), second.join().unwrap()]
        });
        self.await_end_of_sessions();
        self.arm(Fate::Well);
        ends
    }

    fn arm(&mut self, fate: Fate) {
        let at = if let Fate::InScript(at) | Fate::Cut(at) = fate { at } else { 0 };
        let arm = format!("update trace.fuse set at = {at}; select setval('trace.burnt', 1, false)");
        self.client.batch_execute(&arm).unwrap();
    }

    /// Waits until no session but this one is left: what a dead client's message goes on to do is done then, and no lock is held.
    fn await_end_of_sessions(&mut self) {
        let question = "select (select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
                        and backend_type = 'client backend'), (select count(*) from pg_locks l join pg_database d on d.oid = l.database \
                        where l.locktype = 'advisory' and d.datname = current_database())";
        let started = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let counts = self.rows(question);
            if number(&counts[0], 0) == 0 {
                assert_eq!(number(&counts[0], 1), 0, "an advisory lock is left");
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "a session of a run stays after its end");
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(16));
        }
    }

    pub(super) fn look(&mut self) -> Seen {
        let mut seen = Seen::default();
        let ledger = "select to_regclass('stairwell.ledger') is not null";
        if text(&self.rows(ledger)[0], 0) == "t" {
            for row in self.rows("select version, checksum, state, progress, down_script from stairwell.ledger") {
                let state = match text(&row, 2).as_str() {
                    "applied" => State::Applied,
                    "applying" => State::Applying,
                    _ => State::Reverting,
                };
                let down = row[4].clone();
                let progress = text(&row, 3).parse().unwrap();
                seen.rows.insert(number(&row, 0), (text(&row, 1), state, progress, down));
            }
        }
        for row in self.rows("select version, what, revision from trace.ran order by at") {
            seen.ran.push((number(&row, 0), text(&row, 1), text(&row, 2).parse().unwrap()));
        }
        let tables = "select substr(c.relname, 2), substr(a.attname, 2) from pg_class c join pg_attribute a on a.attrelid = c.oid \
                      where c.relnamespace = 'shop'::regnamespace and c.relkind = 'r' and c.relname ~ '^t[0-9]+$' and a.attnum = 1";
        for row in self.rows(tables) {
            seen.tables.insert(number(&row, 0), text(&row, 1).parse().unwrap());
        }
        let indexes = "select substr(c.relname, 2), i.indisvalid, split_part(c.reloptions[1], '=', 2), c.oid from pg_index i \
                       join pg_class c on c.oid = i.indexrelid where i.indrelid = 'shop.base'::regclass";
        for row in self.rows(indexes) {
            let factor = text(&row, 2).parse().unwrap();
            seen.indexes.insert(number(&row, 0), (text(&row, 1) == "t", factor, text(&row, 3)));
        }
        seen.duplicates = number(&self.rows("select count(*) from shop.base")[0], 0) > 3;
        seen
    }

    /// The ledger in the model's terms.
    pub(super) fn rows_of(&self, seen: &Seen) -> BTreeMap<u64, Row> {
        let row = |(version, (checksum, state, progress, down)): (&u64, &(String, State, usize, Option<String>))| {
            let up = self.ups.get(checksum).unwrap_or_else(|| panic!("{version} has a checksum that no file ever had"));
            let down = down.as_ref().map_or(Down { revision: 0, fails: false }, |text| self.downs[text]);
            (*version, Row { up: *up, down, state: *state, progress: *progress })
        };
        seen.rows.iter().map(row).collect()
    }

    fn rows(&mut self, question: &str) -> Vec<Vec<Option<String>>> {
        let messages = self.client.simple_query(question).unwrap();
        messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect()),
                _ => None,
            })
            .collect()
    }
}

fn run(database: &Database, set: &MigrationSet, model: &Model, go: Go, fate: Fate) -> (End, usize) {
    let finished = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        let mut events = 0;
        let listener = |event: &Event<'_>| {
            events += 1;
            match (fate, event) {
                (Fate::AtEvent(at), _) if events == at => resume_unwind(Box::new(Died)),
                (Fate::InScript(_) | Fate::InBuild, Event::Reconnecting { .. }) => resume_unwind(Box::new(Died)),
                (Fate::InBuild, Event::Started { id, .. }) if is_index(model, id) => {
                    let mut blocker = database.connect().unwrap();
                    blocker.batch_execute("begin; lock table shop.base in row exclusive mode").unwrap();
                    let finished = &finished;
                    scope.spawn(move || end_build(blocker, finished));
                }
                _ => {}
            }
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| start(Migrator::new(set).on_event(listener), database, go)));
        finished.store(true, Ordering::SeqCst);
        outcome
    });
    match outcome {
        Ok(outcome) => end_of(outcome),
        Err(panic) if panic.is::<Died>() => (End::Crashed, 0),
        Err(panic) => resume_unwind(panic),
    }
}

/// Ends the session that builds or drops an index as soon as it waits for this transaction, and lets go then.
fn end_build(mut blocker: Client, finished: &AtomicBool) {
    let end = "select count(pg_terminate_backend(a.pid)) from pg_stat_activity a where a.datname = current_database() \
               and pg_backend_pid() = any (pg_blocking_pids(a.pid))";
    while !finished.load(Ordering::SeqCst) {
        // Its own transaction would go on to show it the same activity.
        blocker.batch_execute("select pg_stat_clear_snapshot()").unwrap();
        if blocker.query_one(end, &[]).unwrap().get::<_, i64>(0) > 0 {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn is_index(model: &Model, id: &str) -> bool {
    let version = version_of(id);
    let kind = model.rows.get(&version).map(|row| row.up.kind).or(model.files.get(&version).map(|file| file.up.kind));
    kind == Some(Kind::Index)
}

pub(super) fn start(migrator: Migrator<'_>, database: &Database, go: Go) -> Result<Report, RunError> {
    match go {
        Go::Up(goal, allow) => {
            let order = if allow { OutOfOrder::Allow } else { OutOfOrder::Refuse };
            migrator.out_of_order(order).up(database, target(goal))
        }
        Go::Down(goal) => { migrator }.down(database, target(goal)),
        Go::Redo(goal) => { migrator }.redo(database, target(goal)),
        Go::UpAtOnce(goal) => migrator.transactions(Transactions::Single).up(database, target(goal)),
        Go::DownAtOnce(goal) => migrator.transactions(Transactions::Single).down(database, target(goal)),
    }
}

fn target(goal: Goal) -> Target {
    match goal {
        Goal::Head => Target::Head,
        Goal::Base => Target::Base,
        Goal::Steps(steps) => Target::Steps(steps.try_into().unwrap()),
        Goal::Version(version) => Target::Version(Version::new(version).unwrap()),
    }
}

/// How it ended, and how many steps it says it did.
pub(super) fn end_of(outcome: Result<Report, RunError>) -> (End, usize) {
    let error = match outcome {
        Ok(report) => return (End::Done(report.done.len()), report.done.len()),
        Err(error) => error,
    };
    let end = match &error.kind {
        RunErrorKind::Plan(PlanError::Conflicts(findings)) => {
            End::Conflicts(findings.0.iter().map(|finding| finding.rule.name().to_owned()).collect::<BTreeSet<_>>())
        }
        RunErrorKind::Plan(PlanError::UnknownVersion(_)) => End::UnknownVersion,
        RunErrorKind::Plan(PlanError::NotApplied(_)) => End::NotApplied,
        RunErrorKind::Plan(PlanError::Behind(_)) => End::Behind,
        RunErrorKind::Script(failure) => End::Script(version_of(failure.id())),
        RunErrorKind::Interrupted(Interruption::LedgerMoves) => End::LedgerMoves,
        RunErrorKind::Unsuitable { .. } => End::Unsuitable,
        _ => End::Unexpected(error.to_string()),
    };
    (end, error.done + error.undone)
}

fn version_of(id: &str) -> u64 {
    id.split('_').next().unwrap_or_default().parse().unwrap()
}

fn text(row: &[Option<String>], column: usize) -> String {
    row[column].clone().unwrap_or_default()
}

fn number(row: &[Option<String>], column: usize) -> u64 {
    text(row, column).parse().unwrap()
}
