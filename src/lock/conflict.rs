//! A lock in which git left its conflict markers: what either branch had.

use super::{DIGEST, Entry, LOCK_FILE, Lock};
use crate::diagnostic::{Diagnostic, Rule};

/// How the lines begin that git writes into a file that two branches changed.
const MARKERS: [&str; 4] = [OURS, BASE, MIDDLE, THEIRS];
const OURS: &str = "<<<<<<<";
const BASE: &str = "|||||||";
const MIDDLE: &str = "=======";
const THEIRS: &str = ">>>>>>>";

/// The lines that each side of a conflict has, in git's words: `ours` is what was checked out, `theirs` what came in. Their digests are not
/// checked: what git could merge by itself stands on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What was checked out: in a merge one's own branch, in a rebase the branch that one's own commits are put on.
    pub ours: Lock,
    /// What both came from, where git was told to write it (`merge.conflictStyle` is `diff3` or `zdiff3`).
    pub base: Option<Lock>,
    /// What came in.
    pub theirs: Lock,
    /// What git wrote behind the first `>>>>>>>`: a branch, a commit, or `Stashed changes`.
    pub label: String,
}

/// Whose lines are being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Common,
    Ours,
    Base,
    Theirs,
}

/// Whether git wrote this line.
pub(super) fn is_marker(line: &str) -> bool {
    MARKERS.iter().any(|marker| line.starts_with(marker))
}

impl Conflict {
    /// The sides of this text, or `None` where it has no markers. `path` is for the message about a line that cannot be read, or markers
    /// that are not in git's order.
    pub fn parse(path: &str, text: &str) -> Result<Option<Self>, Diagnostic> {
        if !text.lines().any(is_marker) {
            return Ok(None);
        }
        let (mut ours, mut base, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut part, mut label, mut hunks, mut bases) = (Part::Common, None, 0, 0);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end();
            let next = MARKERS.into_iter().find(|marker| line.starts_with(marker));
            part = match (next, part) {
                (None, part) => {
                    if let Some(entry) = entry(line).map_err(|()| unreadable(path, number))? {
                        // What both have stands outside of the markers.
                        let takes = |side| part == Part::Common || part == side;
                        for (side, lines) in
                            [(Part::Ours, &mut ours), (Part::Base, &mut base), (Part::Theirs, &mut theirs)]
                        {
                            if takes(side) {
                                lines.push(entry.clone());
                            }
                        }
                    }
                    part
                }
                (Some(OURS), Part::Common) => {
                    hunks += 1;
                    Part::Ours
                }
                (Some(BASE), Part::Ours) => {
                    bases += 1;
                    Part::Base
                }
                (Some(MIDDLE), Part::Ours | Part::Base) => Part::Theirs,
                (Some(THEIRS), Part::Theirs) => {
                    label.get_or_insert_with(|| line.trim_start_matches('>').trim().to_owned());
                    Part::Common
                }
                _ => return Err(unreadable(path, number)),
            };
        }
        if part != Part::Common {
            return Err(unreadable(path, text.lines().count().saturating_sub(1)));
        }
        Ok(Some(Self {
            ours: Lock::from_entries(ours),
            base: (hunks == bases).then(|| Lock::from_entries(base)),
            theirs: Lock::from_entries(theirs),
            label: label.unwrap_or_default(),
        }))
    }
}

/// The entry of a line, if it is one that has an entry.
fn entry(line: &str) -> Result<Option<Entry>, ()> {
    if line.is_empty() || line.starts_with('#') || line.starts_with(DIGEST) {
        return Ok(None);
    }
    Entry::parse(line).map(Some).ok_or(())
}

/// `number` counts from 0.
fn unreadable(path: &str, number: usize) -> Diagnostic {
    Diagnostic::error(
        Rule::LockFile,
        format!("line {} of the lock is neither its own nor a conflict marker of git where one belongs", number + 1),
    )
    .at(path)
    .help(format!("to have the conflict as git left it: `git checkout --merge -- {path}`"))
    .help(format!("`{LOCK_FILE}` is not mended by hand: `cargo xtask db rebase` does it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Checksum;

    fn line(file: &str) -> String {
        format!("{}  {file}.up.sql\n", Checksum::of(file))
    }

    fn files(lock: &Lock) -> Vec<&str> {
        lock.entries().iter().map(|entry| entry.file.trim_end_matches(".up.sql")).collect()
    }

    fn conflict(parts: &[&str]) -> Result<Option<Conflict>, Diagnostic> {
        let is_file = |part: &&&str| part.bytes().next().is_some_and(|b| b.is_ascii_digit());
        let text: String =
            parts.iter().map(|part| if is_file(&part) { line(part) } else { format!("{part}\n") }).collect();
        Conflict::parse("stairwell.lock", &text)
    }

    #[test]
    fn every_style_of_git_is_read() {
        let styles: [(&[&str], bool); 4] = [
            (&["# w", "<<<<<<< HEAD", "# digest sha256:1", "=======", "# digest sha256:2", ">>>>>>> b", "1_a"], false),
            (&["1_a", "<<<<<<< HEAD", "2_b", "4_d", "=======", "3_c", ">>>>>>> b"], false),
            (&["<<<<<<< HEAD", "1_a", "2_b", "4_d", "||||||| f00", "1_a", "=======", "1_a", "3_c", ">>>>>>> b"], true),
            (&["1_a", "<<<<<<< HEAD", "2_b", "4_d", "||||||| f00", "=======", "3_c", ">>>>>>> b"], true),
        ];
        for (parts, has_base) in styles {
            let found = conflict(parts).unwrap().unwrap();
            assert_eq!(found.label, "b");
            assert_eq!(found.base.as_ref().map(files), has_base.then(|| vec!["1_a"]), "{parts:?}");
            if parts[0] != "# w" {
                assert_eq!((files(&found.ours), files(&found.theirs)), (vec!["1_a", "2_b", "4_d"], vec!["1_a", "3_c"]));
            }
        }
    }

    #[test]
    fn several_hunks_are_read_as_one_file() {
        let found = conflict(&[
            "<<<<<<< HEAD",
            "2_b",
            "=======",
            ">>>>>>> x",
            "3_c",
            "<<<<<<< HEAD",
            "=======",
            "4_d",
            ">>>>>>> x",
        ]);
        let found = found.unwrap().unwrap();
        assert_eq!((files(&found.ours), files(&found.theirs)), (vec!["2_b", "3_c"], vec!["3_c", "4_d"]));
        assert_eq!(found.base, None);
    }

    #[test]
    fn a_windows_checkout_is_read() {
        let text = format!("<<<<<<< HEAD\n{}=======\n{}>>>>>>> b\n", line("1_a"), line("2_b")).replace('\n', "\r\n");
        let found = Conflict::parse("stairwell.lock", &text).unwrap().unwrap();
        assert_eq!((files(&found.ours), files(&found.theirs)), (vec!["1_a"], vec!["2_b"]));
    }

    #[test]
    fn markers_that_are_no_conflict_of_git_are_refused() {
        for parts in [
            &["<<<<<<< HEAD", "1_a"][..],
            &["=======", "1_a", ">>>>>>> b"],
            &["<<<<<<< HEAD", ">>>>>>> b"],
            &["<<<<<<< a", "<<<<<<< b", "=======", ">>>>>>> b", ">>>>>>> a"],
            &["<<<<<<< HEAD", "=======", "=======", ">>>>>>> b"],
            &["<<<<<<< HEAD", "hello", "=======", ">>>>>>> b"],
        ] {
            assert!(conflict(parts).is_err(), "{parts:?}");
        }
        assert_eq!(conflict(&["1_a", "2_b"]), Ok(None));
        insta::assert_snapshot!(conflict(&["<<<<<<< HEAD", "1_a"]).unwrap_err());
    }
}
