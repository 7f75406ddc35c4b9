//! A migration: its name, its two scripts, and what their leading comments say.

mod content;
mod directive;
mod hazards;
mod lint_rules;
mod name;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub use directive::{Allow, Directives, Squashed, parse_duration};
pub use hazards::unused_allow;
pub use lint_rules::LINT_RULES;
pub use name::{Direction, FileName, file_name, is_name};
pub(crate) use name::{behind_version, file_in};

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
    /// The script that applies it.
    pub up: Script,
    /// The script that undoes it; `None` where there is no way back.
    pub down: Option<Script>,
}

impl Migration {
    /// `20261121093000_create_users`, as the files are called.
    pub fn id(&self) -> &str {
        self.up.id(Direction::Up)
    }

    /// `create_users` of `20261121093000_create_users`.
    pub fn name(&self) -> &str {
        behind_version(self.id())
    }

    /// Why there is no way back, if the up script says so.
    pub fn irreversible(&self) -> Option<&str> {
        self.up.directives().irreversible.as_deref()
    }

    /// The histories that it stands for; none unless it is a baseline, see [`crate::plan::squash`].
    pub fn squashes(&self) -> &[Squashed] {
        &self.up.directives().squashes
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

/// The text of one file and what can be told about it without a server. A clone is the same script, and copies nothing.
#[derive(Debug, Clone)]
pub struct Script(Arc<Content>);

/// Kept small: a set has two for each of its migrations, and most have no directives and no wrapper.
#[derive(Debug)]
struct Content {
    path: Box<str>,
    /// Where in the path the file's name stands.
    file: Range<usize>,
    text: Arc<str>,
    checksum: Checksum,
    directives: Option<Box<Directives>>,
    statements: Box<[Range<usize>]>,
    mode: Mode,
    #[cfg_attr(not(any(test, feature = "postgres")), expect(dead_code, reason = "only the runner asks"))]
    wrapper: Option<Box<[Range<usize>; 2]>>,
    #[cfg_attr(not(any(test, feature = "postgres")), expect(dead_code, reason = "only the runner asks"))]
    sets_constraints: bool,
    #[cfg_attr(not(any(test, feature = "postgres")), expect(dead_code, reason = "only the runner asks"))]
    controls_transaction: bool,
}

impl Script {
    /// Reads a file's bytes. A script comes back where the text could be decoded, also beside errors.
    ///
    /// `path` is the file's, for messages, and its last component the file's name; `direction` decides which directives it may have.
    pub fn parse(path: String, bytes: &[u8], direction: Direction) -> (Option<Self>, Vec<Diagnostic>) {
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
        let file = file_in(&path)..path.len();
        (Some(Self::of_parts(path, file, text, &split, directives)), findings)
    }

    /// A script that was accepted before and comes from the ledger: nothing in it is refused any more. `file` is what its file is or
    /// would be called.
    pub fn stored(file: &str, text: &str, direction: Direction) -> Self {
        let text: Arc<str> = text.into();
        let split = sql::split(&text);
        let path = format!("{file} (as kept in the ledger)");
        let (directives, _) = directive::read(&path, &text, &split, direction);
        Self::of_parts(path, 0..file.len(), text, &split, directives)
    }

    fn of_parts(path: String, file: Range<usize>, text: Arc<str>, split: &sql::Script, directives: Directives) -> Self {
        let alone = split.statements.iter().any(|s| sql::in_transaction_refused(&text, s).is_some());
        let wrapper = content::wrapper(&text, split);
        let sent = |range: &Range<usize>| wrapper.as_ref().is_none_or(|blank| !blank.contains(range));
        Self(Arc::new(Content {
            path: path.into(),
            file,
            checksum: Checksum::of(text.as_bytes()),
            statements: split.statements.iter().map(|s| s.start..s.end).filter(sent).collect(),
            mode: if directives.no_transaction || alone { Mode::Statements } else { Mode::Transaction },
            controls_transaction: wrapper.is_none()
                && split.statements.iter().any(|s| sql::transaction_control(&text, s).is_some()),
            sets_constraints: split.statements.iter().any(|s| s.starts_with(&text, &["SET", "CONSTRAINTS"])),
            wrapper: wrapper.map(Box::new),
            directives: (directives != *Directives::NONE).then(|| Box::new(directives)),
            text,
        }))
    }

    /// The path as a person would open it from where they stand.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The file's name without its folder.
    pub fn file(&self) -> &str {
        self.0.path.get(self.0.file.clone()).unwrap_or_default()
    }

    /// The file's name without what ends the names of this direction: `20261121093000_create_users`.
    pub(crate) fn id(&self, direction: Direction) -> &str {
        self.file().strip_suffix(direction.suffix()).unwrap_or(self.file())
    }

    /// The text with LF line ends and without a byte order mark.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The digest of [`text`](Self::text).
    pub fn checksum(&self) -> Checksum {
        self.0.checksum
    }

    /// A digest that comments and white space don't change. Made when asked for: most scripts are never asked.
    pub fn fingerprint(&self) -> Checksum {
        content::fingerprint(self.text())
    }

    /// What its leading comments say.
    pub fn directives(&self) -> &Directives {
        self.0.directives.as_deref().unwrap_or(Directives::NONE)
    }

    /// Where each statement that is sent stands, in bytes without its semicolon.
    pub fn statements(&self) -> &[Range<usize>] {
        &self.0.statements
    }

    /// How it is sent.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// The time that a statement of it may wait for a lock, if the script says so itself.
    pub fn lock_timeout(&self) -> Option<Duration> {
        self.directives().lock_timeout
    }
}

/// What only the runner asks.
#[cfg(any(test, feature = "postgres"))]
impl Script {
    /// The text of one statement, and where it begins; nothing if there are not so many.
    pub(crate) fn statement(&self, n: usize) -> (&str, usize) {
        let range = self.0.statements.get(n).cloned().unwrap_or(0..0);
        (self.0.text.get(range.clone()).unwrap_or_default(), range.start)
    }

    /// The text, to be kept.
    pub(crate) fn shared_text(&self) -> Arc<str> {
        Arc::clone(&self.0.text)
    }

    /// Whether it says `SET CONSTRAINTS`.
    pub(crate) fn sets_constraints(&self) -> bool {
        self.0.sets_constraints
    }

    /// Whether it begins or ends transactions of its own, beside a `BEGIN` and `COMMIT` around the whole. Only an imported history does.
    pub(crate) fn controls_transaction(&self) -> bool {
        self.0.controls_transaction
    }

    /// The text to send: as it is, or with a `BEGIN` and `COMMIT` around it blanked out, so that every offset stays. The runner's own
    /// transaction replaces them, and only an imported history has them.
    pub(crate) fn to_send(&self) -> std::borrow::Cow<'_, str> {
        let text = self.text();
        match &self.0.wrapper {
            None => text.into(),
            Some(ranges) => {
                let mut sent = text.to_string();
                for range in ranges.iter() {
                    // Line ends stay, so that lines keep their numbers, and so does the length in bytes: a comment may stand in between.
                    let blank: String =
                        text[range.clone()].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
                    sent.replace_range(range.clone(), &blank);
                }
                sent.into()
            }
        }
    }
}
