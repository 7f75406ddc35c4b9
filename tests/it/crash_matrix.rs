//! A run that dies, or loses its connection, at each of its messages: after it was sent, and after its reply.
//!
//! The library's feature `fail-points` counts the messages of the run loop and acts at the one that a variable names.

use std::process::Command;
use std::thread;
use std::time::Duration;

use postgres::Client;

use crate::harness::database::{TestDatabase, ask};
use crate::harness::files::Workspace;
use crate::harness::xtask::{self, Ran};
use crate::harness::{Outcome, Skip};

crate::trials!(
    killed_after_any_message_of_up_the_next_up_completes_it,
    killed_after_any_message_of_down_the_next_down_completes_it,
    cut_off_after_any_message_of_up_it_completes_by_itself,
    cut_off_after_any_message_of_down_it_completes_by_itself,
    killed_over_a_drop_of_what_is_not_there_the_next_run_is_refused_as_well,
);

/// Points at once, each with a database and a process of its own.
const AT_ONCE: usize = 6;
/// More messages than the run has.
const MOST: usize = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Way {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Up => &["up"],
            Self::Down => &["down", "--all"],
        }
    }
}

/// Scripts in a transaction, which leave a row each; an index built and dropped outside of one; a script outside of one that is not about
/// an index, which a crash may run again; and one of an imported history, of several statements, each of which is done once.
fn workspace() -> Workspace {
    let row = |n: usize| (format!("insert into ran values ({n});"), format!("delete from ran where n = {n};"));
    let alone = |script: &str| format!("-- stairwell: no-transaction\n{script}\n");
    let workspace =
        Workspace::with(&[("1_start", "create table ran (n int); insert into ran values (1);", "drop table ran;")]);
    for n in 2..=5 {
        let (up, down) = match n {
            3 => (alone("create index concurrently ran_n on ran (n);"), alone("drop index concurrently ran_n;")),
            5 => (alone("vacuum ran;"), "select 1;".to_owned()),
            n => row(n),
        };
        workspace.write(&format!("{n}_step.up.sql"), up);
        workspace.write(&format!("{n}_step.down.sql"), down);
    }
    // Neither can be done twice.
    let up = "alter table ran add extra int;\ncreate index concurrently ran_extra on ran (extra);\n\
              create index concurrently on ran (extra, n);\ninsert into ran values (6);\n";
    let down = "delete from ran where n = 6;\ndrop index concurrently ran_extra;\n\
                drop index concurrently ran_extra_n_idx;\nalter table ran drop extra;\n";
    workspace.write("6_imported.up.sql", up);
    workspace.write("6_imported.down.sql", down);
    let imported = stairwell::inspect(&workspace.migrations()).unwrap();
    workspace.write(stairwell::lock::LOCK_FILE, imported.set().lock().to_string());
    workspace
}

fn db(workspace: &Workspace, database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = xtask::db(workspace.path(), arguments);
    command.env("DATABASE_URL", database.url());
    command
}

/// Runs it at every point. `after` is told what a run that was stopped there left; it ends where a run comes through without being stopped.
fn at_every_point(way: Way, action: &str, after: impl Fn(usize, &Workspace, &TestDatabase, Ran) + Sync) -> Outcome {
    let template = TestDatabase::new()?;
    if way == Way::Down {
        xtask::run(&mut db(&workspace(), &template, &["up"])).ok();
    }
    // The first connection to a database writes what the next ones read, and clones have that, too.
    drop(template.client());
    let points = (0..MOST).collect::<Vec<_>>();
    for points in points.chunks(AT_ONCE) {
        let databases = points
            .iter()
            .map(|_| TestDatabase::from_template(template.database().name()))
            .collect::<Result<Vec<_>, Skip>>()?;
        let run = |point: usize, database: &TestDatabase| {
            let workspace = workspace();
            let mut command = db(&workspace, database, way.arguments());
            let ran = xtask::run(command.env("STAIRWELL_FAIL_POINT", format!("{point}:{action}")));
            // A process that a signal ended has no code.
            let stopped = ran.code == -1 || ran.stderr.contains("STAIRWELL_FAIL_POINT");
            if stopped {
                after(point, &workspace, database, ran);
            } else {
                ran.ok();
            }
            stopped
        };
        let run = &run;
        let stopped: Vec<bool> = thread::scope(|scope| {
            let runs: Vec<_> = points
                .iter()
                .zip(&databases)
                .map(|(point, database)| scope.spawn(move || run(*point, database)))
                .collect();
            runs.into_iter().map(|run| run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        // One that waited for a lock, and tried again, has more messages than the others: what is behind it is tried, too.
        if let Some(first) = stopped.iter().position(|stopped| !stopped)
            && !stopped[first..].contains(&true)
        {
            let points = points[first];
            eprintln!("{way:?}, {action}: {points} points");
            assert!(points > 40, "{points} points are too few for this run: are the fail points compiled in?");
            return Ok(());
        }
    }
    panic!("a run has more than {MOST} points");
}

/// What ledger and tables say must agree at any moment; `None` where the ledger or the table is not there yet.
fn agrees(point: usize, database: &mut Client) {
    let ledger = "SELECT coalesce(string_agg(version::text, ' ' ORDER BY version), '') FROM stairwell.ledger \
                  WHERE state = 'applied' AND version NOT IN (3, 5, 6)";
    let rows = "SELECT coalesce(string_agg(n::text, ' ' ORDER BY n), '') FROM ran WHERE n < 6";
    let mut there = |relation: &str| ask(database, &format!("SELECT to_regclass('{relation}') IS NOT NULL")) == "t";
    let (is_ledger, is_ran) = (there("stairwell.ledger"), there("ran"));
    let ledger = if is_ledger { ask(database, ledger) } else { String::new() };
    let rows = if is_ran { ask(database, rows) } else { String::new() };
    assert_eq!(ledger, rows, "point {point}");
}

/// A server process whose client has gone notices within a second or so; until then it may have the lock.
fn lock_is_free(point: usize, database: &mut Client) {
    for _ in 0..300 {
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        if ask(database, locks) == "0" {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("point {point}: an advisory lock is left");
}

/// All is applied once, or all is undone.
fn is_complete(way: Way, point: usize, database: &mut Client) {
    let states =
        ask(database, "SELECT count(*) || ' ' || count(*) FILTER (WHERE state = 'applied') FROM stairwell.ledger");
    match way {
        Way::Up => {
            assert_eq!(states, "6 6", "point {point}");
            assert_eq!(
                ask(database, "SELECT string_agg(n::text, ' ' ORDER BY n) FROM ran"),
                "1 2 4 6",
                "point {point}"
            );
            let indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'ran'::regclass";
            assert_eq!(ask(database, indexes), "3", "point {point}");
            assert_eq!(ask(database, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ran_n')"), "t");
        }
        Way::Down => {
            assert_eq!(states, "0 0", "point {point}");
            assert_eq!(ask(database, "SELECT to_regclass('ran') IS NULL AND to_regclass('ran_n') IS NULL"), "t");
        }
    }
    lock_is_free(point, database);
}

fn killed(way: Way) -> Outcome {
    at_every_point(way, "kill", |point, workspace, database, ran| {
        assert_eq!(ran.code, -1, "point {point}: {ran:?}");
        let mut client = database.client();
        lock_is_free(point, &mut client);
        agrees(point, &mut client);
        xtask::run(&mut db(workspace, database, way.arguments())).ok();
        is_complete(way, point, &mut client);
    })
}

fn cut_off(way: Way) -> Outcome {
    at_every_point(way, "cut", |point, _, database, ran| {
        ran.ok();
        is_complete(way, point, &mut database.client());
    })
}

fn killed_after_any_message_of_up_the_next_up_completes_it() -> Outcome {
    killed(Way::Up)
}

fn killed_after_any_message_of_down_the_next_down_completes_it() -> Outcome {
    killed(Way::Down)
}

fn cut_off_after_any_message_of_up_it_completes_by_itself() -> Outcome {
    cut_off(Way::Up)
}

fn cut_off_after_any_message_of_down_it_completes_by_itself() -> Outcome {
    cut_off(Way::Down)
}

fn killed_over_a_drop_of_what_is_not_there_the_next_run_is_refused_as_well() -> Outcome {
    let workspace = Workspace::new();
    workspace.write("1_drop.up.sql", "-- stairwell: no-transaction\ndrop index concurrently never_was;\n");
    workspace.write("1_drop.down.sql", "select 1;");
    for point in 0..MOST {
        let database = TestDatabase::new()?;
        let up = || db(&workspace, &database, &["up"]);
        let ran = xtask::run(up().env("STAIRWELL_FAIL_POINT", format!("{point}:kill")));
        lock_is_free(point, &mut database.client());
        let next = xtask::run(&mut up()).exits(1);
        assert!(next.stderr.contains("error[42704]"), "point {point}: {next:?}");
        assert_eq!(database.applied(), Vec::<String>::new(), "point {point}");
        if ran.code != -1 {
            assert!(point > 10, "{point} points are too few: are the fail points compiled in?");
            return Ok(());
        }
    }
    panic!("a run has more than {MOST} points");
}
