//! Who keeps a message waiting for a lock: asked in a second session, while the message waits.
//!
//! Afterwards nobody can tell: the error of a lock time-out names neither the lock nor who has it.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::select;
use tokio_postgres::SimpleQueryMessage;

use super::database::Database;
use super::error::Holder;
use super::session::Row;
use super::tls;

/// How a message is watched.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    /// The server process that works on the message.
    pub(super) pid: String,
    /// How long it may take before the first look, and between two. Half of the lock time-out sees every wait that ends in one.
    pub(super) every: Duration,
}

/// Looks again and again, tells each time who blocks, and never ends: whoever waits for the message drops it. Without a second session
/// there is nothing to see.
pub(super) async fn look(database: &Database, watch: &Watch, mut seen: impl FnMut(Holder)) {
    // To connect takes time as well; but most messages are answered before, and should cost no second session.
    tokio::time::sleep(watch.every.saturating_sub((watch.every / 2).min(Duration::from_millis(100)))).await;
    if let Ok((client, connection)) = tls::connect(database).await {
        let question = question(&watch.pid);
        let looking = async {
            while let Ok(replies) = client.simple_query(&question).await {
                let row = replies.into_iter().find_map(|reply| match reply {
                    SimpleQueryMessage::Row(row) => Some(Row::from(row)),
                    _ => None,
                });
                if let Some(holder) = row.and_then(|row| Holder::of_row(&row)) {
                    seen(holder);
                }
                tokio::time::sleep(watch.every).await;
            }
        };
        // Not spawned: dropped together, they close the second session at once.
        select(pin!(connection), pin!(looking)).await;
    }
    pending::<()>().await;
}

fn question(pid: &str) -> String {
    format!(
        "SELECT {} FROM pg_catalog.pg_stat_activity a \
         WHERE a.pid OPERATOR(pg_catalog.=) ANY (pg_catalog.pg_blocking_pids({pid})) ORDER BY a.xact_start LIMIT 1",
        Holder::COLUMNS
    )
}
