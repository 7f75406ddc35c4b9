//! The audit log: it fills by itself.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Detail;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Service;
use crate::error::Answer;
use crate::extract::{Ids, Options};

/// What somebody did.
pub(super) struct Entry {
    pub(super) organization: i64,
    pub(super) actor: Option<i64>,
    /// Object and verb: `assessment.published`.
    pub(super) action: &'static str,
    pub(super) subject: (&'static str, i64),
    /// No answers and no secrets: the log outlives an erasure.
    pub(super) detail: Detail,
}

/// Writes an entry, in the transaction of what it is about.
pub(super) async fn record(on: &tokio_postgres::Transaction<'_>, entry: Entry) -> Answer<()> {
    let (subject, id) = entry.subject;
    on.execute_typed(
        "INSERT INTO audit_logs (organization_id, actor_id, action, subject_type, subject_id, detail) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            (&entry.organization, Type::INT8),
            (&entry.actor, Type::INT8),
            (&entry.action, Type::TEXT),
            (&subject, Type::TEXT),
            (&id, Type::INT8),
            (&entry.detail, Type::JSONB),
        ],
    )
    .await?;
    Ok(())
}

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    /// Entries at most, 1 to 1000; 100 without.
    limit: Option<i64>,
    /// Only entries before this one.
    before: Option<i64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Logged {
    id: i64,
    actor_id: Option<i64>,
    action: String,
    subject_type: String,
    subject_id: i64,
    detail: Detail,
    occurred_at: Timestamp,
}

impl From<&Row> for Logged {
    fn from(row: &Row) -> Self {
        Self {
            id: row.get(0),
            actor_id: row.get(1),
            action: row.get(2),
            subject_type: row.get(3),
            subject_id: row.get(4),
            detail: row.get(5),
            occurred_at: row.get(6),
        }
    }
}

/// `GET /organizations/{id}/audit-log?limit=&before=`: newest first.
pub(crate) async fn list(
    State(service): State<Service>,
    Ids(organization): Ids<i64>,
    Options(page): Options<Page>,
) -> Answer<Json<Vec<Logged>>> {
    let limit = page.limit.unwrap_or(100).clamp(1, 1000);
    let before = page.before.unwrap_or(i64::MAX);
    let client = service.client().await?;
    let rows = client
        .query_typed(
            "SELECT id, actor_id, action, subject_type, subject_id, detail, occurred_at FROM audit_logs \
             WHERE organization_id = $1 AND id < $2 ORDER BY occurred_at DESC, id DESC LIMIT $3",
            &[(&organization, Type::INT8), (&before, Type::INT8), (&limit, Type::INT8)],
        )
        .await?;
    Ok(Json(rows.iter().map(Logged::from).collect()))
}
