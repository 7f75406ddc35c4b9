//! Databases of processes that are gone: killed, or ended by an abort.

use std::sync::Arc;
use std::thread;

use super::lease::{self, Lease};
use crate::testing::error::TestingError;
use crate::testing::kept;
use crate::testing::pool::Pool;

/// What the names of tests' databases begin with; the token of their process and a number follow.
pub(super) const PREFIX: &str = "stairwell_test_";

/// Removes those that are nobody's and are not kept, while the tests begin: it is the next run that cleans up, so that no process has to outlive
/// its tests. What it does not get to is left to the one after.
pub(super) fn remove_meanwhile(pool: &Arc<Pool>) -> Result<(), TestingError> {
    // The parts of a condition have no order, and most names have no number.
    let token =
        "CASE WHEN datname ~ '^stairwell_test_[0-9]{1,10}_[0-9]+$' THEN split_part(datname, '_', 3)::bigint END";
    let rows = pool.send(&format!(
        "SELECT datname FROM pg_database WHERE pg_has_role(datdba, 'USAGE') AND {token} IS NOT NULL AND {} AND NOT {}",
        Lease::is_nobodys(token),
        kept::IS_KEPT
    ))?;
    let names: Vec<String> = rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect();
    if !names.is_empty() {
        let pool = Arc::clone(pool);
        thread::spawn(move || {
            // One process is enough; the lock goes with its connection.
            pool.with(|session| {
                let alone = session.send(&format!("SELECT pg_try_advisory_lock({})", lease::keys(lease::SWEEP)))?;
                if alone.iter().any(|row| row.get(0) == Some("t")) {
                    names.iter().try_for_each(|name| pool.drop_database(name))?;
                }
                session.send(&format!("SELECT pg_advisory_unlock({})", lease::keys(lease::SWEEP))).map(drop)?;
                Ok(())
            })
        });
    }
    Ok(())
}
