//! That a process uses a server.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process;

use super::watch;
use crate::postgres::{ConnectError, Database, Failed, Row, Session};

/// The first key of all advisory locks of tests; the second is one of these, or a process' token.
const CLASS: i32 = 0x5741_7465;
/// Shared by the processes of a test run. Who has it alone may end the server.
pub(super) const IN_USE: i32 = 0;
/// Held by the watch.
pub(super) const WATCHED: i32 = 1;
/// Held by a process that removes what others left over.
pub(super) const SWEEP: i32 = 2;
/// Held by whoever drops a database, one of these: so many drop at a time, of all processes. Each waits for a checkpoint, and those that wait at
/// the same time wait for the same one; but a run that makes more than it can drop would take all connections of the server.
const TURNS: std::ops::RangeInclusive<i32> = 8..=15;
/// What a token is at least, so that it is none of the above.
const FIRST_TOKEN: u32 = 16;

/// What the role, the database or the server may have set must not end a session that waits, or does nothing while a test runs. Not every version has
/// all of them.
pub(in crate::testing) const NO_TIMEOUTS: &str = "SELECT set_config(name, '0', false) FROM pg_settings
    WHERE name IN ('statement_timeout', 'idle_session_timeout', 'transaction_timeout', 'client_connection_check_interval')";

/// One connection of this process, and the locks on it that say that the process lives.
pub(super) struct Lease {
    session: Session,
    /// Part of the names of this process' databases: those whose token nobody holds are left over.
    pub(super) token: u32,
}

/// The two keys as an advisory lock's function takes them.
pub(super) fn keys(second: i32) -> String {
    format!("{CLASS}, {second}")
}

/// A query with one row where it is somebody's turn to drop a database, until the session ends or gives all locks back.
pub(in crate::testing) fn take_a_turn() -> String {
    let (first, last) = (TURNS.start(), TURNS.end());
    format!("SELECT turn FROM generate_series({first}, {last}) turn WHERE pg_try_advisory_lock({CLASS}, turn) LIMIT 1")
}

/// The same, waiting for one.
pub(in crate::testing) fn wait_for_a_turn() -> String {
    let turn = TURNS.start() + i32::from(random_byte()) % i32::try_from(TURNS.count()).unwrap_or(1);
    format!("SELECT pg_advisory_lock({})", keys(turn))
}

impl Lease {
    /// Connects, and says that this process uses the server; `None` if the server is about to end.
    pub(super) fn take(admin: &Database) -> Result<Option<Self>, ConnectError> {
        let mut session = Session::open(&admin.with_application("stairwell tests"))?;
        let token = FIRST_TOKEN.max(new_token());
        // A lock of a session that nobody else has a second time: a pooler between would give it to others.
        let answer = session.send(&format!(
            "{NO_TIMEOUTS};
             SELECT pg_try_advisory_lock_shared({}), pg_try_advisory_lock({})",
            keys(IN_USE),
            keys(token.cast_signed())
        ));
        let is_true = |row: &Row, n| row.get(n) == Some("t");
        match answer {
            Ok(rows) if rows.iter().any(|row| is_true(row, 0) && is_true(row, 1)) => Ok(Some(Self { session, token })),
            _ => Ok(None),
        }
    }

    /// Makes sure that somebody ends the server when nobody uses it any more.
    pub(super) fn have_it_watched(&mut self, admin: &Database) -> Result<(), String> {
        let said = |failed: Failed| failed.reason();
        let holders = format!(
            "SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = {CLASS} AND objid::bigint = {WATCHED} AND objsubid = 2"
        );
        if self.session.send(&holders).map_err(said)?.is_empty() {
            watch::begin(admin)?;
        }
        Ok(())
    }

    /// The tokens that are held, as a condition on an expression of type bigint: that it is none of them.
    pub(super) fn is_nobodys(expression: &str) -> String {
        format!(
            "NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = {CLASS} AND objsubid = 2 AND objid::bigint = {expression})"
        )
    }
}

/// Another one in each process.
fn new_token() -> u32 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(process::id());
    u32::try_from(hasher.finish() >> 32).unwrap_or_default()
}

fn random_byte() -> u8 {
    let [byte, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    byte
}
