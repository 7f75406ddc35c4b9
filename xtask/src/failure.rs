//! How a command ends when it does not succeed.

use stairwell::migration::Direction;
use stairwell::plan::PlanError;
use stairwell::postgres::{ConnectError, DatabaseError, RunError, RunErrorKind};
use stairwell::{Color, Findings, FolderError};

use stairwell::server::ServerError;

/// Exit codes, as `cargo xtask db --help` documents them. clap itself ends with 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// A migration failed, or contradicts the database.
    Failed,
    /// Arguments or configuration make no sense.
    Usage,
    /// The files or their lock are not in order.
    Files,
    /// There is no connection to the database.
    NoDatabase,
    /// Refused, to keep data safe.
    Refused,
    /// A program that the command is a front of is not there; shells end so, too.
    NoProgram,
}

impl Code {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Files => 3,
            Self::NoDatabase => 4,
            Self::Refused => 5,
            Self::NoProgram => 127,
        }
    }
}

/// What to print, and how to end.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) text: Text,
}

/// What to print.
#[derive(Debug)]
pub(crate) enum Text {
    /// A message without the word `error` before it.
    Plain(String),
    /// Findings, each with its own heading.
    Findings(Findings),
    /// A run that ended early.
    Run(RunError),
    /// A trial that found something wrong.
    Trial(RunError),
}

impl Failure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: Text::Plain(text.into()) }
    }

    /// What is printed on standard error, without colours and the word before it.
    pub(crate) fn message(&self) -> String {
        let text = self.render(Color::Never);
        text.strip_prefix("error: ").unwrap_or(&text).to_owned()
    }

    /// What is printed on standard error.
    pub(crate) fn render(&self, color: Color) -> String {
        match &self.text {
            Text::Plain(text) => format!("{} {text}", heading(color)),
            Text::Findings(findings) => render_findings(findings, color),
            Text::Run(error) => render_run(error, color),
            Text::Trial(error) => format!("{}\n\nit was a trial: nothing changed", render_run(error, color)),
        }
    }
}

fn heading(color: Color) -> &'static str {
    match color {
        Color::Always => "\u{1b}[1m\u{1b}[91merror\u{1b}[0m\u{1b}[1m:\u{1b}[0m",
        Color::Never => "error:",
    }
}

pub(crate) fn render_findings(findings: &Findings, color: Color) -> String {
    findings.0.iter().map(|finding| finding.render(color)).collect::<Vec<_>>().join("\n\n")
}

fn render_run(error: &RunError, color: Color) -> String {
    use stairwell::postgres::Details;
    let what = match &error.kind {
        RunErrorKind::Plan(PlanError::Conflicts(findings)) => render_findings(findings, color),
        RunErrorKind::Script(failure) => failure.render(Details::Show, color),
        kind => format!("{} {kind}", heading(color)),
    };
    match (error.state_sentence(), &error.kind) {
        (Some(sentence), _) => format!("{what}\n\n{sentence}"),
        // Whoever goes back asks first what is gone already.
        (None, RunErrorKind::Plan(PlanError::Conflicts(_))) if error.direction == Direction::Down => {
            format!("{what}\n\nnothing was undone")
        }
        (None, _) => what,
    }
}

impl From<Findings> for Failure {
    fn from(findings: Findings) -> Self {
        Self { code: Code::Files, text: Text::Findings(findings) }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        Self::new(Code::Files, error.to_string())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let code = match &error.kind {
            RunErrorKind::Connect(_) => Code::NoDatabase,
            RunErrorKind::Plan(PlanError::UnknownVersion(_)) => Code::Usage,
            RunErrorKind::Environment { .. } | RunErrorKind::Marked { .. } | RunErrorKind::Destructive(_) => {
                Code::Refused
            }
            _ => Code::Failed,
        };
        Self { code, text: Text::Run(error) }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::new(Code::NoDatabase, error.to_string())
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::new(Code::Usage, error.to_string())
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::new(Code::NoDatabase, error.to_string())
    }
}
