//! Databases that stay when their test has ended, so that somebody can look at them.

use super::error::TestingError;
use super::pool::Pool;
use crate::schema::quote::{ident, literal};

/// What their comments begin with; when it may go and the test's name follow.
macro_rules! mark {
    () => {
        "stairwell keeps this test database until "
    };
}

/// How long one stays, and with it a server that was started for tests.
const FOR: &str = "1 hour";

/// A query with rows for as long as any is to stay.
pub(super) const ANY: &str = concat!(
    "SELECT FROM pg_shdescription WHERE classoid = 'pg_database'::regclass AND description LIKE '",
    mark!(),
    "%' AND substring(description, 'until (\\S+): ')::timestamptz > now()"
);

/// The condition on a row of `pg_database` that it is to stay.
pub(super) const IS_KEPT: &str = concat!(
    "coalesce(shobj_description(oid, 'pg_database') LIKE '",
    mark!(),
    "%' AND substring(shobj_description(oid, 'pg_database'), 'until (\\S+): ')::timestamptz > now(), false)"
);

/// Notes on the database that it stays, and for which test. Those of earlier runs of that test go.
pub(super) fn keep(pool: &Pool, database: &str, test: &str) -> Result<(), TestingError> {
    let end = literal(&format!(": {test}"));
    let rows = pool.send(&format!(
        "SELECT to_char((now() + interval '{FOR}') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"');
         SELECT datname FROM pg_database WHERE {IS_KEPT} AND datname <> {} AND right(shobj_description(oid, 'pg_database'), length({end})) = {end}",
        literal(database),
    ))?;
    let mut rows = rows.iter().filter_map(|row| row.get(0));
    let until = rows.next().unwrap_or_default();
    let comment = format!("{}{until}: {test}", mark!());
    pool.send(&format!("COMMENT ON DATABASE {} IS {}", ident(database), literal(&comment)))?;
    for earlier in rows {
        pool.drop_database(earlier)?;
    }
    Ok(())
}
