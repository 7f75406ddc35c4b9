//! The one server of a test run, as users' tests have it: see `stairwell::testing`.

use stairwell::postgres::Database;

use super::Skip;

/// The server, started by the first test that needs it; `Err` says why there is none.
pub(crate) fn server() -> Result<&'static Database, Skip> {
    stairwell::testing::server().map_err(|error| {
        // Whoever insists is told by failing tests, and not by skipped ones.
        assert!(std::env::var_os("STAIRWELL_TEST_SERVER").is_none(), "{error}");
        Skip(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    })
}
