//! `migrations/stairwell.lock`: what has been accepted, digest by digest.
//!
//! ```text
//! # Written by `cargo xtask db`. Commit it; do not edit it. Check it with: sha256sum --check stairwell.lock
//! # digest sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
//! 9f86d081…  20260301090000_create_users.up.sql
//! 60303ae2…  20260301090000_create_users.down.sql
//! ```
//!
//! One line a file, up before down, in version order. The digest in the header is over all lines below the header, so two branches
//! that each add a migration conflict in git there and in the last line, instead of merging into an order that no one tested.
//! Digests are over the text with LF line ends and without a byte order mark (see [`Script::text`]).

mod conflict;

use std::borrow::Cow;
use std::fmt;

pub use conflict::Conflict;

use crate::checksum::Checksum;
use crate::diagnostic::{Diagnostic, Rule};
use crate::migration::{Direction, Migration, Script, file_name};
use crate::version::Version;

/// The lock's file name.
pub const LOCK_FILE: &str = "stairwell.lock";

const HEADER: &str =
    "# Written by `cargo xtask db`. Commit it; do not edit it. Check it with: sha256sum --check stairwell.lock";
const DIGEST: &str = "# digest sha256:";

/// One line of the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file's name without its folder.
    pub file: String,
    /// The version that the name begins with.
    pub version: Version,
    /// Which of a migration's two scripts it is.
    pub direction: Direction,
    /// The digest that its text had.
    pub checksum: Checksum,
}

/// The content of a lock file, in version order. `Display` writes it as it stands on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    entries: Vec<Entry>,
}

impl Lock {
    /// Reads a lock file; `path` is for the messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, Diagnostic> {
        let text: Cow<'_, str> = if text.contains('\r') { text.replace("\r\n", "\n").into() } else { text.into() };
        let damaged = |message: &str| Diagnostic::error(Rule::LockFile, message).at(path);
        let restore = format!(
            "restore it with `git checkout -- {path}`; if the scripts are right as they are, delete it and run `cargo xtask db lock`"
        );
        let (mut lock, mut stated, mut body, mut at) = (Self::default(), None, None, 0);
        for line in text.split_inclusive('\n') {
            let span = at..at + line.trim_end().len();
            at += line.len();
            let line = line.trim_end();
            if conflict::is_marker(line) {
                return Err(damaged("the lock has conflict markers of git: two branches added migrations")
                    .pointing(&(&*text).into(), span, "a conflict of git")
                    .help("`cargo xtask db rebase` puts your migrations behind theirs, and mends the lock"));
            }
            if let Some(hex) = line.strip_prefix(DIGEST) {
                stated = hex.parse::<Checksum>().ok();
            } else if !line.starts_with('#') && !line.is_empty() {
                body.get_or_insert(span.start);
                let entry = Entry::parse(line).ok_or_else(|| {
                    damaged("this line of the lock is not `<digest>  <file>`")
                        .pointing(&(&*text).into(), span.clone(), "cannot be read")
                        .help(restore.clone())
                })?;
                lock.entries.push(entry);
            }
        }
        lock.entries.sort_by(|a, b| a.key().cmp(&b.key()));
        let of_body = Checksum::of(body.and_then(|start| text.get(start..)).unwrap_or_default());
        match stated {
            Some(stated) if stated == of_body => Ok(lock),
            Some(_) => Err(damaged("the lock's digest is not that of its lines")
                .note("someone edited it, or a merge put lines together that were never tested together")
                .help(restore)),
            None => Err(damaged("the lock has no line `# digest sha256:…`").help(restore)),
        }
    }

    /// The lock of these migrations as they are, in any order.
    pub fn of<'a>(migrations: impl IntoIterator<Item = &'a Migration>) -> Self {
        let entry = |version, direction, script: &Script| Entry {
            file: script.file().to_owned(),
            version,
            direction,
            checksum: script.checksum(),
        };
        Self::from_entries(migrations.into_iter().flat_map(|m| {
            let down = m.down.as_ref().map(|script| entry(m.version, Direction::Down, script));
            std::iter::once(entry(m.version, Direction::Up, &m.up)).chain(down)
        }))
    }

    /// The lock of these lines, which may come in any order.
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        entries.sort_by(|a, b| a.key().cmp(&b.key()));
        Self { entries }
    }

    /// Its lines, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The digest that this file was locked with.
    pub fn checksum(&self, file: &str) -> Option<Checksum> {
        self.checksum_of(file_name(file).ok()?.version, file)
    }

    /// The same for a file whose version is known.
    pub(crate) fn checksum_of(&self, version: Version, file: &str) -> Option<Checksum> {
        let from = self.entries.partition_point(|entry| entry.version < version);
        let mut lines = self.entries.iter().skip(from).take_while(|entry| entry.version == version);
        lines.find(|entry| entry.file == file).map(|entry| entry.checksum)
    }

    /// The digest over all lines, which the header carries and the app's build hands to the crate.
    pub fn digest(&self) -> Checksum {
        Checksum::of(self.body())
    }

    fn body(&self) -> String {
        self.entries.iter().map(ToString::to_string).collect()
    }
}

impl Entry {
    /// What orders the lines.
    pub(crate) fn key(&self) -> (Version, Direction, &str) {
        (self.version, self.direction, &self.file)
    }

    fn parse(line: &str) -> Option<Self> {
        let (checksum, file) = line.split_once("  ")?;
        let name = file_name(file).ok()?;
        let (version, direction) = (name.version, name.direction);
        Some(Self { file: file.to_owned(), version, direction, checksum: checksum.parse().ok()? })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {}", self.checksum, self.file)
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEADER}\n{DIGEST}{}\n{}", self.digest(), self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lock(files: &[(u64, &str)]) -> Lock {
        let entries = files.iter().map(|(version, text)| {
            let file = format!("{version}_a.up.sql");
            Entry {
                file,
                version: Version::new(*version).unwrap(),
                direction: Direction::Up,
                checksum: Checksum::of(text),
            }
        });
        Lock { entries: entries.collect() }
    }

    #[test]
    fn a_hand_edited_line_is_noticed() {
        let text = lock(&[(1, "a"), (2, "b")]).to_string();
        let edited = text.replace("2_a.up.sql", "3_a.up.sql");
        insta::assert_snapshot!(Lock::parse("migrations/stairwell.lock", &edited).unwrap_err());
    }

    #[test]
    fn a_conflict_of_git_is_named() {
        let text = lock(&[(1, "a")]).to_string().replace("# digest", "<<<<<<< HEAD\n# digest");
        insta::assert_snapshot!(Lock::parse("migrations/stairwell.lock", &text).unwrap_err());
    }

    #[test]
    fn a_windows_checkout_of_it_is_read() {
        let lock = lock(&[(1, "a"), (2, "b")]);
        assert_eq!(Lock::parse("f", &lock.to_string().replace('\n', "\r\n")), Ok(lock));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(versions in prop::collection::btree_set(1_u64..1_000_000, 0..20)) {
            let files: Vec<_> = versions.iter().map(|v| (*v, "x")).collect();
            let lock = lock(&files);
            prop_assert!(lock.entries().iter().all(|e| lock.checksum(&e.file) == Some(e.checksum)));
            prop_assert_eq!(lock.checksum("5_b.up.sql"), None);
            prop_assert_eq!(Lock::parse("f", &lock.to_string()), Ok(lock));
        }

        #[test]
        fn any_text_is_read_or_refused_and_never_panics(text in "(?s).{0,200}") {
            let _ = Lock::parse("f", &text);
        }
    }
}
