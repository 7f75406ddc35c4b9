//! The version of a Postgres server or of its programs.

use std::fmt;

/// A version of Postgres; later ones compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PgVersion {
    /// The major version: `17`.
    pub major: u32,
    /// The minor version; `None` before the first release (`18beta1`), which sorts before it.
    pub minor: Option<u32>,
}

impl PgVersion {
    /// Reads what `postgres --version` and `SHOW server_version` print: `postgres (PostgreSQL) 15.18 (Debian 15.18-0)`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let word = text.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
        let number = |text: &str| -> Option<u32> {
            let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
            text[..end].parse().ok()
        };
        let minor = word.split_once('.').and_then(|(_, minor)| number(minor));
        Some(Self { major: number(word)?, minor })
    }
}

impl fmt::Display for PgVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            Some(minor) => write!(f, "{}.{minor}", self.major),
            None => write!(f, "{} (pre-release)", self.major),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_postgres_prints() {
        for (text, major, minor) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", 15, Some(18)),
            ("postgres (PostgreSQL) 17.0", 17, Some(0)),
            ("postgres (PostgreSQL) 18beta1", 18, None),
            ("postgres (PostgreSQL) 19devel", 19, None),
            ("16.4", 16, Some(4)),
        ] {
            assert_eq!(PgVersion::parse(text), Some(PgVersion { major, minor }), "{text}");
        }
        assert_eq!(PgVersion::parse("no number"), None);
        assert_eq!(PgVersion::parse("99999999999999.1"), None);
    }

    #[test]
    fn a_later_version_compares_greater_and_a_beta_less_than_its_release() {
        let version = |text| PgVersion::parse(text).unwrap();
        let sorted = [version("9.6"), version("15.2"), version("15.18"), version("18beta1"), version("18.0")];
        assert!(sorted.is_sorted());
    }
}
