//! A process of a test run: this test binary, run again with a variable that makes it be one.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use stairwell::testing::TestDatabase;

use crate::harness::files::Workspace;
use crate::harness::xtask::clean;

const ROLE: &str = "STAIRWELL_IT_IS_TESTS";

/// Whether this process is to be one.
pub(crate) fn is_asked_for() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Is one. Each argument is a test, which runs on a thread of that name: it makes a database of `migrations`, prints its URL, and
///
/// * `fails…`: panics,
/// * `waits…`: ends when standard input does,
/// * `pauses…`: does nothing for a while, and makes another one then,
/// * otherwise: has the database to itself.
pub(crate) fn main() -> ExitCode {
    let tests: Vec<_> = std::env::args()
        .skip(1)
        .map(|name| thread::Builder::new().name(name.clone()).spawn(move || test(&name)).unwrap())
        .collect();
    let failed = tests.into_iter().filter_map(|test| test.join().err()).count();
    ExitCode::from(u8::try_from(failed).unwrap())
}

fn test(name: &str) {
    let db = TestDatabase::new("migrations");
    println!("{}", db.url());
    if name.starts_with("waits") {
        let _ = std::io::stdin().read(&mut [0]);
    }
    if name.starts_with("pauses") {
        thread::sleep(Duration::from_secs(1));
        drop(TestDatabase::new("migrations"));
    }
    db.client().batch_execute("INSERT INTO things VALUES (1)").unwrap();
    let alone = db.client().query("SELECT FROM things", &[]).unwrap().len() == 1;
    assert!(alone && !name.starts_with("fails"), "{name} has a database to look at");
}

/// How one of a project is started, with these variables.
pub(super) fn command(project: &Workspace, variables: &[(&str, &str)], tests: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    clean(&mut command);
    command.env(ROLE, "1").envs(variables.iter().copied()).args(tests).current_dir(project.path());
    command
}

/// What one said.
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) urls: Vec<String>,
    pub(super) stderr: String,
}

/// Runs one to its end.
pub(super) fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        urls: String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// One that waits, and the URL of its database. It ends when this is dropped.
pub(super) struct Waiting {
    pub(super) url: String,
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

/// Starts one with a test that waits.
pub(super) fn start(mut command: Command) -> Waiting {
    let mut child = command.arg("waits").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut url = String::new();
    stdout.read_line(&mut url).unwrap();
    Waiting { url: url.trim().to_owned(), child, _stdout: stdout }
}

impl Waiting {
    /// Kills it: nothing of it runs any more.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
