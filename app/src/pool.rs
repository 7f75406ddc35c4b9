//! The service's connections.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use stairwell::postgres::Database;

/// How long a request waits for a connection, and a connection to be made, before it is answered with 503.
const WAIT: Duration = Duration::from_secs(5);

/// A pool for this database. It connects when it is first asked. The error says what is wrong with the address.
///
/// No statement of the service is prepared by name (`query_typed` sends it with its types), so a pooler in transaction mode may stand
/// between.
pub(crate) fn of(database: &Database, size: usize) -> Result<Pool, String> {
    let (config, connector) = database.pool_parts().map_err(|error| error.to_string())?;
    let manager = Manager::from_config(config, connector, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(WAIT))
        .build()
        .map_err(|error| error.to_string())
}
