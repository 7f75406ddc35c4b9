//! A migration: its name, its two scripts, and what their leading comments say.

mod content;
mod directive;
mod hazards;
mod name;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub use directive::{Allow, Directives, parse_duration};
pub use name::{Direction, FileName, file_name, is_name};

use crate::checksum::Checksum;
use crate::diagnostic::Diagnostic;
use crate::sql;
use crate::version::Version;

/// The most findings of one script that are shown: a dump of another database can have thousands, and nobody reads them.
const MOST_FINDINGS: usize = 20;

/// One migration of a set.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Its place in the order.
    pub version: Version,
    /// `create_users` of `20261121093000_create_users.up.sql`.
    pub name: String,
    /// The script that applies it.
    pub up: Script,
    /// The script that undoes it; `None` where there is no way back.
    pub down: Option<Script>,
}

impl Migration {
    /// `20261121093000_create_users`, as the files are called.
    pub fn id(&self) -> &str {
        self.up.file.strip_suffix(Direction::Up.suffix()).unwrap_or(&self.up.file)
    }

    /// Why there is no way back, if the up script says so.
    pub fn irreversible(&self) -> Option<&str> {
        self.up.directives.irreversible.as_deref()
    }

    /// Up, then down.
    pub fn scripts(&self) -> impl Iterator<Item = &Script> {
        std::iter::once(&self.up).chain(&self.down)
    }
}

/// How a script is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In one transaction with its ledger row.
    Transaction,
    /// Statement by statement, outside of a transaction.
    Statements,
}

/// The text of one file and what can be told about it without a server.
#[derive(Debug, Clone)]
pub struct Script {
    /// The file's name without its folder.
    pub file: String,
    /// The path as a person would open it from where they stand.
    pub path: String,
    /// The text with LF line ends and without a byte order mark.
    pub text: Arc<str>,
    /// The digest of [`text`](Self::text).
    pub checksum: Checksum,
    /// What its leading comments say.
    pub directives: Directives,
    /// Where each statement that is sent stands, in bytes without its semicolon.
    pub statements: Vec<Range<usize>>,
    /// How it is sent.
    pub mode: Mode,
    /// `BEGIN` and `COMMIT` around the whole script, which the runner's own transaction replaces. Only an imported history has them.
    #[cfg_attr(not(any(test, feature = "postgres")), expect(dead_code, reason = "only the runner sends scripts"))]
    pub(crate) wrapper: Option<[Range<usize>; 2]>,
    /// Whether it says `SET CONSTRAINTS`.
    #[cfg_attr(not(any(test, feature = "postgres")), expect(dead_code, reason = "only the runner asks"))]
    pub(crate) sets_constraints: bool,
    /// Whether it begins or ends transactions of its own, beside such a wrapper. Only an imported history does.
    #[cfg_attr(not(any(test, feature = "postgres")), expect(dead_code, reason = "only the runner asks"))]
    pub(crate) controls_transaction: bool,
}

impl Script {
    /// Reads a file's bytes. A script comes back where the text could be decoded, also beside errors.
    ///
    /// `direction` decides which directives it may have.
    pub fn parse(file: String, path: String, bytes: &[u8], direction: Direction) -> (Option<Self>, Vec<Diagnostic>) {
        let text = match content::decode(&path, bytes) {
            Ok(text) => text,
            Err(finding) => return (None, vec![finding]),
        };
        let split = sql::split(&text);
        let (directives, mut findings) = directive::read(&path, &text, &split, direction);
        findings.extend(content::check(&path, &text, &split, &directives));
        findings.extend(hazards::check(&path, &text, &split, &directives, direction));
        if findings.len() > MOST_FINDINGS {
            // What makes the script impossible to run comes before style, so this hides style only, or more of the same.
            findings.truncate(MOST_FINDINGS);
            let last = findings.pop();
            findings.extend(last.map(|last| last.note("there is more like this in the file; mend these first")));
        }
        let script = Self::of_parts(file, path, text, &split, directives);
        (Some(script), findings)
    }

    /// A script that was accepted before and comes from the ledger: nothing in it is refused any more.
    pub fn stored(file: String, path: String, text: &str, direction: Direction) -> Self {
        let text: Arc<str> = text.into();
        let split = sql::split(&text);
        let (directives, _) = directive::read(&path, &text, &split, direction);
        Self::of_parts(file, path, text, &split, directives)
    }

    fn of_parts(file: String, path: String, text: Arc<str>, split: &sql::Script, directives: Directives) -> Self {
        let alone = split.statements.iter().any(|s| sql::in_transaction_refused(&text, s).is_some());
        let wrapper = content::wrapper(&text, split);
        let sent = |range: &Range<usize>| wrapper.as_ref().is_none_or(|blank| !blank.contains(range));
        Self {
            file,
            path,
            checksum: Checksum::of(text.as_bytes()),
            statements: split.statements.iter().map(|s| s.start..s.end).filter(sent).collect(),
            mode: if directives.no_transaction || alone { Mode::Statements } else { Mode::Transaction },
            controls_transaction: wrapper.is_none()
                && split.statements.iter().any(|s| sql::transaction_control(&text, s).is_some()),
            sets_constraints: split.statements.iter().any(|s| s.starts_with(&text, &["SET", "CONSTRAINTS"])),
            wrapper,
            text,
            directives,
        }
    }

    /// A digest that comments and white space don't change. Made when asked for: most scripts are never asked.
    pub fn fingerprint(&self) -> Checksum {
        content::fingerprint(&self.text)
    }

    /// The text to send: as it is, or with a `BEGIN` and `COMMIT` around it blanked out, so that every offset stays.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn to_send(&self) -> std::borrow::Cow<'_, str> {
        match &self.wrapper {
            None => (&*self.text).into(),
            Some(ranges) => {
                let mut text = self.text.to_string();
                for range in ranges {
                    // Line ends stay, so that lines keep their numbers, and so does the length in bytes: a comment may stand in between.
                    let blank: String =
                        self.text[range.clone()].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
                    text.replace_range(range.clone(), &blank);
                }
                text.into()
            }
        }
    }

    /// The time that a statement of it may wait for a lock, if the script says so itself.
    pub fn lock_timeout(&self) -> Option<Duration> {
        self.directives.lock_timeout
    }
}
