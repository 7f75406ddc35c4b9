//! SQL of a file, and what a server says about it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Rule};
use crate::postgres::{Failed, byte_of_error, word_length};
use crate::sql::{self, TokenKind};

/// What pg_dump writes since August 2025 around its output, for psql: nothing between may be a meta-command.
const HARMLESS: [&str; 2] = ["\\restrict", "\\unrestrict"];

/// A file with the SQL of a schema.
#[derive(Debug, Clone)]
pub struct Source {
    /// As a person would open it.
    path: String,
    text: Arc<str>,
    statements: Vec<Range<usize>>,
}

/// Files that cannot be read or that hold what only psql understands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The system refused.
    #[error("cannot read `{path}`: {error}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A folder without SQL.
    #[error("`{0}` has no file that ends in `.sql`")]
    NoFiles(PathBuf),
    /// What is in a file, and where.
    #[error("{0}")]
    Content(Box<Diagnostic>),
}

impl Source {
    /// Of text; `path` is what a person calls it. Fails where it holds a psql command, the data of a `COPY`, or a quote that nothing
    /// closes.
    pub fn new(path: impl Into<String>, text: impl Into<Arc<str>>) -> Result<Self, SourceError> {
        let (path, text) = (path.into(), text.into());
        let script = sql::split(&text);
        let source = Self { path, statements: script.statements.iter().map(|s| s.start..s.end).collect(), text };
        let refuse = |rule: Rule, span: Range<usize>, message: &str, label: &str, help: &str| {
            let span = span.start..first_line(&source.text, span);
            let diagnostic =
                Diagnostic::error(rule, message).at(source.path.clone()).pointing(&source.text, span, label);
            Err(SourceError::Content(Box::new(diagnostic.help(help))))
        };
        for meta in &script.meta_commands {
            debug_assert_eq!(meta.kind, TokenKind::Meta);
            let command = source.text.get(meta.start..meta.end).unwrap_or_default();
            if !HARMLESS.iter().any(|known| command.split_whitespace().next() == Some(known)) {
                return refuse(
                    Rule::MetaCommand,
                    meta.start..meta.end,
                    "a command of psql's own in a schema",
                    "only psql understands this",
                    "take it out: a schema is SQL, and several files of a folder are loaded in the order of their names",
                );
            }
        }
        if let Some(copy) = script.copies.first() {
            return refuse(
                Rule::CopyFromStdin,
                copy.start..copy.end,
                "rows in a schema",
                "the data that follow are no schema",
                "write the file without data, as `pg_dump --schema-only` does",
            );
        }
        if let Some(open) = script.unterminated {
            return refuse(
                Rule::Unterminated,
                open.start..open.end,
                "a quote or comment that nothing closes",
                "it begins here",
                "close it",
            );
        }
        Ok(source)
    }

    /// Reads a file, or all of a folder and the folders in it that end in `.sql`, in order of their paths.
    pub fn read(path: &Path) -> Result<Vec<Self>, SourceError> {
        let unreadable = |path: &Path, error| SourceError::Unreadable { path: path.to_owned(), error };
        let data = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
        let files = if data.is_dir() {
            let mut files = Vec::new();
            for entry in walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name() {
                let entry = entry.map_err(|error| unreadable(path, error.into()))?;
                let is_sql = entry.path().extension().is_some_and(|ending| ending.eq_ignore_ascii_case("sql"));
                if entry.file_type().is_file() && is_sql {
                    files.push(entry.into_path());
                }
            }
            if files.is_empty() {
                return Err(SourceError::NoFiles(path.to_owned()));
            }
            files
        } else {
            vec![path.to_owned()]
        };
        let source = |file: &PathBuf| {
            let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, error))?;
            // A mark that editors of another system write, and no SQL.
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            Self::new(file.display().to_string(), text)
        };
        files.iter().map(source).collect()
    }

    /// Its statements, one by one.
    pub(crate) fn statements(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().filter_map(|range| self.text.get(range.clone()))
    }

    /// It ends within a transaction.
    pub(super) fn left_open(&self) -> Diagnostic {
        let range = self.statements.last().cloned().unwrap_or(0..0);
        Diagnostic::error(Rule::TransactionControl, "a transaction that nothing ends")
            .at(self.path.clone())
            .pointing(&self.text, range.start..first_line(&self.text, range), "the file ends within it")
            .help("write the COMMIT, or take the BEGIN out: a schema needs none")
    }

    /// What the server said about a statement.
    pub(crate) fn refused(&self, statement: usize, failed: &Failed) -> Diagnostic {
        let range = self.statements.get(statement).cloned().unwrap_or(0..0);
        let sql = self.text.get(range.clone()).unwrap_or_default();
        let error = failed.error.as_db_error();
        let span = match error.and_then(|error| byte_of_error(error, sql, 0)) {
            Some(byte) => {
                let start = range.start + byte;
                start..start + self.text.get(start..).map_or(0, word_length)
            }
            None => range.start..first_line(&self.text, range),
        };
        let mut diagnostic = Diagnostic::error(Rule::Failed, failed.reason())
            .code(if failed.code().is_empty() { Rule::Failed.name() } else { failed.code() })
            .at(self.path.clone())
            .pointing(&self.text, span, format!("statement {} of {}", statement + 1, self.statements.len()));
        if let Some(error) = error {
            let parts = [("detail", error.detail()), ("hint", error.hint()), ("context", error.where_())];
            for (word, value) in parts {
                diagnostic = value.into_iter().fold(diagnostic, |it, value| it.note(format!("{word}: {value}")));
            }
        }
        diagnostic
    }
}

/// Where the first line of this part of the text ends.
fn first_line(text: &str, span: Range<usize>) -> usize {
    text.get(span.clone()).and_then(|part| part.find('\n')).map_or(span.end, |n| span.start + n)
}
