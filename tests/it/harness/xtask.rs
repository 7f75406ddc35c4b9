//! The `xtask` binary: this test binary, run again with a variable that makes it be `xtask`.

use std::path::Path;
use std::process::{Command, Stdio};

const ROLE: &str = "STAIRWELL_IT_IS_XTASK";

/// Whether this process is to be `xtask`.
pub(crate) fn is_asked_for() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Fails the test unless the command succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// Fails the test unless the command ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// `cargo xtask db …` in this folder; a command that may be given more variables before it runs.
pub(crate) fn db(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("db").args(arguments).current_dir(folder).stdin(Stdio::null());
    clean(&mut command);
    command.env(ROLE, "1").env("USER", "ann");
    command
}

/// A script for bash in this folder, in which `cargo xtask …` is this `xtask` as well.
pub(crate) fn shell(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("bash");
    let cargo = format!("cargo() {{ shift; {ROLE}=1 \"$XTASK\" \"$@\"; }}");
    command.arg("-c").arg(format!("{cargo}\n{script}")).current_dir(folder).stdin(Stdio::null());
    clean(&mut command);
    command.env("XTASK", std::env::current_exe().unwrap());
    command
}

/// What coding agents set, one of which may run the tests.
const AGENTS: [&str; 8] =
    ["AI_AGENT", "AGENT", "CLAUDECODE", "CODEX_THREAD_ID", "COPILOT_CLI", "CURSOR_AGENT", "GEMINI_CLI", "OPENCODE"];

/// Takes out of a command's environment what the machine of the test may have set for the product.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("PG")
            || name.starts_with("STAIRWELL_")
            || matches!(
                name.as_str(),
                "DATABASE_URL" | "CI" | "NO_COLOR" | "RUST_BACKTRACE" | "RUST_LIB_BACKTRACE" | "RUST_LOG"
            )
            || AGENTS.contains(&name.as_str())
        {
            command.env_remove(name);
        }
    }
}

/// Runs it and waits.
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
