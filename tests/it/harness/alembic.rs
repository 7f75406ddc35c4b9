//! Alembic itself, from PyPI, in a virtual environment below `target/` that stays there for the next run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Skip;
use super::database::TestDatabase;
use super::xtask::{Ran, clean, run};

/// What is installed. The ranges keep a run of next year from meeting an Alembic 2.
const PACKAGES: [&str; 3] = ["alembic>=1.13,<2", "sqlalchemy>=2,<3", "psycopg[binary]>=3.1,<4"];

/// How long pip may take in all. Without a network it gives up much earlier by itself.
const PATIENCE: Duration = Duration::from_secs(150);

/// Why there is none, once somebody has tried: the next test need not.
static ABSENT: Mutex<Option<String>> = Mutex::new(None);

/// An Alembic that can be run.
pub(crate) struct Alembic {
    python: PathBuf,
    version: String,
}

impl Alembic {
    /// Finds or installs it; the reason to skip where there is no Python, no `venv` or no PyPI.
    pub(crate) fn find() -> Result<Self, Skip> {
        // One installs, the others wait.
        let mut absent = ABSENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &*absent {
            return Err(Skip(reason.clone()));
        }
        let found = Self::find_or_install();
        *absent = found.as_ref().err().map(|Skip(reason)| reason.clone());
        found
    }

    fn find_or_install() -> Result<Self, Skip> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alembic");
        let python = Path::new("bin").join("python");
        if version(&folder.join(&python)).is_none() {
            // Made beside it and renamed when it is whole, so that an interrupted run leaves no half of one. `python -m` works
            // wherever the environment is moved to; its scripts do not, and nobody asks them.
            let new = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let deadline = Instant::now() + PATIENCE;
            step("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(new.path()), deadline)?;
            let mut pip = Command::new(new.path().join(&python));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]);
            // A machine's own setting may be minutes.
            pip.args(["--timeout", "15", "--only-binary", ":all:"]);
            step("pip install", pip.args(PACKAGES), deadline)?;
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::rename(new.keep(), &folder).unwrap();
        }
        let python = folder.join(python);
        let version = version(&python).ok_or_else(|| Skip("Alembic is installed and does not start".to_owned()))?;
        Ok(Self { python, version })
    }

    /// `alembic 1.20.1`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// `alembic …` in this folder, which has the `alembic.ini`, for this database.
    pub(crate) fn run(&self, folder: &Path, database: &TestDatabase, arguments: &[&str]) -> Ran {
        let mut command = Command::new(&self.python);
        command.args(["-m", "alembic"]).args(arguments).current_dir(folder).stdin(Stdio::null());
        clean(&mut command);
        // No `__pycache__` in what may be a checkout.
        command.env("DATABASE_URL", database.url()).env("PYTHONDONTWRITEBYTECODE", "1");
        run(&mut command)
    }

    /// The Python that has it.
    pub(crate) fn python(&self) -> &Path {
        &self.python
    }
}

fn version(python: &Path) -> Option<String> {
    let output = Command::new(python).args(["-m", "alembic", "--version"]).stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(said)
}

/// Runs a step of the installation; the reason to skip if it fails or is not done in time.
fn step(what: &str, command: &mut Command, deadline: Instant) -> Result<(), Skip> {
    let said = tempfile::tempfile().unwrap();
    let all = Stdio::from(said.try_clone().unwrap());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(all);
    let mut child = command.spawn().map_err(|error| Skip(format!("no Alembic: {what}: {error}")))?;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return if status.success() { Ok(()) } else { Err(Skip(format!("no Alembic: {what}: {}", last(said)))) };
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Skip(format!("no Alembic: {what} was not done after {PATIENCE:?}")));
        }
        sleep(Duration::from_millis(50));
    }
}

/// The last line that a program said.
fn last(mut said: std::fs::File) -> String {
    use std::io::{Read, Seek};
    let mut text = String::new();
    let _ = said.rewind().and_then(|()| said.read_to_string(&mut text));
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed without a word").to_owned()
}
