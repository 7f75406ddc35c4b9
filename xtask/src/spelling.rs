//! Where to go, as it is typed: our spellings and Alembic's.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use stairwell::migration::Direction;
use stairwell::plan::{History, PlanError, resolve};
use stairwell::{MigrationSet, Target, Version};

use crate::failure::{Code, Failure};

/// A number with up to so many digits counts migrations; a longer one is a version, or the beginning of one. With `--to`, every number is.
const COUNT_DIGITS: usize = 4;

/// A target on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// `head`
    Head,
    /// `base`
    Base,
    /// `2`
    Count(NonZeroUsize),
    /// `+2`
    Forward(NonZeroUsize),
    /// `-2`
    Back(NonZeroUsize),
    /// A migration.
    At(Place),
}

/// A migration by version, name or the beginning of a version, with Alembic's `+2` or `-2` behind it: so many further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    text: String,
    offset: isize,
}

impl FromStr for Spelling {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let number =
            |digits: &str| digits.parse::<NonZeroUsize>().map_err(|_| "a number of migrations is 1 or more".to_owned());
        let is_count = |text: &str| text.len() <= COUNT_DIGITS && is_digits(text);
        match text {
            "head" | "heads" => Ok(Self::Head),
            "base" => Ok(Self::Base),
            _ if is_count(text) => number(text).map(Self::Count),
            _ => match (text.strip_prefix('+'), text.strip_prefix('-')) {
                (Some(digits), _) if is_digits(digits) => number(digits).map(Self::Forward),
                (_, Some(digits)) if is_digits(digits) => number(digits).map(Self::Back),
                (Some(_), _) | (_, Some(_)) => Err("a number is to follow the sign".to_owned()),
                (None, None) => text.parse().map(Self::At),
            },
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err("a version or a name is missing".to_owned());
        }
        // A URL in the wrong place, say, which must not be repeated for its password.
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-+./\\".contains(&b)) {
            return Err("neither a version nor a name has such characters".to_owned());
        }
        let sign = text.rfind(['+', '-']).filter(|at| *at > 0 && is_digits(&text[at + 1..]));
        let Some(at) = sign else { return Ok(Self { text: text.to_owned(), offset: 0 }) };
        let offset = text[at..].parse().map_err(|_| format!("`{}` is no number of migrations", &text[at..]))?;
        Ok(Self { text: text[..at].to_owned(), offset })
    }
}

impl fmt::Display for Spelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("head"),
            Self::Base => f.write_str("base"),
            Self::Count(n) => write!(f, "{n}"),
            Self::Forward(n) => write!(f, "+{n}"),
            Self::Back(n) => write!(f, "-{n}"),
            Self::At(place) => f.write_str(&place.text),
        }
    }
}

impl Place {
    /// The migration that is meant; `None` where an offset leads to before the first.
    pub(crate) fn find(&self, set: &MigrationSet, history: &History) -> Result<Option<Version>, Failure> {
        let found = resolve(&self.text, set, history).map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
        if self.offset == 0 {
            return Ok(Some(found));
        }
        let all = set.migrations();
        let beyond = || {
            Failure::new(
                Code::Usage,
                format!("there is no migration {:+} from {found}: the line has {} of them", self.offset, all.len()),
            )
        };
        let at = all.iter().position(|migration| migration.version == found).ok_or_else(beyond)?;
        match at.checked_add_signed(self.offset) {
            Some(at) => all.get(at).map(|migration| Some(migration.version)).ok_or_else(beyond),
            // One before the first is base; further is nowhere.
            None if at.checked_add_signed(self.offset + 1).is_some() => Ok(None),
            None => Err(beyond()),
        }
    }
}

impl Spelling {
    /// The target of a run in this direction. `history` is asked for a migration that is not among the files.
    pub(crate) fn target(
        &self,
        direction: Direction,
        set: &MigrationSet,
        history: impl FnOnce() -> Result<History, Failure>,
    ) -> Result<Target, Failure> {
        let (command, other) = match direction {
            Direction::Up => ("up", "down"),
            Direction::Down => ("down", "up"),
        };
        let wrong_way = |instead: &str| {
            Failure::new(
                Code::Usage,
                format!("`db {command} {self}` would go the other way\n  = help: `cargo xtask db {other} {instead}`"),
            )
        };
        match (self, direction) {
            (Self::Count(n), _) | (Self::Forward(n), Direction::Up) | (Self::Back(n), Direction::Down) => {
                Ok(Target::Steps(*n))
            }
            (Self::Head, Direction::Up) => Ok(Target::Head),
            (Self::Base, Direction::Down) => Ok(Target::Base),
            (Self::Forward(n) | Self::Back(n), _) => Err(wrong_way(&n.to_string())),
            (Self::Head | Self::Base, _) => Err(wrong_way(&self.to_string())),
            (Self::At(place), _) => {
                let found = match place.find(set, &History::default()) {
                    Err(failure) if failure.code == Code::Usage && place.offset == 0 => {
                        match (direction, place.find(set, &history()?)) {
                            (Direction::Down, found) => found?,
                            // Applied here, and its file is gone: the plan says more about that.
                            (Direction::Up, Ok(found)) => found,
                            (Direction::Up, Err(_)) => return Err(failure),
                        }
                    }
                    found => found?,
                };
                Ok(found.map_or(Target::Base, Target::Version))
            }
        }
    }

    /// A point of the line; `None` is base.
    pub(crate) fn point(&self, set: &MigrationSet, history: &History) -> Result<Option<Version>, Failure> {
        match self {
            Self::Head => Ok(set.head().map(|migration| migration.version)),
            Self::Base => Ok(None),
            Self::At(place) => place.find(set, history),
            Self::Count(n) => Place { text: n.to_string(), offset: 0 }.find(set, history),
            Self::Forward(_) | Self::Back(_) => Err(Failure::new(
                Code::Usage,
                format!(
                    "`{self}` counts from where a database is, and here a migration is wanted: a version, a name, `head` or `base`"
                ),
            )),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Conflicts(findings) => Self { code: Code::Failed, ..findings.into() },
            other => Self::new(Code::Usage, other.to_string()),
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> MigrationSet {
        let folder = tempfile::tempdir().unwrap();
        for id in ["20260101000000_a", "20260202000000_b", "20260303000000_c"] {
            for ending in ["up", "down"] {
                std::fs::write(folder.path().join(format!("{id}.{ending}.sql")), "select 1;").unwrap();
            }
        }
        stairwell::inspect(folder.path()).unwrap().set().clone()
    }

    fn target(text: &str, direction: Direction) -> Result<Target, String> {
        let spelling = text.parse::<Spelling>()?;
        spelling
            .target(direction, &set(), || Ok(History::default()))
            .map_err(|failure| failure.render(stairwell::Color::Never))
    }

    fn version(number: u64) -> Target {
        Target::Version(Version::new(number).unwrap())
    }

    #[test]
    fn what_an_alembic_user_types_is_understood() {
        let steps = |n| Target::Steps(NonZeroUsize::new(n).unwrap());
        let (up, down) = (Direction::Up, Direction::Down);
        let table = [
            (up, "head", Target::Head),
            (up, "heads", Target::Head),
            (up, "+2", steps(2)),
            (up, "2", steps(2)),
            (up, "202602", version(20_260_202_000_000)),
            (up, "20260101000000", version(20_260_101_000_000)),
            (up, "b", version(20_260_202_000_000)),
            (up, "202601+1", version(20_260_202_000_000)),
            (up, "c-1", version(20_260_202_000_000)),
            (down, "base", Target::Base),
            (down, "-1", steps(1)),
            (down, "1", steps(1)),
            (down, "a", version(20_260_101_000_000)),
            (down, "b-2", Target::Base),
            (down, "migrations/20260101000000_a.up.sql", version(20_260_101_000_000)),
        ];
        for (direction, text, expected) in table {
            assert_eq!(target(text, direction), Ok(expected), "{direction:?} {text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        let (up, down) = (Direction::Up, Direction::Down);
        let wrong = [
            (up, "base"),
            (up, "-1"),
            (down, "head"),
            (down, "+1"),
            (up, "2026"),
            (up, "20260"),
            (up, "nope"),
            (down, "nope"),
            (up, "c+1"),
            (down, "a-2"),
            (up, "0"),
            (up, "+"),
            (up, "-x"),
            (up, ""),
        ];
        // Four digits count.
        assert_eq!(target("2026", up), Ok(Target::Steps(NonZeroUsize::new(2026).unwrap())));
        let said = wrong
            .iter()
            .filter(|(_, text)| *text != "2026")
            .map(|(direction, text)| format!("{direction:?} {text:?}\n{}\n", target(text, *direction).unwrap_err()));
        insta::assert_snapshot!(said.collect::<String>());
    }
}
