//! A script that the server refused: from its error to file, line, column and caret.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use tokio_postgres::error::{DbError, ErrorPosition};

use super::error::Holder;
use crate::diagnostic::{Color, Diagnostic, Rule};
use crate::migration::{Direction, Mode, Script};
use crate::sql::{Position, byte_of_char};

/// Where in a script the server stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At this byte: the error had a position.
    Byte(usize),
    /// In this statement, counted from 0: a run-time error has no position.
    Statement(usize),
    /// After the last statement: what had been deferred to the end.
    End,
    /// Before the first one ran: the server could not take the text in.
    Whole,
}

/// A script failed. `Display` is for a log and leaves DETAIL, HINT and CONTEXT out, which can hold row data; [`render`](Self::render)
/// can show them on a terminal.
#[derive(Debug, Clone)]
pub struct ScriptFailure {
    id: String,
    path: String,
    text: Arc<str>,
    span: Range<usize>,
    label: String,
    statement: Option<usize>,
    mode: Mode,
    /// Statements outside of a transaction that had been done before this one.
    kept: usize,
    /// What is true of the migration now, where that is not what its mode implies.
    aftermath: Option<String>,
    message: String,
    sqlstate: String,
    detail: Option<String>,
    hint: Option<String>,
    context: Option<String>,
    blocker: Option<Holder>,
    missing_role: Option<String>,
    notes: Vec<String>,
}

impl std::error::Error for ScriptFailure {}

/// Whether what the server says about rows and callers is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Details {
    /// On a person's terminal.
    Show,
    /// In a log, where row data has no place.
    Hide,
}

impl ScriptFailure {
    /// A script that the server refused.
    pub(super) fn new(id: &str, script: &Script, place: &Place, error: &DbError) -> Self {
        Self {
            sqlstate: error.code().code().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            context: error.where_().map(str::to_owned),
            missing_role: missing_role(error),
            ..Self::of_outcome(id, script, place, error.message().to_owned())
        }
    }

    /// A script that the server accepted and that did not do what it says.
    pub(super) fn of_outcome(id: &str, script: &Script, place: &Place, message: String) -> Self {
        let (span, label, statement) = script_span(script, place);
        Self {
            id: id.to_owned(),
            path: script.path().to_owned(),
            text: script.shared_text(),
            span,
            label,
            statement,
            mode: script.mode(),
            kept: 0,
            aftermath: None,
            message,
            sqlstate: String::new(),
            detail: None,
            hint: None,
            context: None,
            blocker: None,
            missing_role: None,
            notes: Vec::new(),
        }
    }

    /// Says that this many statements outside of a transaction had been done before.
    pub(super) fn keeping(mut self, kept: usize) -> Self {
        self.kept = kept;
        self
    }

    /// Says that it left this index behind, which is invalid.
    pub(super) fn leaving(self, index: &str) -> Self {
        let aftermath = format!("{} is not applied, and left an invalid index; nothing else changed", self.id);
        self.note(format!("it left the index {index} behind, which is invalid; the next run drops it first"))
            .aftermath_is(aftermath)
    }

    /// Says who kept it waiting for a lock.
    pub(super) fn blocked_by(mut self, blocker: Option<Holder>) -> Self {
        self.blocker = blocker;
        self
    }

    /// Who was last seen to have the lock that it waited for.
    pub fn blocker(&self) -> Option<&Holder> {
        self.blocker.as_ref()
    }

    /// Says what is true of the migration now.
    pub(super) fn aftermath_is(mut self, sentence: String) -> Self {
        self.aftermath = Some(sentence);
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The migration, as its files are called.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The server's code for the error, five characters; empty if it was not the server that objected.
    pub fn sqlstate(&self) -> &str {
        &self.sqlstate
    }

    /// The script's file, as a person reads it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The role that the server does not have, if that is why it failed.
    pub fn missing_role(&self) -> Option<&str> {
        self.missing_role.as_deref()
    }

    /// What the server said, without DETAIL, HINT and CONTEXT.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The statement that failed, from 1, where the server told.
    pub fn statement(&self) -> Option<usize> {
        self.statement.map(|n| n + 1)
    }

    /// Line and column in the file.
    pub fn position(&self) -> Position {
        Position::of(&self.text, self.span.start)
    }

    /// What is true of this migration now, after its script forward or back has failed.
    pub(super) fn aftermath(&self, direction: Direction) -> String {
        if let Some(sentence) = &self.aftermath {
            return sentence.clone();
        }
        match (self.mode, self.kept) {
            (Mode::Transaction, _) if direction == Direction::Down => {
                format!("{} is still applied: its way back failed and was rolled back; nothing else changed", self.id)
            }
            (Mode::Transaction, _) => format!("{} was rolled back; nothing else changed", self.id),
            (Mode::Statements, 0) => format!("{} did nothing; nothing else changed", self.id),
            (Mode::Statements, kept) => {
                format!(
                    "of {}, which runs outside of a transaction, {kept} statements are done, and the next run goes on behind them",
                    self.id
                )
            }
        }
    }

    /// Several lines in the shape of rustc's errors.
    pub fn render(&self, details: Details, color: Color) -> String {
        let mut diagnostic = Diagnostic::error(Rule::Failed, self.message.clone())
            .code(if self.sqlstate.is_empty() { Rule::Failed.name() } else { &self.sqlstate })
            .at(self.path.clone())
            .pointing(&self.text, self.span.clone(), self.label.clone());
        if details == Details::Show {
            let parts = [("detail", &self.detail), ("hint", &self.hint), ("context", &self.context)];
            for (word, value) in parts {
                if let Some(value) = value {
                    diagnostic = diagnostic.note(format!("{word}: {value}"));
                }
            }
        }
        if let Some(blocker) = &self.blocker {
            diagnostic = diagnostic.note(format!("the lock was held by {blocker}"));
        }
        for note in &self.notes {
            diagnostic = diagnostic.note(note.clone());
        }
        if let Some(help) = help(&self.sqlstate) {
            diagnostic = diagnostic.help(help);
        }
        diagnostic.render(color)
    }
}

impl fmt::Display for ScriptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Details::Hide, Color::Never))
    }
}

/// What to point at, the words beside the caret, and the index of the statement.
fn script_span(script: &Script, place: &Place) -> (Range<usize>, String, Option<usize>) {
    let of = script.statements().len();
    let named = |n: usize| format!("statement {} of {of}", n + 1);
    match place {
        Place::Byte(byte) => {
            let statement = script.statements().iter().rposition(|range| range.start <= *byte);
            let end = script.text().get(*byte..).map_or(*byte, |rest| *byte + word_length(rest));
            (*byte..end, statement.map(named).unwrap_or_default(), statement)
        }
        Place::Statement(n) => {
            let range = script.statements().get(*n).cloned().unwrap_or(0..0);
            let first_line = script
                .text()
                .get(range.clone())
                .and_then(|text| text.find('\n'))
                .map_or(range.end, |n| range.start + n);
            (range.start..first_line, named(*n), Some(*n))
        }
        Place::End => {
            let range = script.statements().last().cloned().unwrap_or(0..0);
            (range.end..range.end, "here, at the end of the script: a deferred constraint or trigger".to_owned(), None)
        }
        Place::Whole => (0..0, "in this file".to_owned(), None),
    }
}

/// The length of the word that a text begins with, at least one character.
pub(crate) fn word_length(text: &str) -> usize {
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if word > 0 { word } else { text.chars().next().map_or(0, char::len_utf8) }
}

/// The byte of a script's text that an error's position names, if it has one and it lies in the text.
///
/// `before` is how many characters of the message stand before that text.
pub(crate) fn byte_of_error(error: &DbError, text: &str, before: usize) -> Option<usize> {
    let index = position(error)?.checked_sub(before)?;
    let byte = byte_of_char(text, index);
    // "At end of input" names the place behind the last character.
    (byte < text.len() || index <= text.chars().count()).then_some(byte)
}

/// The role that is not there, if that is what a statement failed of.
pub(crate) fn missing_role(error: &DbError) -> Option<String> {
    let looked_for_a_role = error.routine().is_some_and(|name| name.starts_with("get_role"));
    if error.code().code() != "42704" || !looked_for_a_role {
        return None;
    }
    // The name stands between quotes in most languages.
    let (_, rest) = error.message().split_once('"')?;
    rest.rsplit_once('"').map(|(name, _)| name.to_owned())
}

/// How many characters of the message stand before the place that an error names, if it names one.
pub(super) fn position(error: &DbError) -> Option<usize> {
    match error.position() {
        Some(ErrorPosition::Original(position)) => usize::try_from(*position).ok()?.checked_sub(1),
        _ => None,
    }
}

/// What to do about errors that migrations meet often.
fn help(sqlstate: &str) -> Option<&'static str> {
    Some(match sqlstate {
        "2D000" => {
            "a procedure or a DO block ends the transaction; a migration runs in one with its ledger row, so take the COMMIT or ROLLBACK out"
        }
        "55P03" => {
            "let the session that has the lock finish, or end it with `SELECT pg_terminate_backend(<its pid>)` (pg_stat_activity lists all), and run again; `-- stairwell: lock-timeout 30s` gives the script more time"
        }
        "40P01" => {
            "others take these locks in another order: run it again when there is less traffic, or take them first, in their order (`LOCK TABLE …`)"
        }
        "55P04" => "a new enum value can be used only after its migration has committed: use it in a later migration",
        "25001" => {
            "this cannot run in a transaction: give it a migration of its own that begins with `-- stairwell: no-transaction`"
        }
        "42501" => "the role lacks the privilege: migrate as the owner, or GRANT it",
        "54001" => "the statement is nested too deeply for the server's `max_stack_depth`: write it flatter",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Direction;

    fn script(text: &str) -> Script {
        Script::parse("migrations/1_a.up.sql".into(), text.as_bytes(), Direction::Up).0.unwrap()
    }

    #[test]
    fn a_byte_is_shown_with_its_word_and_its_statement() {
        let script = script("select 'ü';\nselect nonsense;\n");
        let byte = script.text().find("nonsense").unwrap();
        let (span, label, statement) = script_span(&script, &Place::Byte(byte));
        assert_eq!((&script.text()[span], label.as_str(), statement), ("nonsense", "statement 2 of 2", Some(1)));
    }

    #[test]
    fn a_failed_outcome_reads_like_an_error() {
        let script = script("create index concurrently if not exists i\n  on t (a);");
        let failure =
            ScriptFailure::of_outcome("1_a", &script, &Place::Statement(0), "the index `i` is invalid".to_owned())
                .note("an earlier run left it");
        insta::assert_snapshot!(failure);
        assert_eq!(failure.aftermath(Direction::Up), "1_a did nothing; nothing else changed");
    }
}
