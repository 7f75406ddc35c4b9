//! The environment that a database is marked with.

use std::fmt;
use std::str::FromStr;

/// The name of an environment, such as `production`: `[a-z0-9_-]`, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment(String);

/// A name that no environment can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name an environment: a name has the characters a to z, 0 to 9, `_` and `-`, and at most 63 of them"
)]
pub struct EnvironmentNameError(String);

impl FromStr for Environment {
    type Err = EnvironmentNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        if (1..=63).contains(&text.len()) && text.bytes().all(is_fine) {
            Ok(Self(text.to_owned()))
        } else {
            Err(EnvironmentNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Environment> for String {
    fn from(environment: Environment) -> Self {
        environment.0
    }
}

impl Environment {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a variable such as `STAIRWELL_ENV` names this one. White space around the name and capitals in it are no difference.
    pub fn is_named_by(&self, variable: &str) -> bool {
        variable.trim().eq_ignore_ascii_case(&self.0)
    }
}

/// What `db protect` left in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The environment that the database is of.
    pub environment: Environment,
    /// When it was marked: RFC 3339 in UTC, in whole seconds.
    pub since: String,
    /// The role that marked it.
    pub by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_and_short() {
        for fine in ["production", "p", "eu-west_1", "0", &"x".repeat(63)] {
            assert_eq!(fine.parse::<Environment>().unwrap().as_str(), fine);
        }
        for wrong in ["", "Production", "a b", "it's", "a\n", "é", " prod", &"x".repeat(64)] {
            assert!(wrong.parse::<Environment>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_variable_may_be_written_in_capitals() {
        let production: Environment = "production".parse().unwrap();
        assert!(production.is_named_by("Production ") && !production.is_named_by("prod"));
    }
}
