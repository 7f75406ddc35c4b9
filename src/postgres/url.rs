//! A connection URL in the words of other tools, turned into libpq's.

use super::database::DatabaseError;

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

/// The URL behind `://`, with its query in the words of libpq.
pub(super) fn plain_query(rest: &str) -> Result<String, DatabaseError> {
    // A `?` before the `@` belongs to the password.
    let credentials = rest.find('@').unwrap_or(0);
    let Some(at) = rest.get(credentials..).and_then(|tail| tail.find('?')) else {
        return Ok(rest.to_owned());
    };
    let (before, query) = rest.split_at(credentials + at);
    let mut kept = Vec::new();
    for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (key, value) {
            ("ssl" | "sslmode", "disable" | "false" | "0") => kept.push("sslmode=disable".to_owned()),
            ("ssl" | "sslmode", "prefer" | "allow") => kept.push("sslmode=prefer".to_owned()),
            ("ssl" | "sslmode", mode) => return Err(DatabaseError::Tls(tls_mode(mode))),
            (key, _) if DRIVER_ONLY.contains(&key) => {}
            (key, _) if LIBPQ.contains(&key) => kept.push(pair.to_owned()),
            (key, _) => return Err(DatabaseError::Parameter(plain_word(key))),
        }
    }
    Ok(if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) })
}

/// A parameter's name, if it looks like one; anything else may be a piece of a password.
fn plain_word(key: &str) -> String {
    let plain = key.len() <= 40 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if plain { key.to_owned() } else { "…".to_owned() }
}

/// The mode, if it is one of libpq's or its drivers'.
pub(super) fn tls_mode(mode: &str) -> String {
    let known = ["require", "verify-ca", "verify-full", "true", "1"];
    known.iter().find(|known| **known == mode).map_or_else(|| "…".to_owned(), ToString::to_string)
}

/// What `tokio_postgres::Config` reads.
const LIBPQ: [&str; 16] = [
    "application_name",
    "channel_binding",
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
