//! Who ends a server that a test run started.
//!
//! It is a session of the server's own, which goes on when its client is gone: Postgres looks at a connection only when it has something to say,
//! or is told to look (`client_connection_check_interval`, since 14).
//! No process of the run has to outlive the others for it, there is nothing to install beside the server, and it works where the server is
//! a container of an engine that is elsewhere.

use super::lease::{IN_USE, NO_TIMEOUTS, WATCHED, keys};
use crate::postgres::{Database, Session};
use crate::testing::kept;

/// Its name in `pg_stat_activity`; a container's guard looks for it.
pub(super) const APPLICATION: &str = "stairwell tests: watch";

/// How often it looks, in seconds.
const EVERY: f32 = 0.5;
/// So many times in a row nobody has to use the server: between two processes of a run there is a moment without one.
const TIMES: u8 = 6;

/// Begins it, unless somebody has meanwhile.
pub(super) fn begin(admin: &Database) -> Result<(), String> {
    let mut session = Session::open(&admin.with_application(APPLICATION)).map_err(|error| error.to_string())?;
    let said = |failed: crate::postgres::Failed| failed.reason();
    session.send(&format!("{NO_TIMEOUTS}; SET client_min_messages = error")).map_err(said)?;
    session.leave(&[&script()]).map_err(said)
}

/// Waits until nobody uses the server, and tells its first process to end, which writes everything and stops.
///
/// The lock that says so is held until then: who comes in between sees that the server is ending.
fn script() -> String {
    format!(
        "DO $watch$
DECLARE
    quiet integer := 0;
BEGIN
    IF NOT pg_try_advisory_lock({watched}) THEN
        RETURN;
    END IF;
    LOOP
        PERFORM pg_sleep({EVERY});
        IF pg_try_advisory_xact_lock({in_use}) AND NOT EXISTS ({kept}) THEN
            quiet := quiet + 1;
        ELSE
            quiet := 0;
        END IF;
        IF quiet >= {TIMES} THEN
            COPY (SELECT) TO PROGRAM 'read -r pid rest <postmaster.pid && kill -INT \"$pid\"';
            PERFORM pg_sleep(60);
        END IF;
        COMMIT;
    END LOOP;
END $watch$",
        watched = keys(WATCHED),
        in_use = keys(IN_USE),
        kept = kept::ANY,
    )
}
