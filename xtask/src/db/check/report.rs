//! What a check found: for a person while it runs and at the end, and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use stairwell::migration::Migration;
use stairwell::postgres::{Details, RunError, RunErrorKind};
use stairwell::schema::{Difference, Fault, Leg, Verdict, tree};
use stairwell::{Color, Diagnostic, Severity};

use crate::db::lockfile::count;
use crate::db::view::Name;
use crate::failure::{Code, Failure};
use crate::terminal::duration;

/// So many migrations are named in one line of the summary.
const MOST_NAMED: usize = 5;

/// All that was found.
#[derive(Default, Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) migrations: Vec<Row>,
    /// What `db lint` finds in the new ones.
    pub(super) lint: Vec<Finding>,
    pub(super) schema: Option<Schema>,
    /// Why something was not looked at.
    pub(super) left_out: Vec<String>,
}

/// A finding about the files.
#[derive(Serialize)]
pub(super) struct Finding {
    rule: &'static str,
    severity: &'static str,
    message: String,
    path: Option<String>,
}

/// What is known of a migration.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    name: Name,
    #[serde(skip)]
    id: String,
    result: Outcome,
    elapsed_ms: Option<f64>,
    faults: Vec<Wrong>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Proved,
    ProvedBefore,
    OneWay,
    Broken,
    NotTried,
}

#[derive(Serialize)]
struct Wrong {
    /// `up`, `down` or `up_again`.
    step: &'static str,
    /// What a script failed of, or `null`.
    error: Option<String>,
    differences: Vec<Difference>,
}

/// How the desired state compares.
#[derive(Serialize)]
pub(super) struct Schema {
    pub(super) place: String,
    pub(super) equal: bool,
    pub(super) differences: Vec<Difference>,
}

impl Finding {
    pub(super) fn of(finding: &Diagnostic) -> Self {
        Self {
            rule: finding.rule.name(),
            severity: if finding.severity == Severity::Error { "error" } else { "warning" },
            message: finding.message.clone(),
            path: finding.path.clone(),
        }
    }
}

impl Row {
    pub(super) fn new(migration: &Migration, result: Outcome) -> Self {
        Self {
            name: Name::new(migration.version, migration.name()),
            id: migration.id().to_owned(),
            result,
            elapsed_ms: None,
            faults: Vec::new(),
        }
    }

    pub(super) fn tried(migration: &Migration, verdict: &Verdict, elapsed: Duration) -> Self {
        let (result, faults) = match verdict {
            Verdict::Holds => (Outcome::Proved, &[][..]),
            Verdict::OneWay => (Outcome::OneWay, &[][..]),
            Verdict::Broken(faults) => (Outcome::Broken, faults.as_slice()),
        };
        let elapsed_ms = Some((elapsed.as_secs_f64() * 10_000.0).round() / 10.0);
        let faults = faults.iter().map(Wrong::of).collect();
        Self { elapsed_ms, faults, ..Self::new(migration, result) }
    }
}

impl Wrong {
    fn of(fault: &Fault) -> Self {
        let (leg, error, differences) = match fault {
            Fault::Failed(leg, error) => (leg, Some(message(error)), Vec::new()),
            Fault::Differs(leg, found) => (leg, None, found.clone()),
        };
        let step = match leg {
            Leg::Up => "up",
            Leg::Down => "down",
            Leg::UpAgain => "up_again",
        };
        Self { step, error, differences }
    }
}

fn message(error: &RunError) -> String {
    match &error.kind {
        RunErrorKind::Script(failure) => failure.message().to_owned(),
        kind => kind.to_string(),
    }
}

/// What is wrong with a migration, in the shape of every other error.
pub(super) fn faults(migration: &Migration, faults: &[Fault], color: Color) -> String {
    faults.iter().map(|it| fault(migration, it, color)).collect::<Vec<_>>().join("\n")
}

fn fault(migration: &Migration, fault: &Fault, color: Color) -> String {
    let id = migration.id();
    let path = |leg: &Leg| match (leg, &migration.down) {
        (Leg::Down, Some(down)) => down.path(),
        _ => migration.up.path(),
    };
    match fault {
        Fault::Failed(leg, error) => {
            let what = match &error.kind {
                RunErrorKind::Script(failure) => failure.render(Details::Show, color),
                kind => format!("error: {kind}\n --> {}", path(leg)),
            };
            let when = match leg {
                Leg::Up => "cannot be applied",
                Leg::Down => "its down script fails",
                Leg::UpAgain => "cannot be applied again after its down script",
            };
            format!("{what}\n  = note: {id}: {when}\n")
        }
        Fault::Differs(leg, found) => {
            let (what, signs) = match leg {
                Leg::Down => (
                    format!("the down script of {id} does not undo the up script"),
                    "+ stays behind, - is not brought back",
                ),
                _ => (
                    format!("{id}, undone and applied again, gives something else"),
                    "+ is only of the second time, - only of the first",
                ),
            };
            format!("error: {what}\n --> {}\n  = note: {signs}\n\n{}", path(leg), indented(&tree(found)))
        }
    }
}

pub(super) fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "    {line}");
        out
    })
}

impl Report {
    fn of(&self, outcome: Outcome) -> Vec<&str> {
        self.migrations.iter().filter(|row| row.result == outcome).map(|row| row.id.as_str()).collect()
    }

    /// One line each for what is wrong.
    fn wrong(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let errors = self.findings.iter().filter(|it| it.severity == "error").count();
        if errors > 0 {
            lines.push(format!("{} in the files and their lock", count(errors, "error")));
        }
        let denied = self.lint.iter().filter(|it| it.severity == "error").count();
        if denied > 0 {
            lines.push(format!("{} of `db lint`", count(denied, "error")));
        }
        let broken = self.of(Outcome::Broken);
        if !broken.is_empty() {
            let more = broken.len().saturating_sub(MOST_NAMED);
            let named = broken.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            lines.push(format!(
                "{} that cannot go up, down and up again: {named}{more}",
                count(broken.len(), "migration")
            ));
        }
        if let Some(schema) = self.schema.as_ref().filter(|schema| !schema.equal) {
            let objects = count(schema.differences.len(), "object");
            lines.push(format!("{} is not what the migrations make: {objects}", schema.place));
        }
        lines
    }

    /// What was looked at, in one line.
    fn summary(&self) -> String {
        let mut parts = Vec::new();
        let now = self.of(Outcome::Proved).len() + self.of(Outcome::OneWay).len() + self.of(Outcome::Broken).len();
        parts.push(format!("{} tried", count(now, "migration")));
        for (outcome, words) in [
            (Outcome::ProvedBefore, "proved by an earlier check"),
            (Outcome::OneWay, "without a way back"),
            (Outcome::NotTried, "not tried"),
        ] {
            let number = self.of(outcome).len();
            if number > 0 {
                parts.push(format!("{number} {words}"));
            }
        }
        parts.join(", ")
    }

    /// The last word: what was found to be in order, or what was not.
    pub(super) fn end(&self, elapsed: Duration) -> Result<String, Failure> {
        let wrong = self.wrong();
        let summary = format!("{} in {}", self.summary(), duration(elapsed));
        let left_out = self.left_out.iter().fold(String::new(), |text, why| text + "\n  not checked: " + why);
        if wrong.is_empty() {
            let schema = self.schema.as_ref().map(|it| format!("; {} is what they make", it.place)).unwrap_or_default();
            return Ok(format!("all in order: {summary}{schema}{left_out}"));
        }
        let files_only = wrong.len() == 1 && self.findings.iter().any(|it| it.severity == "error");
        let lines = wrong.iter().fold(String::new(), |text, line| text + "\n  * " + line);
        let code = if files_only { Code::Files } else { Code::Failed };
        Err(Failure::new(code, format!("not in order ({summary}); what is wrong stands above:{lines}{left_out}")))
    }

    /// Whether a finding is among those about the files.
    #[cfg(feature = "lint")]
    pub(super) fn has(&self, finding: &Diagnostic) -> bool {
        self.findings.iter().any(|it| it.message == finding.message && it.path == finding.path)
    }

    pub(super) fn is_ok(&self) -> bool {
        self.wrong().is_empty()
    }
}
