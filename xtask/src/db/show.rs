//! `db show`: all there is to know about one migration.

use std::fmt::Write;

use serde::Serialize;
use stairwell::migration::{Direction, Migration, Mode, Script};
use stairwell::plan::{Applied, History};
use stairwell::postgres::{Standing, Status};
use stairwell::{Findings, Inspection, Severity, Version};

use crate::context::Context;
use crate::db::history::{HowApplied, description};
use crate::db::lockfile::count;
use crate::db::status::{lock_remarks, squashes, state, word};
use crate::db::up::migrator;
use crate::db::view::Name;
use crate::failure::{Code, Failure, render_findings};
use crate::json;
use crate::options::{Format, Output};
use crate::spelling::Spelling;
use crate::terminal::{color, print, say};

const HELP: &str = "\
Its scripts with their digests, what the checks find in them, how it stands to the lock, and its row in the ledger. Of one whose files \
are gone it shows what the ledger kept. It creates nothing, and needs no more than SELECT on the ledger.

Examples:
  cargo xtask db show head
  cargo xtask db show create_users
  cargo xtask db show 20261121";

/// Show one migration: its scripts, digests, findings, and row in the ledger
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// A version, the beginning of one, a name, or `head`
    #[arg(value_name = "MIGRATION")]
    migration: Spelling,
    #[command(flatten)]
    output: Output,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    name: Name,
    database: Option<String>,
    state: Option<&'static str>,
    description: Vec<String>,
    up: Option<File>,
    down: Option<File>,
    lock: Vec<&'static str>,
    findings: Vec<Finding>,
    ledger: Option<Kept>,
}

/// A script.
#[derive(Serialize)]
struct File {
    path: String,
    sha256: String,
    in_transaction: bool,
    statements: usize,
    text: String,
}

#[derive(Serialize)]
struct Finding {
    rule: &'static str,
    severity: &'static str,
    message: String,
    path: Option<String>,
}

/// The row in the ledger.
#[derive(Serialize)]
struct Kept {
    sha256: String,
    #[serde(flatten)]
    applied: HowApplied,
    up_script: Option<String>,
    down_script: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let inspection = context.inspect()?;
    // What the files say is worth seeing without a server, too.
    let asked = context.database().and_then(|database| {
        let history = migrator(&inspection).history_with_scripts(&database)?;
        Ok((database.to_string(), history))
    });
    let set = inspection.set();
    let none = History::default();
    let (database, history) = match &asked {
        Ok((database, history)) => (Some(database), history),
        Err(_) => (None, &none),
    };
    let found = args.migration.point(set, history);
    let version = match (found, asked.is_ok()) {
        (Ok(Some(version)), _) => version,
        (Ok(None), _) => return Err(Failure::new(Code::Usage, format!("`{}` is no migration", args.migration))),
        (Err(failure), true) => {
            // Perhaps its files are among those that are not in order.
            let defects = inspection.defects();
            if !defects.0.is_empty() {
                say(&render_findings(&defects, color()));
            }
            return Err(failure);
        }
        // It may be in the ledger.
        (Err(failure), false) => return Err(asked.map(drop).err().unwrap_or(failure)),
    };
    let status = Status::of(set, history);
    let of_version = status.rows.iter().find(|row| row.version == version);
    let standing = of_version.map(|row| row.standing);
    let shown = Shown {
        version,
        migration: set.get(version),
        row: history.get(version),
        standing: standing.filter(|_| database.is_some()),
        squashes: of_version.and_then(|row| row.squashes),
        inspection: &inspection,
    };
    match args.output.format() {
        Format::Json => json::print("show", &shown.document(database.cloned()))?,
        Format::Text => {
            print(shown.text())?;
            let findings = shown.findings();
            if !findings.0.is_empty() {
                say(&render_findings(&findings, color()));
            }
        }
    }
    // Without the ledger that was not all.
    asked.map(drop)
}

/// One migration, from both sides.
struct Shown<'a> {
    version: Version,
    migration: Option<&'a Migration>,
    row: Option<&'a Applied>,
    standing: Option<Standing>,
    squashes: Option<usize>,
    inspection: &'a Inspection,
}

impl Shown<'_> {
    fn id(&self) -> String {
        self.migration.map(|m| m.id().to_owned()).or_else(|| self.row.map(Applied::id)).unwrap_or_default()
    }

    fn findings(&self) -> Findings {
        let paths: Vec<&str> = self.migration.into_iter().flat_map(Migration::scripts).map(Script::path).collect();
        let all = self.inspection.findings.iter().chain(&self.inspection.accepted);
        let concerned =
            all.filter(|f| !f.rule.is_lock() && f.path.as_deref().is_some_and(|path| paths.contains(&path)));
        Findings(concerned.cloned().collect())
    }

    fn document(&self, database: Option<String>) -> Document {
        let file = |script: &Script| File {
            path: script.path().to_owned(),
            sha256: script.checksum().to_string(),
            in_transaction: script.mode() == Mode::Transaction,
            statements: script.statements().len(),
            text: script.text().to_owned(),
        };
        Document {
            name: Name::of_id(self.version, &self.id()),
            database,
            state: self.standing.map(state),
            description: self.migration.map(|m| description(&m.up)).unwrap_or_default(),
            up: self.migration.map(|m| file(&m.up)),
            down: self.migration.and_then(|m| m.down.as_ref()).map(file),
            lock: self.migration.map(|m| lock_remarks(m, self.inspection)).unwrap_or_default(),
            findings: self
                .findings()
                .0
                .into_iter()
                .map(|finding| Finding {
                    rule: finding.rule.name(),
                    severity: if finding.severity == Severity::Error { "error" } else { "warning" },
                    message: finding.message,
                    path: finding.path,
                })
                .collect(),
            ledger: self.row.map(|row| Kept {
                sha256: row.checksum.to_string(),
                applied: HowApplied::of(row.record.as_ref()),
                up_script: row.scripts.up.clone(),
                down_script: row.scripts.down.clone(),
            }),
        }
    }

    fn text(&self) -> String {
        let mut out = format!("{}\n", self.id());
        // Writing to a String does not fail.
        let mut line = |what: &str, text: &str| {
            let _ = writeln!(out, "  {what:<7} {text}");
        };
        if let Some(migration) = self.migration {
            for (what, script) in [("up", Some(&migration.up)), ("down", migration.down.as_ref())] {
                match script {
                    Some(script) => {
                        let statements = count(script.statements().len(), "statement");
                        let mode = match script.mode() {
                            Mode::Transaction => "in a transaction",
                            Mode::Statements => "outside of a transaction",
                        };
                        line(what, &format!("{}: {statements}, {mode}", script.path()));
                        line("", &format!("sha256 {}", script.checksum()));
                    }
                    None => line(what, &format!("none; irreversible: {}", migration.irreversible().unwrap_or("?"))),
                }
            }
            let lock = lock_remarks(migration, self.inspection);
            line("lock", &if lock.is_empty() { "locked as it is".to_owned() } else { lock.join("; ") });
        }
        if let Some(standing) = self.standing {
            line("ledger", &word(standing));
        }
        if let Some(count) = self.squashes {
            line("", &format!("{}, the newest of them:", squashes(count)));
        }
        if let Some(row) = self.row {
            let applied = HowApplied::of(row.record.as_ref());
            line("", &applied.sentence());
            line("", &format!("sha256 {} (the up script)", row.checksum));
            for remark in applied.remarks() {
                line("", remark);
            }
        }
        let scripts: Vec<(String, String)> = match (self.migration, self.row) {
            (Some(migration), _) => {
                migration.scripts().map(|script| (script.path().to_owned(), script.text().to_owned())).collect()
            }
            (None, Some(row)) => {
                let kept = [(Direction::Up, &row.scripts.up), (Direction::Down, &row.scripts.down)];
                let name = |way: Direction| format!("{}{} (as kept in the ledger)", row.id(), way.suffix());
                kept.into_iter().filter_map(|(way, text)| Some((name(way), text.clone()?))).collect()
            }
            (None, None) => Vec::new(),
        };
        for (path, text) in scripts {
            let _ = write!(out, "\n== {path}\n{}\n", text.trim_end());
        }
        out
    }
}
