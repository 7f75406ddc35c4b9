//! What the environment says about tests.

use super::error::TestingError;

/// Which databases of tests stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All.
    Always,
    /// Those of tests that fail.
    Failed,
    /// None.
    Never,
}

/// Where a server may come from, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `TEST_DATABASE_URL`.
    Url,
    /// A container.
    Docker,
    /// The Postgres that is installed here.
    Local,
}

/// The variables, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment {
    /// `TEST_DATABASE_URL`.
    pub(super) url: Option<String>,
    /// `STAIRWELL_TEST_SERVER`: the only way to be tried.
    pub(super) insisted: Option<Way>,
    /// `STAIRWELL_TEST_IMAGE`: what a container is made of.
    pub(super) image: String,
    /// `STAIRWELL_TEST_KEEP`.
    pub(super) keep: Keep,
}

/// The image of a container, unless `STAIRWELL_TEST_IMAGE` names another.
const IMAGE: &str = "postgres:17";

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Url, Self::Docker, Self::Local];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Docker => "docker",
            Self::Local => "local",
        }
    }
}

impl Environment {
    /// `variable` looks one up; an empty one counts as unset.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, TestingError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let wrong = |name, value, expected| TestingError::Variable { name, value, expected };
        let insisted = match set("STAIRWELL_TEST_SERVER") {
            None => None,
            Some(value) => match Way::ALL.into_iter().find(|way| way.name() == value) {
                Some(way) => Some(way),
                None => return Err(wrong("STAIRWELL_TEST_SERVER", value, "`url`, `docker` or `local`")),
            },
        };
        let keep = match set("STAIRWELL_TEST_KEEP").as_deref() {
            Some("always") => Keep::Always,
            Some("failed") => Keep::Failed,
            Some("never") => Keep::Never,
            Some(other) => {
                return Err(wrong("STAIRWELL_TEST_KEEP", other.to_owned(), "`always`, `failed` or `never`"));
            }
            // Nobody looks at a database on a machine that is gone in a minute.
            None if set("CI").is_some() => Keep::Never,
            None => Keep::Failed,
        };
        let image = set("STAIRWELL_TEST_IMAGE").unwrap_or_else(|| IMAGE.to_owned());
        Ok(Self { url: set("TEST_DATABASE_URL"), insisted, image, keep })
    }

    /// The ways to be tried.
    pub(super) fn ways(&self) -> impl Iterator<Item = Way> {
        Way::ALL.into_iter().filter(|way| self.insisted.is_none_or(|only| only == *way))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        let of = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned());
        Environment::read(of).map_err(|error| error.to_string())
    }

    #[test]
    fn without_variables_every_way_is_tried_and_what_fails_is_kept() {
        let environment = read(&[("TEST_DATABASE_URL", "")]).unwrap();
        assert_eq!(environment.ways().collect::<Vec<_>>(), [Way::Url, Way::Docker, Way::Local]);
        assert_eq!(environment, Environment { url: None, insisted: None, image: IMAGE.to_owned(), keep: Keep::Failed });
    }

    #[test]
    fn who_insists_gets_that_way_or_none() {
        let environment = read(&[("STAIRWELL_TEST_SERVER", "local"), ("CI", "true")]).unwrap();
        assert_eq!((environment.ways().collect::<Vec<_>>(), environment.keep), (vec![Way::Local], Keep::Never));
        let kept = read(&[("STAIRWELL_TEST_KEEP", "always"), ("CI", "true")]).unwrap();
        assert_eq!(kept.keep, Keep::Always);
    }

    #[test]
    fn a_value_that_means_nothing_is_refused_with_those_that_do() {
        let said = [("STAIRWELL_TEST_SERVER", "podman"), ("STAIRWELL_TEST_KEEP", "yes")]
            .map(|pair| read(&[pair]).unwrap_err());
        insta::assert_snapshot!(said.join("\n\n"));
    }
}
