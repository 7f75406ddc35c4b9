//! `cargo xtask db up` and `down`, killed at random moments and run again until they say that all is done.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::error::SqlState;
use stairwell::Target;
use stairwell::migration::{Direction, Migration, Mode};
use stairwell::postgres::Database;

use super::history::History;
use super::library::{self, Failure};
use super::stages::{Failed, Side};
use crate::harness::database::TestDatabase;
use crate::harness::random::Random;
use crate::harness::xtask;

/// Kills on the way up, and on the way back, which has fewer commits.
const WANTED: [usize; 2] = [20, 8];
/// A run is over sooner or later than expected. From `LONG` migrations on there are at least so many.
const LEAST: [usize; 2] = [12, 4];
const LONG: usize = 100;

pub(super) struct Killed<'a> {
    history: &'a History,
    database: Database,
    url: String,
    /// Where the ledger is looked at while others work.
    looking: Client,
    random: Random,
    /// How long one takes at least until it has done something.
    start: Duration,
    kills: Kills,
}

/// What happened in one direction.
#[derive(Default)]
struct Kills {
    /// How many are still to be done.
    left: usize,
    done: usize,
    /// Of them, while a script ran outside of a transaction.
    underway: usize,
    runs: usize,
    /// Whether one has ended by itself since.
    survived: bool,
}

/// What the ledger says in passing.
#[derive(Clone, Copy)]
struct Look {
    applied: usize,
    underway: bool,
}

impl<'a> Killed<'a> {
    pub(super) fn of(history: &'a History, database: &TestDatabase, seed: u64) -> Self {
        Self {
            history,
            database: database.database().clone(),
            url: database.url().to_owned(),
            looking: database.client(),
            random: Random::of(seed),
            start: Duration::from_millis(200),
            kills: Kills::default(),
        }
    }

    fn look(&mut self) -> Look {
        let question = "SELECT count(*) FILTER (WHERE state = 'applied'), count(*) FILTER (WHERE state <> 'applied') FROM stairwell.ledger";
        match self.looking.query_one(question, &[]) {
            Ok(row) => {
                let count = |n| usize::try_from(row.get::<_, i64>(n)).unwrap();
                Look { applied: count(0), underway: count(1) > 0 }
            }
            // Not there yet.
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Look { applied: 0, underway: false },
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs it again and again, until it is not killed. When one came through after the last kill, what is left to step over needs no
    /// processes any more.
    fn run(&mut self, direction: Direction, target: Target) -> Result<(), Failure> {
        if self.kills.left == 0 && self.kills.survived {
            return library::run(&self.history.set, &self.database, direction, target);
        }
        loop {
            self.kills.survived = self.kills.left == 0;
            self.kills.runs += 1;
            let log = tempfile::NamedTempFile::new().unwrap();
            let mut child = self.spawn(direction, target, log.reopen().unwrap());
            let status = match self.moment(direction, target, &mut child) {
                Some(underway) => {
                    child.kill().unwrap();
                    let status = child.wait().unwrap();
                    if status.signal() == Some(9) {
                        self.kills.done += 1;
                        self.kills.left -= 1;
                        self.kills.underway += usize::from(underway);
                        self.check_prefix();
                        continue;
                    }
                    status
                }
                None => child.wait().unwrap(),
            };
            let said = std::fs::read_to_string(log.path()).unwrap();
            if status.success() {
                return Ok(());
            }
            return Err(failure(&said).unwrap_or_else(|| panic!("{status}:\n{said}")));
        }
    }

    fn spawn(&self, direction: Direction, target: Target, log: File) -> Child {
        let mut arguments = vec!["up".to_owned()];
        if direction == Direction::Down {
            arguments = match target {
                Target::Version(version) => vec!["down".to_owned(), "--to".to_owned(), version.to_string()],
                _ => vec!["down".to_owned(), "--all".to_owned()],
            };
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command: Command = xtask::db(self.history.workspace.path(), &arguments);
        command.env("DATABASE_URL", &self.url).stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap()
    }

    /// Waits for a moment to kill it, and says whether a script was under way outside of a transaction; `None` if it ended, or may live.
    fn moment(&mut self, direction: Direction, target: Target, child: &mut Child) -> Option<bool> {
        if self.kills.left == 0 {
            return None;
        }
        let first = self.look();
        let goal = match (direction, target) {
            (Direction::Up, _) => self.history.set.migrations().len(),
            (Direction::Down, Target::Version(version)) => {
                self.history.set.migrations().iter().take_while(|migration| migration.version <= version).count()
            }
            (Direction::Down, _) => 0,
        };
        // The moments are spread over what is to do, and not over a time that another machine does not take. Each time it is at most a
        // share of what is left, or there would be nothing left for the later ones; some are done before a kill arrives.
        let share = goal.abs_diff(first.applied) / (2 * (self.kills.left + 1));
        let advance = self.random.upto(share);
        // A script outside of a transaction is a better moment than any other. The last quarter of the kills waits for the next such script, if
        // there is one, which should come through then.
        let awaits_script = 4 * self.kills.left <= WANTED[way(direction)]
            && !first.underway
            && self.is_outside_of_a_transaction(direction, goal, first.applied);
        let started = Instant::now();
        loop {
            if ended(child).is_some() {
                return None;
            }
            let now = self.look();
            if now.applied != first.applied {
                self.start = self.start.min(started.elapsed());
            }
            let underway = now.underway && !first.underway;
            if underway || (!awaits_script && now.applied.abs_diff(first.applied) >= advance) {
                // Where no progress is waited for it is starting; elsewhere hundreds are done in a second.
                let most = match advance {
                    _ if underway => Duration::from_millis(20),
                    0 => self.start * 3 / 2,
                    _ => Duration::from_millis(4),
                };
                let parts = u32::try_from(self.random.below(1000)).unwrap_or(0);
                sleep(most * parts / 1000);
                return ended(child).is_none().then_some(underway);
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Whether one of the scripts between here and the goal is.
    fn is_outside_of_a_transaction(&self, direction: Direction, goal: usize, applied: usize) -> bool {
        let migrations = &self.history.set.migrations()[goal.min(applied)..goal.max(applied)];
        let script = |migration: &Migration| match direction {
            Direction::Up => migration.up.mode() == Mode::Statements,
            Direction::Down => migration.down.as_ref().is_some_and(|down| down.mode() == Mode::Statements),
        };
        migrations.iter().any(script)
    }

    /// Whatever moment it was: what is applied is a first part of the history.
    fn check_prefix(&mut self) {
        let question = "SELECT version FROM stairwell.ledger WHERE state = 'applied' ORDER BY version";
        let Ok(rows) = self.looking.query(question, &[]) else { return };
        let applied: Vec<u64> = rows.iter().map(|row| row.get::<_, i64>(0).cast_unsigned()).collect();
        let all = self.history.set.migrations().iter().map(|migration| migration.version.get());
        assert!(all.take(applied.len()).eq(applied.iter().copied()), "not a first part: {applied:?}");
    }
}

/// Which script failed, and with which SQLSTATE, as a person reads it:
///
/// ```text
/// error[42P01]: table "never_was" does not exist
///  --> migrations/28_half.down.sql:1:18
/// ```
fn failure(said: &str) -> Option<Failure> {
    let (_, error) = said.rsplit_once("\nerror[").or_else(|| said.split_once("error["))?;
    let (state, rest) = error.split_once("]: ")?;
    let (_, path) = rest.split_once("--> migrations/")?;
    let (id, _) =
        path.split_once(".up.sql").into_iter().chain(path.split_once(".down.sql")).min_by_key(|(id, _)| id.len())?;
    // Where it was not the server that objected there is none.
    let is_code = state.len() == 5 && state.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_code.then(|| (id.to_owned(), state.to_owned()))
}

/// Which of `WANTED` and `LEAST` it is.
fn way(direction: Direction) -> usize {
    usize::from(direction == Direction::Down)
}

fn ended(child: &mut Child) -> Option<ExitStatus> {
    child.try_wait().unwrap()
}

impl Side for Killed<'_> {
    fn run(&mut self, direction: Direction) -> Failed {
        let way = way(direction);
        self.kills = Kills { left: WANTED[way], ..Kills::default() };
        let history = self.history;
        let database = self.database.clone();
        let failed = library::go(&history.set, &database, direction, |target| self.run(direction, target));
        let there = |migration: &&Migration| direction == Direction::Up || migration.down.is_some();
        let steps = history.set.migrations().iter().filter(there).count();
        assert!(steps < LONG || self.kills.done >= LEAST[way], "{}, {direction}{}", history.name, self.told());
        failed
    }

    fn told(&self) -> String {
        let Kills { done, underway, runs, .. } = self.kills;
        format!(", {done} of {runs} runs killed, {underway} of them outside of a transaction")
    }
}
