//! Where a server's log of changes is, for who has to come back to before a run.

use std::fmt;

use super::database::Database;
use super::session::{Failed, Session};

/// A moment of a server, for point-in-time recovery
/// ([manual, 25.3](https://www.postgresql.org/docs/current/continuous-archiving.html)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryPoint {
    /// The place in the write-ahead log where the next change goes, such as `0/16B3740`: a `recovery_target_lsn`.
    pub lsn: String,
    /// The server's clock, such as `2026-11-21 09:30:00.123456+00`: a `recovery_target_time`.
    pub time: String,
}

const QUESTION: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn(), \
     pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')";

impl RecoveryPoint {
    /// Asks this server. `Err` says in one line why it cannot tell: it follows another one, the role may not ask, there is no connection.
    pub fn of(database: &Database) -> Result<Self, String> {
        let mut session = Session::open(database).map_err(|error| error.reason().to_owned())?;
        Self::ask(&mut session)
    }

    pub(super) fn ask(session: &mut Session) -> Result<Self, String> {
        let rows = session.send(QUESTION).map_err(|failed: Failed| failed.reason())?;
        let value = |n| rows.first().and_then(|row| row.get(n)).map(str::to_owned);
        value(0).zip(value(1)).map(|(lsn, time)| Self { lsn, time }).ok_or_else(|| "it gave no answer".to_owned())
    }

    /// What to say of it in one line, or of why there is none.
    pub fn line(asked: &Result<Self, String>) -> String {
        match asked {
            Ok(point) => format!("{point}; to come back to before this, recover a base backup up to one of the two"),
            Err(why) => format!("the server does not tell where its log is, for a point-in-time recovery: {why}"),
        }
    }
}

impl fmt::Display for RecoveryPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recovery_target_lsn = '{}', recovery_target_time = '{}'", self.lsn, self.time)
    }
}
