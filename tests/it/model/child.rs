//! A runner in a process of its own, which can be killed: this test binary, run again with a variable that makes it be one.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use stairwell::MigrationSet;
use stairwell::postgres::{Database, Migrator};

use super::state::{End, Go, Goal};
use super::world;
use crate::harness::xtask::clean;

/// What it is to do.
const ROLE: &str = "STAIRWELL_IT_IS_RUNNER";
/// Where the library ends the process or cuts its connection: `<n>:kill`, `<n>:cut`.
const FAIL_POINT: &str = "STAIRWELL_FAIL_POINT";

/// Whether this process is to be one.
pub(crate) fn is_asked_for() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Is one: the folder, the database, and where to go come as arguments.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, url, go @ ..] = &arguments[..] else { return ExitCode::FAILURE };
    let set = MigrationSet::from_directory(folder).unwrap();
    let database = Database::parse(url).unwrap();
    let (end, done) = world::end_of(world::start(Migrator::new(&set), &database, parse(go)));
    println!("{done} {}", write(&end));
    ExitCode::SUCCESS
}

/// Starts one and waits for its end.
pub(super) fn run(folder: &Path, url: &str, go: Go, fail_point: &str) -> (End, usize) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    clean(&mut command);
    command.env(ROLE, "1").env(FAIL_POINT, fail_point).stdin(Stdio::null()).arg(folder).arg(url);
    let output = command.args(arguments(go)).output().unwrap();
    if output.status.signal().is_some() {
        return (End::Crashed, 0);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim_end().split_once(' ') {
        Some((done, end)) => (read(end), done.parse().unwrap()),
        None => (End::Unexpected(String::from_utf8_lossy(&output.stderr).into_owned()), 0),
    }
}

fn arguments(go: Go) -> [String; 3] {
    let (verb, goal, allow) = match go {
        Go::Up(goal, allow) => ("up", goal, allow),
        Go::Down(goal) => ("down", goal, false),
        Go::Redo(goal) => ("redo", goal, false),
        Go::UpAtOnce(goal) => ("up-at-once", goal, false),
        Go::DownAtOnce(goal) => ("down-at-once", goal, false),
    };
    let goal = match goal {
        Goal::Head => "head".to_owned(),
        Goal::Base => "base".to_owned(),
        Goal::Steps(steps) => format!("+{steps}"),
        Goal::Version(version) => version.to_string(),
    };
    [verb.to_owned(), goal, allow.to_string()]
}

fn parse(arguments: &[String]) -> Go {
    let goal = match arguments[1].as_str() {
        "head" => Goal::Head,
        "base" => Goal::Base,
        number => match number.strip_prefix('+') {
            Some(steps) => Goal::Steps(steps.parse().unwrap()),
            None => Goal::Version(number.parse().unwrap()),
        },
    };
    match arguments[0].as_str() {
        "up" => Go::Up(goal, arguments[2] == "true"),
        "down" => Go::Down(goal),
        "up-at-once" => Go::UpAtOnce(goal),
        "down-at-once" => Go::DownAtOnce(goal),
        _ => Go::Redo(goal),
    }
}

fn write(end: &End) -> String {
    match end {
        End::Done(done) => format!("done {done}"),
        End::Conflicts(rules) => {
            format!("conflicts {}", rules.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
        }
        End::Script(version) => format!("script {version}"),
        End::UnknownVersion => "unknown".to_owned(),
        End::NotApplied => "not-applied".to_owned(),
        End::Behind => "behind".to_owned(),
        End::LedgerMoves => "moves".to_owned(),
        End::Unsuitable => "unsuitable".to_owned(),
        End::Crashed => "crashed".to_owned(),
        End::Unexpected(why) => format!("unexpected {why}"),
    }
}

fn read(text: &str) -> End {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "done" => End::Done(rest.parse().unwrap()),
        "conflicts" => End::Conflicts(rest.split(' ').map(str::to_owned).collect()),
        "script" => End::Script(rest.parse().unwrap()),
        "unknown" => End::UnknownVersion,
        "not-applied" => End::NotApplied,
        "behind" => End::Behind,
        "moves" => End::LedgerMoves,
        "unsuitable" => End::Unsuitable,
        "crashed" => End::Crashed,
        _ => End::Unexpected(rest.to_owned()),
    }
}
