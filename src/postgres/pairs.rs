//! libpq's other form of a connection string: `host=db.example user=ann` (manual, section 34.1.1.1).

use super::database::DatabaseError;
use super::tls::Tls;
use super::url::{Fate, parameter};

/// The pairs without what they say about TLS. A text that is none comes back as it is, for `tokio_postgres` to refuse.
pub(super) fn plain_pairs(text: &str, tls: &mut Tls) -> Result<String, DatabaseError> {
    let Some(pairs) = split(text) else { return Ok(text.to_owned()) };
    let mut kept = Vec::new();
    for pair in pairs {
        if parameter(pair.key, &pair.value, tls)? == Fate::Kept {
            kept.push(pair.whole);
        }
    }
    Ok(kept.join(" "))
}

/// Whether it begins with a `key=`, so that a `://` further on is a part of a value.
pub(super) fn begins_with_pair(text: &str) -> bool {
    let (key, _) = text.split_once('=').unwrap_or_default();
    !key.is_empty() && key.trim_end().bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[derive(Debug, PartialEq, Eq)]
struct Pair<'a> {
    key: &'a str,
    /// Without quotes and backslashes.
    value: String,
    whole: &'a str,
}

fn split(text: &str) -> Option<Vec<Pair<'_>>> {
    let mut pairs = Vec::new();
    let mut left = text.trim_start();
    while !left.is_empty() {
        let (key, behind) = left.split_once('=')?;
        let (value, rest) = value(behind.trim_start())?;
        let whole = left.strip_suffix(rest)?;
        // A space in the middle: the word before it has no value.
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return None;
        }
        pairs.push(Pair { key, value, whole });
        left = rest.trim_start();
    }
    Some(pairs)
}

/// A value, which ends at a space or is in single quotes, and what stands behind it. A backslash takes the next character as it is.
fn value(text: &str) -> Option<(String, &str)> {
    let (quoted, text) = text.strip_prefix('\'').map_or((false, text), |text| (true, text));
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, next)| next)),
            '\'' if quoted => return Some((value, text.get(at + 1..)?)),
            space if !quoted && space.is_whitespace() => return Some((value, text.get(at..)?)),
            other => value.push(other),
        }
    }
    (!quoted).then_some((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_be_quoted_and_escaped() {
        let text = r"host = db  sslrootcert='/etc/a b/it\'s.crt' user=a\ b password=''";
        let pairs = split(text).unwrap();
        let of = |n: usize| (pairs[n].key, pairs[n].value.as_str(), pairs[n].whole);
        assert_eq!(of(0), ("host", "db", "host = db"));
        assert_eq!(of(1), ("sslrootcert", "/etc/a b/it's.crt", r"sslrootcert='/etc/a b/it\'s.crt'"));
        assert_eq!(of(2), ("user", "a b", r"user=a\ b"));
        assert_eq!(of(3), ("password", "", "password=''"));
    }

    #[test]
    fn what_is_no_pairs_is_left_alone() {
        for text in ["hunter2", "host=h bogus", "host=h 'x", "a b=c", "=x", "host='h"] {
            assert!(split(text).is_none(), "{text}");
        }
        assert_eq!(plain_pairs("host=h sslmode=disable user=u", &mut Tls::default()).as_deref(), Ok("host=h user=u"));
    }
}
