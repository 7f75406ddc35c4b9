//! Where to go, as it is typed: our spellings and Alembic's.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use stairwell::migration::Direction;
use stairwell::plan::{History, PlanError, resolve};
use stairwell::{MigrationSet, Target, Version};

use crate::failure::{Code, Failure};

/// A number with up to so many digits counts migrations. One that is longer, or begins with a zero, is a version or the beginning of one; with
/// `--to`, every number is.
const COUNT_DIGITS: usize = 3;

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
        let is_count =
            |text: &str| text.len() <= COUNT_DIGITS && is_digits(text) && (text.len() == 1 || !text.starts_with('0'));
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
        let all = set.migrations();
        let beyond = || {
            Failure::new(
                Code::Usage,
                format!(
                    "there is no migration {:+} from {}: the line has {} of them",
                    self.offset,
                    self.text,
                    all.len()
                ),
            )
        };
        // How many of the line lie up to it.
        let count = match self.text.as_str() {
            "head" => all.len(),
            "base" => 0,
            text => {
                let found =
                    resolve(text, set, history).map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
                if self.offset == 0 {
                    return Ok(Some(found));
                }
                all.iter().position(|migration| migration.version == found).ok_or_else(beyond)? + 1
            }
        };
        match count.checked_add_signed(self.offset) {
            Some(0) => Ok(None),
            Some(count) => all.get(count - 1).map(|migration| Some(migration.version)).ok_or_else(beyond),
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
            (Self::Count(n), _) => Ok(Target::Steps(*n)),
            // As Alembic: whoever says how far knows where the database is, or is mistaken.
            (Self::Forward(n), Direction::Up) => {
                let history = history()?;
                let pending = set.migrations().iter().filter(|m| history.get(m.version).is_none()).count();
                self.enough(*n, pending, "pending", "up head")
            }
            (Self::Back(n), Direction::Down) => self.enough(*n, history()?.rows.len(), "applied", "down base"),
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

    /// So many steps, if there are as many.
    fn enough(&self, steps: NonZeroUsize, there: usize, what: &str, all: &str) -> Result<Target, Failure> {
        if steps.get() <= there {
            return Ok(Target::Steps(steps));
        }
        let there = match there {
            0 => format!("none is {what}"),
            1 => format!("1 is {what}"),
            more => format!("{more} are {what}"),
        };
        Err(Failure::new(
            Code::Usage,
            format!(
                "`{self}` goes too far: {there}\n  \
                 = help: without the sign it goes as far as it can; `cargo xtask db {all}` means all"
            ),
        ))
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
            (up, "head-1", version(20_260_202_000_000)),
            (up, "base+1", version(20_260_101_000_000)),
            (up, "head+0", version(20_260_303_000_000)),
            (down, "base", Target::Base),
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
            (up, "+4"),
            (down, "-1"),
            (up, "head+1"),
            (up, "2026"),
            (up, "0007"),
            (up, "nope"),
            (down, "nope"),
            (up, "c+1"),
            (down, "a-2"),
            (up, "0"),
            (up, "+"),
            (up, "-x"),
            (up, ""),
        ];
        let said = wrong.iter().map(|(way, text)| format!("{way:?} {text:?}\n{}\n", target(text, *way).unwrap_err()));
        insta::assert_snapshot!(said.collect::<String>());
    }
}
