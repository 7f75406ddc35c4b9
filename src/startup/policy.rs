//! What a start does, and what it does about a failure.

use std::fmt;

/// What is done about the migrations when the app starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// What is pending is applied.
    #[default]
    Run,
    /// Nothing is written: the app is ready once someone else has applied what is pending.
    VerifyOnly,
    /// The database is not looked at.
    Off,
}

/// What a failure means for the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It does not serve. What may pass is waited for, for a time; then the start fails.
    Abort,
    /// It serves all the same, says on its health endpoint that it is degraded and why, and tries again in the background.
    #[default]
    Degrade,
    /// It degrades where the cause may pass by itself, and aborts where it will not.
    DegradeTransient,
}

/// Both.
///
/// The default is to run, and to degrade. A program that ends because of its migrations is started again by whoever watches it, and
/// again; one that stays says what is wrong on its health endpoint, gets no traffic from whoever asks that endpoint, and is ready as soon as
/// the cause is gone. Where nobody asks, [`OnFailure::Abort`] is the safer choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// What is done.
    pub mode: Mode,
    /// What a failure means.
    pub on_failure: OnFailure,
}

/// A variable that has none of the words that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{name}` has a value that is not known\n  = help: it takes {words}")]
pub struct PolicyError {
    name: &'static str,
    words: &'static str,
}

const MODE: &str = "STAIRWELL_MIGRATIONS";
const ON_FAILURE: &str = "STAIRWELL_ON_FAILURE";

impl Policy {
    /// The default policy with what the environment says: `STAIRWELL_MIGRATIONS` is `run`, `verify` or `off`, `STAIRWELL_ON_FAILURE` is
    /// `abort`, `degrade` or `degrade-transient`. `variable` looks one up; one that is empty counts as not set.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, PolicyError> {
        Self::default().with_environment(variable)
    }

    /// This policy, with what the environment says instead where it says something.
    pub fn with_environment(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, PolicyError> {
        let word = |name| variable(name).map(|value| value.trim().to_ascii_lowercase()).filter(|word| !word.is_empty());
        if let Some(word) = word(MODE) {
            self.mode = match word.as_str() {
                "run" => Mode::Run,
                "verify" => Mode::VerifyOnly,
                "off" => Mode::Off,
                _ => return Err(PolicyError { name: MODE, words: "`run`, `verify` or `off`" }),
            };
        }
        if let Some(word) = word(ON_FAILURE) {
            self.on_failure = match word.as_str() {
                "abort" => OnFailure::Abort,
                "degrade" => OnFailure::Degrade,
                "degrade-transient" => OnFailure::DegradeTransient,
                _ => {
                    return Err(PolicyError { name: ON_FAILURE, words: "`abort`, `degrade` or `degrade-transient`" });
                }
            };
        }
        Ok(self)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "run",
            Self::VerifyOnly => "verify",
            Self::Off => "off",
        })
    }
}

impl fmt::Display for OnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Abort => "abort",
            Self::Degrade => "degrade",
            Self::DegradeTransient => "degrade-transient",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(mode: &str, on_failure: &str) -> Result<Policy, PolicyError> {
        let value = |name: &str| if name == MODE { mode.to_owned() } else { on_failure.to_owned() };
        Policy::from_environment(|name| Some(value(name)))
    }

    #[test]
    fn the_environment_says_what_the_words_mean() {
        for mode in [Mode::Run, Mode::VerifyOnly, Mode::Off] {
            for on_failure in [OnFailure::Abort, OnFailure::Degrade, OnFailure::DegradeTransient] {
                let policy = Policy { mode, on_failure };
                assert_eq!(of(&mode.to_string(), &format!(" {on_failure} ").to_uppercase()), Ok(policy));
            }
        }
    }

    #[test]
    fn what_the_environment_leaves_open_stays() {
        let policy = Policy { mode: Mode::VerifyOnly, on_failure: OnFailure::Abort };
        assert_eq!(policy.with_environment(|_| None), Ok(policy));
        assert_eq!(policy.with_environment(|_| Some(" ".to_owned())), Ok(policy));
        assert_eq!(Policy::from_environment(|_| None), Ok(Policy { mode: Mode::Run, on_failure: OnFailure::Degrade }));
    }

    #[test]
    fn a_wrong_word_is_an_error_that_names_the_variable_and_the_right_ones() {
        insta::assert_snapshot!(format!("{}\n{}", of("on", "").unwrap_err(), of("", "die").unwrap_err()), @r"
        the variable `STAIRWELL_MIGRATIONS` has a value that is not known
          = help: it takes `run`, `verify` or `off`
        the variable `STAIRWELL_ON_FAILURE` has a value that is not known
          = help: it takes `abort`, `degrade` or `degrade-transient`
        ");
    }
}
