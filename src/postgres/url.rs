//! A connection URL in the words of other tools, turned into libpq's.

use super::database::DatabaseError;
use super::tls::Tls;

/// Parameters of drivers and poolers that say nothing about where and as whom to connect.
const DRIVER_ONLY: [&str; 9] = [
    "client_encoding",
    "command_timeout",
    "connection_limit",
    "fallback_application_name",
    "max_cached_statement_lifetime",
    "pgbouncer",
    "pool_timeout",
    "prepared_statement_cache_size",
    "statement_cache_size",
];

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// `tokio_postgres` reads it.
    Kept,
    /// It is dealt with.
    Taken,
}

/// Takes a parameter in, from a URL or from `key=value` pairs.
pub(super) fn parameter(key: &str, value: &str, tls: &mut Tls) -> Result<Fate, DatabaseError> {
    match tls.take(key, value) {
        Some(outcome) => outcome.map(|()| Fate::Taken).map_err(DatabaseError::Tls),
        None if DRIVER_ONLY.contains(&key) => Ok(Fate::Taken),
        None if LIBPQ.contains(&key) => Ok(Fate::Kept),
        None => Err(DatabaseError::Parameter(plain_word(key))),
    }
}

/// The URL behind `://`, with its query in the words of libpq, and without what it says about TLS.
pub(super) fn plain_query(rest: &str, tls: &mut Tls) -> Result<String, DatabaseError> {
    // A `?` before the `@` belongs to the password.
    let credentials = rest.find('@').unwrap_or(0);
    let Some(at) = rest.get(credentials..).and_then(|tail| tail.find('?')) else {
        return Ok(rest.to_owned());
    };
    let (before, query) = rest.split_at(credentials + at);
    let mut kept = Vec::new();
    for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if parameter(key, &decoded(value)?, tls)? == Fate::Kept {
            kept.push(pair);
        }
    }
    Ok(if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) })
}

/// A value without its `%2F`s.
fn decoded(value: &str) -> Result<String, DatabaseError> {
    let wrong = || DatabaseError::Syntax("a value has a `%` that two hexadecimal digits do not follow".to_owned());
    let mut parts = value.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| DatabaseError::Syntax("a value is not UTF-8".to_owned()))
}

/// A parameter's name, if it looks like one; anything else may be a piece of a password.
fn plain_word(key: &str) -> String {
    let plain = key.len() <= 40 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if plain { key.to_owned() } else { "…".to_owned() }
}

/// What `tokio_postgres::Config` reads.
const LIBPQ: [&str; 15] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "target_session_attrs",
    "user",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says_about_tls_is_taken_out_of_it() {
        let mut tls = Tls::default();
        let url = "u:p?w@h/d?sslmode=prefer&application_name=a%20b&sslrootcert=%2Fetc%2Fa%20b.crt&pgbouncer=true";
        assert_eq!(plain_query(url, &mut tls).as_deref(), Ok("u:p?w@h/d?application_name=a%20b"));
        let mut same = Tls::default();
        same.take("sslmode", "prefer").unwrap().unwrap();
        same.take("sslrootcert", "/etc/a b.crt").unwrap().unwrap();
        assert_eq!(tls, same);
    }

    #[test]
    fn what_is_badly_escaped_is_refused_without_being_shown() {
        for value in ["%", "%2", "hunter2%zz", "%ff", "%2\u{e9}"] {
            let error = plain_query(&format!("h/d?sslkey={value}"), &mut Tls::default()).unwrap_err();
            assert!(matches!(error, DatabaseError::Syntax(_)), "{error}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
