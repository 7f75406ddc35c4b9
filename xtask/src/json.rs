//! What commands print with `--json`. Its shape is a promise, written down in docs/json.md.

use serde::Serialize;

use crate::failure::{Code, Failure};
use crate::terminal;

/// Raised when something that is there changes its name, type or meaning, or goes. What is added does not raise it.
const VERSION: u32 = 1;

/// What surrounds every document.
#[derive(Serialize)]
struct Envelope<'a, T> {
    version: u32,
    command: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

/// Prints a command's document on standard output.
pub(crate) fn print(command: &str, body: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&Envelope { version: VERSION, command, body })
        .map_err(|error| Failure::new(Code::Failed, format!("the answer cannot be written as JSON: {error}")))?;
    terminal::print(format_args!("{text}\n"))
}
