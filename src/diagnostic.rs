//! Errors and warnings about files, in the shape that rustc gives its own.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::sql::Position;

/// What a finding is about. Its name stands in brackets in the output, and in `-- stairwell: allow <rule> <reason>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// A file that cannot be read.
    Unreadable,
    /// A name that is not `<version>_<name>.up.sql` or `.down.sql`.
    FileName,
    /// A symlink, a folder, or anything else that is no plain file.
    FileKind,
    /// Two migrations, or two files of one, with the same version.
    DuplicateVersion,
    /// A down script without its up script.
    MissingUp,
    /// An up script without a down script that does not say `irreversible`.
    MissingDown,
    /// UTF-16, invalid UTF-8, or a NUL byte.
    Encoding,
    /// A quote or comment that is never closed.
    Unterminated,
    /// A directive that is unknown, wrong, or in the wrong place.
    Directive,
    /// A script without a statement.
    Empty,
    /// `BEGIN`, `COMMIT`, `ROLLBACK` and their kin.
    TransactionControl,
    /// A statement that cannot run in a transaction, in a script that does.
    InTransaction,
    /// A `no-transaction` script that is not one statement.
    SeveralStatements,
    /// `CREATE INDEX CONCURRENTLY` without a name, which cannot be checked after a crash.
    UnnamedIndex,
    /// A psql meta-command.
    MetaCommand,
    /// `COPY … FROM STDIN`
    CopyFromStdin,
    /// `SET` without `LOCAL`, and whatever else outlives the script.
    SessionState,
    /// A value that the same script adds to an enum.
    EnumValueUsed,
    /// What drops or overwrites data in an up script that does not say `destructive`.
    Destructive,
    /// A `DO` block that executes what it puts together.
    OpaqueSql,
    /// An `allow` of a rule that has found nothing.
    UnusedAllow,
    /// The lock file itself is damaged.
    LockFile,
    /// A migration that the lock does not have.
    NotLocked,
    /// A file whose digest is not the lock's.
    Edited,
    /// A file of the lock that is gone.
    Missing,
    /// A migration that is older than the newest locked one.
    OutOfOrder,
    /// A `no-transaction` script that began, and whose end the ledger did not see.
    Interrupted,
    /// A database that has some of what a baseline squashes, and not all of it.
    Squashed,
    /// A script that the server refused; in brackets stands the SQLSTATE.
    Failed,
    /// What `cargo xtask db lint` looks for, by the name of its rule: one of [`LINT_RULES`](crate::migration::LINT_RULES).
    Lint(&'static str),
}

impl Rule {
    /// Its name, as written in `-- stairwell: allow <rule> <reason>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::FileName => "file-name",
            Self::FileKind => "file-kind",
            Self::DuplicateVersion => "duplicate-version",
            Self::MissingUp => "missing-up",
            Self::MissingDown => "missing-down",
            Self::Encoding => "encoding",
            Self::Unterminated => "unterminated",
            Self::Directive => "directive",
            Self::Empty => "empty",
            Self::TransactionControl => "transaction-control",
            Self::InTransaction => "in-transaction",
            Self::SeveralStatements => "several-statements",
            Self::UnnamedIndex => "unnamed-index",
            Self::MetaCommand => "meta-command",
            Self::CopyFromStdin => "copy-from-stdin",
            Self::SessionState => "session-state",
            Self::EnumValueUsed => "enum-value-used",
            Self::Destructive => "destructive",
            Self::OpaqueSql => "opaque-sql",
            Self::UnusedAllow => "unused-allow",
            Self::LockFile => "lock-file",
            Self::NotLocked => "not-locked",
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::OutOfOrder => "out-of-order",
            Self::Interrupted => "interrupted",
            Self::Squashed => "squashed",
            Self::Failed => "failed",
            Self::Lint(name) => name,
        }
    }

    /// About a script's content, and asked of new migrations only: in one that the lock has accepted it is history, which nobody may
    /// edit, and which some database has been through. So a rule that a later version of this library adds breaks no build, an imported
    /// history keeps its `SET` and its `DROP`, and whoever edits a locked file is asked again. All other rules say that the set cannot be
    /// run as it is.
    pub fn is_style(self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::TransactionControl
                | Self::InTransaction
                | Self::SeveralStatements
                | Self::UnnamedIndex
                | Self::MissingDown
                | Self::SessionState
                | Self::EnumValueUsed
                | Self::Destructive
                | Self::OpaqueSql
                | Self::UnusedAllow
                | Self::Lint(_)
        )
    }

    /// About the files beside the lock, and mended by locking or by restoring.
    pub fn is_lock(self) -> bool {
        matches!(self, Self::LockFile | Self::NotLocked | Self::Edited | Self::Missing | Self::OutOfOrder)
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing stops.
    Warning,
    /// It stops the build or the command.
    Error,
}

/// A part of a file to point at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    text: Arc<str>,
    span: Range<usize>,
    label: String,
}

/// One finding: what, where, why, and how to mend it. `Display` gives the plain rendering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is about.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// The file, as a person would open it from the workspace's folder.
    pub path: Option<String>,
    /// The lines of the lock that it concerns, by their files' names. Empty if it is about nothing that was locked.
    pub locked_files: Vec<String>,
    code: Option<String>,
    excerpt: Option<Excerpt>,
    notes: Vec<String>,
    help: Vec<String>,
}

impl Diagnostic {
    /// An error of this rule.
    pub fn error(rule: Rule, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: Severity::Error,
            message: message.into(),
            path: None,
            locked_files: Vec::new(),
            code: None,
            excerpt: None,
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Names the file.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Names the lines of the lock that it concerns.
    pub(crate) fn about_locked<'a>(mut self, files: impl IntoIterator<Item = &'a str>) -> Self {
        self.locked_files = files.into_iter().map(str::to_owned).collect();
        self
    }

    /// Points at these bytes of the file's text, with a few words beside the caret.
    #[must_use]
    pub fn pointing(mut self, text: &Arc<str>, span: Range<usize>, label: impl Into<String>) -> Self {
        self.excerpt = Some(Excerpt { text: Arc::clone(text), span, label: label.into() });
        self
    }

    /// Puts this in the brackets instead of the rule's name.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds why.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// The same finding, as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// What, why and how to mend it, for where the place is told otherwise: a paragraph each.
    pub fn explanation(&self) -> String {
        let parts = std::iter::once(&self.message).chain(&self.notes).chain(&self.help);
        parts.map(String::as_str).collect::<Vec<_>>().join("\n\n")
    }

    /// How to mend it, a way each.
    pub fn remedies(&self) -> &[String] {
        &self.help
    }

    /// Line and column of what it points at.
    pub fn position(&self) -> Option<Position> {
        self.excerpt.as_ref().map(|e| Position::of(&e.text, e.span.start))
    }

    /// The byte that it points at. It orders the findings of a file without counting lines.
    pub(crate) fn offset(&self) -> Option<usize> {
        self.excerpt.as_ref().map(|e| e.span.start)
    }

    /// Renders it on several lines, without one at the end; with ANSI colours if `color` says so.
    pub fn render(&self, color: Color) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str()).id(self.code.as_deref().unwrap_or(self.rule.name()));
        let cut = self.excerpt.as_ref().map(Cut::of);
        let mut group = Group::with_title(title);
        match (&self.path, &self.excerpt, &cut) {
            (path, Some(excerpt), Some(cut)) => {
                let snippet = Snippet::source(cut.text.as_str())
                    .line_start(cut.line)
                    .annotation(AnnotationKind::Primary.span(cut.span.clone()).label(excerpt.label.as_str()));
                group = group.element(match path {
                    Some(path) => snippet.path(path.as_str()),
                    None => snippet,
                });
            }
            (Some(path), ..) => group = group.element(annotate_snippets::Origin::path(path.as_str())),
            _ => {}
        }
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        for help in &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let rendered = match color {
            Color::Never => Renderer::plain().render(&[group]),
            Color::Always => Renderer::styled().render(&[group]),
        };
        match (&self.path, &self.excerpt, &cut) {
            // The renderer counts the column in the part of the line that it is given.
            (Some(path), Some(excerpt), Some(cut)) if cut.column_moved => {
                let (at, shown) =
                    (Position::of(&excerpt.text, excerpt.span.start), Position::of(&cut.text, cut.span.start));
                let place = |column: usize| format!("{path}:{}:{column}", at.line);
                rendered.replacen(&place(shown.column), &place(at.column), 1)
            }
            _ => rendered,
        }
    }
}

/// Whether to write ANSI colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// For a terminal.
    Always,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Color::Never))
    }
}

/// The line that is pointed at, cut to what fits a screen: a script of 5 MB may be one line.
struct Cut {
    text: String,
    line: usize,
    span: Range<usize>,
    /// Whether the line begins elsewhere.
    column_moved: bool,
}

impl Cut {
    /// Bytes that are kept on each side of what is pointed at.
    const AROUND: usize = 120;

    fn of(excerpt: &Excerpt) -> Self {
        let text = &*excerpt.text;
        let start = floor_char(text, excerpt.span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |n| n + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |n| start + n);
        let end = floor_char(text, excerpt.span.end.clamp(start, line_end).min(start + Self::AROUND));
        let from = floor_char(text, line_start.max(start.saturating_sub(Self::AROUND)));
        let to = floor_char(text, line_end.min(end + Self::AROUND));
        let (before, after) = (if from > line_start { "…" } else { "" }, if to < line_end { "…" } else { "" });
        let line = Position::of(text, start).line;
        let text = format!("{before}{}{after}", text[from..to].trim_end_matches('\r'));
        // A carriage return that was cut may have been pointed at.
        let shift = |offset: usize| (offset - from + before.len()).min(text.len());
        let span = shift(start)..shift(end.max(start));
        Self { text, line, span, column_moved: from > line_start }
    }
}

fn floor_char(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_an_error_of_rustc() {
        let text: Arc<str> = "create table ü (i int);\n  commit;\n".into();
        let at = text.find("commit").unwrap();
        let diagnostic = Diagnostic::error(Rule::TransactionControl, "a script must not end its own transaction")
            .at("migrations/1_a.up.sql")
            .pointing(&text, at..at + 6, "ends the transaction")
            .note("each migration runs in one transaction with its ledger row")
            .help("remove the line");
        insta::assert_snapshot!(diagnostic);
    }

    #[test]
    fn a_very_long_line_is_cut_on_both_sides() {
        let text: Arc<str> = format!("{}here{}", "é".repeat(100_000), "é".repeat(100_000)).into();
        let rendered = Diagnostic::error(Rule::Empty, "x").at("f").pointing(&text, 200_000..200_004, "").to_string();
        assert!(rendered.len() < 1_500 && rendered.contains("here"), "{}", rendered.len());
        // Where it is in the file, and not in what is shown of it.
        assert!(rendered.contains(" --> f:1:100001\n  |\n1 | …"), "{rendered}");
    }
}
