//! Whether a pooler that lends server processes by the transaction stands between.
//!
//! There a session's lock excludes nobody, and its settings reach other clients. Scripts in a transaction do not mind: their lock and
//! their settings end with it.

use super::database::Database;
use super::error::RunErrorKind;
use super::session::{Failed, Session};

/// How often both sessions are asked. A pool gives out the process that came back last, so that once shows it; other clients of the pool
/// may come in between.
const ROUNDS: usize = 4;

impl Database {
    /// Whether a pooler that lends server connections by the transaction stands between, as PgBouncer may. A `no-transaction` script is
    /// refused there; all else works.
    ///
    /// It opens two sessions and asks each which server process answers. One that gives each session a process to itself as long as
    /// nobody else is there cannot be told from no pooler at all.
    pub fn is_pooled(&self) -> Result<bool, RunErrorKind> {
        if by_address(self) {
            return Ok(true);
        }
        let (mut one, mut other) = (Session::open(self)?, Session::open(self)?);
        between(&mut one, &mut other)
            .map_err(|failed| RunErrorKind::server("asking which server process answers", &failed.error))
    }
}

/// Whether two sessions see one server process, or one of them sees several.
pub(super) fn between(one: &mut Session, other: &mut Session) -> Result<bool, Failed> {
    let mut last = [None, None];
    for _ in 0..ROUNDS {
        for (n, session) in [&mut *one, &mut *other].into_iter().enumerate() {
            let rows = session.send("SELECT pg_catalog.pg_backend_pid()")?;
            let pid = rows.first().and_then(|row| row.get(0)).map(str::to_owned);
            if last[n].as_ref().is_some_and(|before| Some(before) != pid.as_ref()) {
                return Ok(true);
            }
            last[n] = pid;
        }
        if last[0] == last[1] {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the address is one of the hosters' at which only poolers of that kind answer.
pub(super) fn by_address(database: &Database) -> bool {
    database.hosts().iter().any(|host| {
        let neon = host.split('.').next().is_some_and(|name| name.ends_with("-pooler"));
        neon || (host.ends_with(".supabase.com") && database.port() == 6543)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosters_poolers_are_known_by_their_address() {
        for (url, pooled) in [
            ("postgresql://u@ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech/d", true),
            ("postgresql://u@ep-cool-darkness-123456.us-east-2.aws.neon.tech/d", false),
            ("postgresql://u@aws-0-eu-central-1.pooler.supabase.com:6543/postgres", true),
            ("postgresql://u@aws-0-eu-central-1.pooler.supabase.com:5432/postgres", false),
            ("postgresql://u@localhost:6543/d", false),
        ] {
            assert_eq!(by_address(&Database::parse(url).unwrap()), pooled, "{url}");
        }
    }
}
