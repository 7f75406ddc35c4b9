//! What psql makes of a history.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use stairwell::migration::{Direction, Migration, Mode, Script};
use tempfile::TempDir;

use super::history::History;
use super::stages::{Failed, Side};
use crate::harness::database::TestDatabase;

/// Before the id of each migration. What scripts select goes elsewhere.
const MARK: &str = "stairwell-history: ";

pub(super) struct Psql<'a> {
    history: &'a History,
    url: String,
    folder: TempDir,
}

impl<'a> Psql<'a> {
    pub(super) fn of(history: &'a History, database: &TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // As a checkout on Linux has them: psql would keep CRLF in bodies of functions, where stairwell makes no difference between checkouts.
        for script in history.set.migrations().iter().flat_map(Migration::scripts) {
            fs::write(folder.path().join(script.file()), script.text()).unwrap();
        }
        Self { history, url: database.url().to_owned(), folder }
    }

    /// Each as its migration would be run, and with settings of its own, in one session up to the first that fails. Says how many were begun,
    /// and with which SQLSTATE the last of them failed.
    fn begin(&self, scripts: &[(&str, &Script)]) -> (usize, Option<String>) {
        let mut master = String::new();
        for (id, script) in scripts {
            let (begin, commit) = if script.mode() == Mode::Transaction { ("BEGIN;", "COMMIT;") } else { ("", "") };
            let path = self.folder.path().join(script.file());
            let path = path.display();
            // The semicolon is for what the last statement may lack.
            write!(master, "\\echo '{MARK}{id}'\n{begin}\n\\i '{path}'\n;\n{commit}\nDISCARD ALL;\n").unwrap();
        }
        let path = self.folder.path().join("master.psql");
        fs::write(&path, master).unwrap();
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-o", "/dev/null"]);
        command.args(["-d", &self.url, "-f"]).arg(&path).stdin(Stdio::null()).env("PGOPTIONS", "-c lc_messages=C");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let begun = String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with(MARK)).count();
        // 3 is an error in a script.
        match output.status.code() {
            Some(0) => (begun, None),
            Some(3) => {
                let error = said.lines().filter_map(|line| line.split_once("ERROR:  ")).next_back();
                let state = error.and_then(|(_, rest)| rest.get(..5)).unwrap_or_else(|| panic!("{said}"));
                (begun, Some(state.to_owned()))
            }
            other => panic!("psql ended with {other:?} in {}: {said}", scripts[begun.saturating_sub(1)].0),
        }
    }
}

impl Side for Psql<'_> {
    fn run(&mut self, direction: Direction) -> Failed {
        let migrations = self.history.set.migrations();
        let scripts: Vec<(&str, &Script)> = match direction {
            Direction::Up => migrations.iter().map(|migration| (migration.id(), &migration.up)).collect(),
            Direction::Down => migrations
                .iter()
                .rev()
                .filter_map(|migration| Some((migration.id(), migration.down.as_ref()?)))
                .collect(),
        };
        let (mut rest, mut failed) = (&scripts[..], BTreeMap::new());
        while let (begun, Some(state)) = self.begin(rest) {
            failed.insert(rest[begun - 1].0.to_owned(), state);
            rest = &rest[begun..];
        }
        failed
    }
}
