//! What an app's `build.rs` calls.
//!
//! ```no_run
//! // In `main` of app/build.rs:
//! stairwell::build::check("../migrations");
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Rule, Severity};
use crate::directory::{self, FolderError};
use crate::set::Inspection;

/// Checks a folder of migrations, relative to the package's own, while Cargo builds the app.
///
/// Every finding becomes a compile error (`cargo::error=`) with file, line and remedy, all of them at once. A migration that is not
/// locked yet is a warning in a development build, and an error in a release build and where `CI` is set. The crate gets, for
/// `env!`, `STAIRWELL_HEAD` (the newest version; empty without migrations) and `STAIRWELL_DIGEST` (SHA-256 over the whole set,
/// see [`MigrationSet::digest`](crate::MigrationSet::digest)).
///
/// Cargo runs it again when anything in the folder is added, edited, renamed or deleted, or `CI` changes, and only then.
pub fn check(folder: impl AsRef<Path>) {
    print!("{}", Verdict::of(folder.as_ref(), &Build::from_cargo(|name| std::env::var_os(name))));
}

/// How many findings of one rule a build prints in full. Who has more of them (a thousand migrations that are not locked) has one
/// problem and not a thousand.
const MOST_OF_A_RULE: usize = 50;

/// What the check needs to know of the build.
#[derive(Debug, Clone, Default)]
pub struct Build {
    /// How an unlocked migration is taken.
    pub unlocked: Unlocked,
    /// The folder from which a person reads the paths: the workspace's.
    pub workspace: Option<PathBuf>,
}

/// How a migration that is not in the lock is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlocked {
    /// A warning: it is being written.
    #[default]
    Warn,
    /// An error: what is released has to be locked.
    Refuse,
}

impl Build {
    /// From the variables that Cargo sets for build scripts, and `CI`.
    pub fn from_cargo(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let release = variable("PROFILE").is_some_and(|profile| profile == "release");
        let ci = variable("CI").is_some_and(|ci| is_ci(&ci.to_string_lossy()));
        let workspace = variable("CARGO_MANIFEST_DIR").and_then(|package| {
            let package = PathBuf::from(package);
            package.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).map(Path::to_owned)
        });
        Self { unlocked: if release || ci { Unlocked::Refuse } else { Unlocked::Warn }, workspace }
    }
}

/// Whether this value of the variable `CI` says that this is a CI machine: any but none, `0`, `false` and `no`.
pub fn is_ci(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no")
}

/// What the check found. `Display` writes it as the lines that Cargo reads from a build script.
#[derive(Debug)]
pub struct Verdict {
    folder: PathBuf,
    outcome: Result<Inspection, FolderError>,
    unlocked: Unlocked,
}

impl Verdict {
    /// Checks the folder. Nothing is printed yet.
    pub fn of(folder: &Path, build: &Build) -> Self {
        let shown = shown_from(folder, build.workspace.as_deref());
        Self { folder: folder.to_owned(), outcome: directory::inspect_as(folder, &shown), unlocked: build.unlocked }
    }

    /// The line that stands for the findings of a rule that are not printed.
    fn more(&self, rule: Rule) -> String {
        let findings = self.outcome.as_ref().map(|inspection| inspection.findings.as_slice()).unwrap_or_default();
        let count = findings.iter().filter(|finding| finding.rule == rule).count() - MOST_OF_A_RULE;
        format!("[{}]: {count} more of the same\n= help: `cargo xtask db lock --check` prints them all", rule.name())
    }

    /// Every finding, with the severity that it has in this build.
    pub fn findings(&self) -> Vec<Diagnostic> {
        let findings = self.outcome.as_ref().map(|inspection| inspection.findings.as_slice()).unwrap_or_default();
        let severity = |finding: &Diagnostic| match (finding.rule, self.unlocked) {
            (Rule::NotLocked, Unlocked::Warn) => finding.clone().as_warning(),
            _ => finding.clone(),
        };
        findings.iter().map(severity).collect()
    }
}

/// The folder as seen from the workspace's, where that is shorter to read and to open.
fn shown_from(folder: &Path, workspace: Option<&Path>) -> PathBuf {
    let relative = || {
        // A folder that does not exist has a parent that does, so that the message names it as seen from the workspace, too.
        let parent = || Some(Path::new(".").join(folder.parent()?).canonicalize().ok()?.join(folder.file_name()?));
        let folder = folder.canonicalize().ok().or_else(parent)?;
        let workspace = workspace?.canonicalize().ok()?;
        folder.strip_prefix(workspace).ok().map(Path::to_owned)
    };
    relative().filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| folder.to_owned())
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cargo::rerun-if-changed={}", self.folder.display())?;
        writeln!(f, "cargo::rerun-if-env-changed=CI")?;
        match &self.outcome {
            Ok(inspection) => {
                let head = inspection.set().head().map(|m| m.version.to_string()).unwrap_or_default();
                writeln!(f, "cargo::rustc-env=STAIRWELL_HEAD={head}")?;
                writeln!(f, "cargo::rustc-env=STAIRWELL_DIGEST={}", inspection.set().digest())?;
            }
            Err(error) => write_lines(f, "error", &error.to_string())?,
        }
        let mut of_rule: BTreeMap<Rule, usize> = BTreeMap::new();
        for finding in self.findings() {
            let level = if finding.severity == Severity::Error { "error" } else { "warning" };
            let count = of_rule.entry(finding.rule).or_default();
            *count += 1;
            match *count {
                1..=MOST_OF_A_RULE => write_lines(f, level, &finding.to_string())?,
                _ if *count == MOST_OF_A_RULE + 1 => write_lines(f, level, &self.more(finding.rule))?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Cargo takes one line a message and prints the level before it, so the first line's own `error[…]: ` keeps only its rule.
fn write_lines(f: &mut fmt::Formatter<'_>, level: &str, text: &str) -> fmt::Result {
    let mut lines = String::new();
    for (n, line) in text.lines().enumerate() {
        let line = if n == 0 { line.strip_prefix(level).unwrap_or(line).trim_start_matches(": ") } else { line };
        writeln!(lines, "cargo::{level}={line}")?;
    }
    f.write_str(&lines)
}

#[cfg(test)]
mod tests;
