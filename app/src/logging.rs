//! Where the log goes: to standard error, a line an event, so that what a command prints stays apart from it.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, set};

/// Everything of this workspace, and of others what matters.
const DEFAULT: &str = "info";

/// Starts logging, at the level that `RUST_LOG` says.
pub(crate) fn start(variable: &dyn Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
    let level = set(variable, "RUST_LOG").unwrap_or_else(|| DEFAULT.to_owned());
    let filter = EnvFilter::try_new(level).map_err(|_| ConfigError::Value {
        name: "RUST_LOG",
        takes: "a level (`error`, `warn`, `info`, `debug`, `trace`), or `target=level` pairs",
    })?;
    let plain = set(variable, "NO_COLOR").is_some() || !stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(!plain);
    // A second one in a process is refused, and the first goes on.
    let _ = log.with_target(false).try_init();
    Ok(())
}
