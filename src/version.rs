//! The number that orders migrations.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// A migration's version: a positive 63-bit integer, so that it fits Postgres' `bigint`.
///
/// `cargo xtask db new` gives the UTC time as `YYYYMMDDHHMMSS`; any other positive number is read as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU64);

/// Why a text is not a [`Version`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Something else than the ASCII digits 0 to 9 (a sign, a space, nothing at all).
    #[error("a version is written with the digits 0 to 9 only")]
    NotDigits,
    /// Zero, which no migration has: "before the first one" is `base`.
    #[error("a version is at least 1")]
    Zero,
    /// More than `bigint` holds.
    #[error("a version is at most 9223372036854775807 (63 bits)")]
    TooLarge,
}

impl Version {
    /// The version of this number; `Err` for zero and for what is more than 63 bits.
    pub fn new(number: u64) -> Result<Self, VersionError> {
        if i64::try_from(number).is_err() {
            return Err(VersionError::TooLarge);
        }
        NonZeroU64::new(number).map(Self).ok_or(VersionError::Zero)
    }

    /// As a plain number, 1 to 2^63 − 1.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// As Postgres' `bigint`, which holds every version.
    pub fn to_bigint(self) -> i64 {
        i64::try_from(self.get()).unwrap_or(i64::MAX)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Leading zeros are read and not kept: `0007` and `7` are one version.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(VersionError::NotDigits);
        }
        text.parse().map_err(|_| VersionError::TooLarge).and_then(Self::new)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_do_not_make_another_version() {
        assert_eq!("00000000000001".parse(), Version::new(1));
    }

    #[test]
    fn signs_spaces_and_other_digits_are_refused() {
        for text in ["", "+1", "-7", " 1", "1 ", "1_000", "٣", "0x1"] {
            assert_eq!(text.parse::<Version>(), Err(VersionError::NotDigits), "{text:?}");
        }
    }

    #[test]
    fn only_what_fits_bigint_is_a_version() {
        assert_eq!("0".parse::<Version>(), Err(VersionError::Zero));
        assert!("9223372036854775807".parse::<Version>().is_ok());
        assert_eq!("9223372036854775808".parse::<Version>(), Err(VersionError::TooLarge));
        assert_eq!("99999999999999999999999".parse::<Version>(), Err(VersionError::TooLarge));
    }
}
