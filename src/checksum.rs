//! SHA-256 digests of scripts.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits, as `sha256sum` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Checksum([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a checksum is 64 hexadecimal digits (SHA-256)")]
pub struct ChecksumError;

impl Checksum {
    /// The digest of these bytes as they are. Line ends and a byte order mark are the caller's to settle first.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of these parts, each ended by a zero byte so that no two lists of parts share one.
    pub(crate) fn of_parts<'a>(parts: impl Iterator<Item = &'a str>) -> Self {
        // One call of the hasher, and not one a part: parts are words, and short.
        let mut joined = String::new();
        for part in parts {
            joined.push_str(part);
            joined.push('\0');
        }
        Self::of(joined)
    }

    /// The first eight digits, for a line in which two digests stand side by side.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let text: String = digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
        f.write_str(&text)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| ChecksumError)?;
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks().0) {
            let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
            if high | low == NO_DIGIT {
                return Err(ChecksumError);
            }
            *byte = (high << 4) | low;
        }
        Ok(Self(bytes))
    }
}

/// In [`VALUES`]; no value of a digit has its upper bits.
const NO_DIGIT: u8 = 0xff;

/// The value of each byte as a hexadecimal digit. A run reads four digests for each migration that is applied already.
static VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit as usize] as usize] = digit;
        values[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_sha256sum_prints() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Checksum::of("").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Checksum::of("")));
    }

    #[test]
    fn anything_but_64_hexadecimal_digits_is_refused() {
        for text in ["", "abc", &"g".repeat(64), &"é".repeat(32), &"0".repeat(65)] {
            assert_eq!(text.parse::<Checksum>(), Err(ChecksumError));
        }
    }

    #[test]
    fn each_digit_is_read_in_either_case_and_in_both_halves() {
        for byte in 0..=255_u8 {
            let text = format!("{byte:02x}{byte:02X}").repeat(16);
            assert_eq!(text.parse(), Ok(Checksum([byte; 32])));
        }
        for other in (0..128_u8).filter(|byte| !byte.is_ascii_hexdigit()).map(char::from) {
            for pair in [format!("0{other}"), format!("{other}0")] {
                assert_eq!(pair.repeat(32).parse::<Checksum>(), Err(ChecksumError), "{pair:?}");
            }
        }
    }
}
