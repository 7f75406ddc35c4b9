//! `/health/live` and `/health/ready`, and the command that asks them.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use stairwell::startup::{Health, Migrations};

use crate::cli::{Code, Probe, fail};
use crate::config::listen;

/// What `/health/ready` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// `ready`, `degraded` or `starting`.
    status: &'static str,
    reason: Option<String>,
    /// The newest migration of the database.
    current: Option<String>,
    /// The newest migration of this program.
    expected: Option<String>,
    pending: usize,
    ahead: usize,
    last_error: Option<String>,
    /// Since when, by RFC 3339.
    since: Option<Timestamp>,
    attempts: u32,
}

impl From<Health> for Answer {
    fn from(health: Health) -> Self {
        Self {
            status: health.condition.word(),
            reason: health.reason,
            current: health.current,
            expected: health.expected,
            pending: health.pending,
            ahead: health.ahead,
            last_error: health.last_error,
            since: Timestamp::try_from(health.since).ok().and_then(|at| at.round(jiff::Unit::Millisecond).ok()),
            attempts: health.attempts,
        }
    }
}

/// The process works: it answers.
pub(crate) async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "live" }))
}

/// Whether the service may be sent requests, and where its database stands. It asks nobody, so that it can be asked every second.
pub(crate) async fn ready(State(migrations): State<Migrations>) -> (StatusCode, Json<Answer>) {
    let health = migrations.health();
    let code = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(health.into()))
}

const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the service that runs on this machine, and prints its answer. An image without a shell or curl is checked with this.
pub(crate) fn ask(probe: Probe, variable: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    let path = match probe {
        Probe::Ready => "/health/ready",
        Probe::Live => "/health/live",
    };
    let address = match listen(variable) {
        Ok(address) => address,
        Err(error) => return fail(Code::Usage, &error),
    };
    // Where it listens on every address it is asked on this machine's own.
    let address = address.replacen("0.0.0.0", "127.0.0.1", 1).replacen("[::]", "[::1]", 1);
    match get(&address, path) {
        Ok((code, body)) => {
            println!("{body}");
            if code == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(Code::Failed, &format!("no answer from {address}: {error}")),
    }
}

/// One request, by HTTP/1.0: the answer ends with the connection.
fn get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let at = address.to_socket_addrs()?.next().ok_or_else(|| std::io::Error::other("it has no address"))?;
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((code.ok_or_else(|| std::io::Error::other("it does not speak HTTP"))?, body.to_owned()))
}
