//! What was found, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use stairwell::{Color, Diagnostic, Severity};

use super::judge::Judged;
use super::levels::Levels;
use super::rule::{Level, Rule};
use super::rules::RULES;
use crate::db::lockfile::count;
use crate::db::view::Name;

/// The document of `--format json`.
#[derive(Serialize)]
pub(crate) struct Document {
    ok: bool,
    /// How many were judged.
    migrations: usize,
    history: usize,
    findings: Vec<Row>,
}

/// One finding.
#[derive(Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    migration: Name,
    rule: &'static str,
    severity: &'static str,
    message: String,
    path: Option<String>,
    /// Both from 1; columns count characters.
    line: Option<usize>,
    column: Option<usize>,
}

fn severity(finding: &Diagnostic) -> &'static str {
    if finding.severity == Severity::Error { "error" } else { "warning" }
}

impl Document {
    pub(crate) fn of(judged: &[Judged<'_>], history: usize) -> Self {
        let row = |judged: &Judged<'_>, finding: &Diagnostic| Row {
            migration: Name::new(judged.migration.version, judged.migration.name()),
            rule: finding.rule.name(),
            severity: severity(finding),
            message: finding.message.clone(),
            path: finding.path.clone(),
            line: finding.position().map(|position| position.line),
            column: finding.position().map(|position| position.column),
        };
        let findings = judged.iter().flat_map(|one| one.findings.iter().map(move |finding| row(one, finding)));
        Self {
            ok: !judged.iter().any(Judged::is_denied),
            migrations: judged.len(),
            history,
            findings: findings.collect(),
        }
    }
}

/// All findings as rustc would print them, and nothing where there are none.
pub(crate) fn text(judged: &[Judged<'_>], color: Color) -> String {
    let findings = judged.iter().flat_map(|judged| &judged.findings);
    findings.map(|finding| finding.render(color) + "\n\n").collect()
}

/// `3 errors and 1 warning in 2 of 5 migrations; 12 are history`
pub(crate) fn summary(judged: &[Judged<'_>], history: usize) -> String {
    let number = |wanted| {
        let all = judged.iter().flat_map(|judged| &judged.findings);
        all.filter(|finding| finding.severity == wanted).count()
    };
    let (errors, warnings) = (number(Severity::Error), number(Severity::Warning));
    let found = match (errors, warnings) {
        (0, 0) => "nothing found".to_owned(),
        (errors, 0) => count(errors, "error"),
        (0, warnings) => count(warnings, "warning"),
        (errors, warnings) => format!("{} and {}", count(errors, "error"), count(warnings, "warning")),
    };
    let mut line = format!("{found} in {}", count(judged.len(), "migration"));
    if history > 0 {
        let _ = write!(line, "; {history} more {} history", if history == 1 { "is" } else { "are" });
    }
    line
}

/// Workflow commands of GitHub Actions, a line each.
pub(crate) fn github(judged: &[Judged<'_>], root: &Path) -> String {
    // https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts: what `escapeData` and `escapeProperty` do.
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let line = |finding: &Diagnostic| {
        let (level, position) = (severity(finding), finding.position());
        let (row, column) = position.map_or((1, 1), |position| (position.line, position.column));
        let path = finding.path.as_deref().map(|path| relative(path, root)).unwrap_or_default();
        let body = finding.explanation();
        format!(
            "::{level} file={},line={row},col={column},title={}::{}\n",
            property(&path),
            property(&format!("stairwell: {}", finding.rule.name())),
            data(&body)
        )
    };
    judged.iter().flat_map(|judged| &judged.findings).map(line).collect()
}

/// A log of SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).
pub(crate) fn sarif(judged: &[Judged<'_>], levels: &Levels, root: &Path) -> Value {
    let level = |level: Level| match level {
        Level::Off => "none",
        Level::Warn => "warning",
        Level::Deny => "error",
    };
    let rule = |rule: &Rule| {
        json!({
            "id": rule.name,
            "shortDescription": { "text": rule.summary },
            "fullDescription": { "text": rule.why },
            "help": { "text": rule.instead },
            "defaultConfiguration": { "level": level(levels.of(rule)), "enabled": levels.of(rule) != Level::Off },
        })
    };
    let result = |finding: &Diagnostic| {
        let index = RULES.iter().position(|rule| rule.name == finding.rule.name());
        let region =
            finding.position().map(|position| json!({ "startLine": position.line, "startColumn": position.column }));
        let path = finding.path.as_deref().map(|path| relative(path, root)).unwrap_or_default();
        let mut result = json!({
            "ruleId": finding.rule.name(),
            "level": severity(finding),
            "message": { "text": finding.explanation() },
            "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(&path) }, "region": region } }],
        });
        if let (Some(index), Some(fields)) = (index, result.as_object_mut()) {
            fields.insert("ruleIndex".to_owned(), index.into());
        }
        result
    };
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "stairwell",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": judged.iter().flat_map(|judged| &judged.findings).map(result).collect::<Vec<_>>(),
        }],
    })
}

/// The path as it is from the repository's folder, with slashes.
fn relative(path: &str, root: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let inside = absolute.strip_prefix(root).map_or_else(|_| path.into(), Path::to_path_buf);
    inside.to_string_lossy().replace('\\', "/")
}

/// A path as a relative reference of RFC 3986: what is no letter, digit or `-._~/` is escaped.
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
        uri
    })
}
