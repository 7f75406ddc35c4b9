//! The example backend: this test binary, run again with a variable that makes it be `app`, with the migrations of a folder if it is told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use stairwell::MigrationSet;

use super::cluster::signal;
use super::xtask::{Ran, clean, run};

const ROLE: &str = "STAIRWELL_IT_IS_APP";
const FOLDER: &str = "STAIRWELL_IT_MIGRATIONS";

/// A machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether this process is to be `app`.
pub(crate) fn is_asked_for() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Is `app`.
pub(crate) fn main() -> ExitCode {
    app::main(|| match std::env::var_os(FOLDER) {
        Some(folder) => MigrationSet::from_directory(folder),
        None => app::migrations(),
    })
}

/// `app …` with this database, not yet run; without a folder, with the migrations in the binary.
pub(crate) fn command(folder: Option<&Path>, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).stdin(Stdio::null());
    clean(&mut command);
    for name in ["LISTEN_ADDR", "PORT", "POOL_SIZE", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env(ROLE, "1").env("DATABASE_URL", url).env("LISTEN_ADDR", "127.0.0.1:0");
    if let Some(folder) = folder {
        command.env(FOLDER, folder);
    }
    command
}

/// `app migrate …`, run to its end.
pub(crate) fn migrate(folder: Option<&Path>, url: &str, arguments: &[&str]) -> Ran {
    run(&mut command(folder, url, &[&["migrate"], arguments].concat()))
}

/// What a running app has logged, and whether there will be more.
#[derive(Default)]
struct Lines {
    lines: VecDeque<String>,
    is_over: bool,
}

/// An app that runs; killed when dropped.
pub(crate) struct App {
    child: Child,
    log: Arc<(Mutex<Lines>, Condvar)>,
    address: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// Fails the test unless it has this code.
    #[track_caller]
    pub(crate) fn is(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.body);
        self.body
    }
}

impl App {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let log = Arc::new((Mutex::new(Lines::default()), Condvar::new()));
        let sink = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                sink.0.lock().unwrap_or_else(PoisonError::into_inner).lines.push_back(line);
                sink.1.notify_all();
            }
            sink.0.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
            sink.1.notify_all();
        });
        let app = Self { child, log, address: String::new() };
        let line = app.line("Starting up");
        let address = line.split("address=").nth(1).unwrap_or_else(|| panic!("{line}"));
        app.at(address.to_owned())
    }

    fn at(mut self, address: String) -> Self {
        self.address = address;
        self
    }

    /// Waits for a line of the log with these words, and gives it.
    #[track_caller]
    pub(crate) fn line(&self, words: &str) -> String {
        let began = Instant::now();
        let mut lines = self.log.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = lines.lines.iter().find(|line| line.contains(words)) {
                return line.clone();
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            assert!(!lines.is_over && !left.is_zero(), "no `{words}` in the log:\n{}", text(&lines));
            lines = self.log.1.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        text(&self.log.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for its end by itself, and gives its exit code and its log.
    #[track_caller]
    pub(crate) fn end(mut self) -> (i32, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        };
        let mut lines = self.log.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !lines.is_over {
            lines = self.log.1.wait_timeout(lines, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
        let log = text(&lines);
        drop(lines);
        (status.code().unwrap_or(-1), log)
    }

    /// Tells it to stop, and gives its exit code and its log.
    #[track_caller]
    pub(crate) fn stop(self) -> (i32, String) {
        signal("TERM", self.child.id());
        self.end()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A request without a body.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None)
    }

    /// A request with one.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, Some(body))
    }

    /// By HTTP/1.0, so that the answer ends with the connection.
    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: app\r\nX-Actor-Id: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{head}"));
        Answer { code, body: serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")) }
    }

    /// What `/health/ready` says, once it says this status.
    #[track_caller]
    pub(crate) fn health(&self, status: &str) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.get("/health/ready");
            assert_eq!(answer.code == 200, answer.body["status"] == "ready", "{}", answer.body);
            if answer.body["status"] == status {
                return answer.body;
            }
            assert!(began.elapsed() < PATIENCE, "not {status}, but {}\n{}", answer.body, self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(lines: &Lines) -> String {
    lines.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// A log without what differs from run to run: times, durations, ports, and the replacements given.
pub(crate) fn timeless(log: &str, replace: &[(&str, &str)]) -> String {
    let line = |line: &str| {
        // `2026-11-21T20:51:33.123456Z  INFO …`
        let line = match line.split_once(' ') {
            Some((time, rest)) if time.ends_with('Z') && time.contains('T') => rest,
            _ => line,
        };
        let words = line.split(' ').map(|word| match word.split_once('=') {
            Some(("elapsed", _)) => "elapsed=<time>".to_owned(),
            Some(("address", _)) => "address=<address>".to_owned(),
            Some(("version", quoted)) if quoted.starts_with('"') => "version=<version>".to_owned(),
            _ => word.to_owned(),
        });
        let mut line = words.collect::<Vec<_>>().join(" ");
        if let Some((before, rest)) = line.split_once("next try in ")
            && let Some((_, after)) = rest.split_once(':')
        {
            line = format!("{before}next try in <time>:{after}");
        }
        replace.iter().fold(line, |line, (from, to)| line.replace(from, to)).trim_end().to_owned()
    };
    log.lines().map(line).collect::<Vec<_>>().join("\n")
}
