//! Organizations, and the people who belong to them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::audit::{self, Entry};
use super::{Service, Value};
use crate::error::{Answer, ApiError};
use crate::extract::{Actor, Body, Ids};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrganization {
    slug: String,
    name: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Organization {
    id: i64,
    slug: String,
    name: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<&Row> for Organization {
    fn from(row: &Row) -> Self {
        Self { id: row.get(0), slug: row.get(1), name: row.get(2), created_at: row.get(3), updated_at: row.get(4) }
    }
}

/// `POST /organizations`
pub(crate) async fn create(
    State(service): State<Service>,
    Actor(actor): Actor,
    Body(new): Body<NewOrganization>,
) -> Answer<(StatusCode, Json<Organization>)> {
    let mut client = service.client().await?;
    let transaction = client.transaction().await?;
    let row = transaction
        .query_typed_one(
            "INSERT INTO organizations (slug, name) VALUES ($1, $2) RETURNING id, slug, name, created_at, updated_at",
            &[(&new.slug, Type::TEXT), (&new.name, Type::TEXT)],
        )
        .await?;
    let organization = Organization::from(&row);
    let entry = Entry {
        organization: organization.id,
        actor,
        action: "organization.created",
        subject: ("organization", organization.id),
        detail: json!({ "slug": organization.slug }),
    };
    audit::record(&transaction, entry).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(organization)))
}

/// `GET /organizations`
pub(crate) async fn list(State(service): State<Service>) -> Answer<Json<Vec<Organization>>> {
    let client = service.client().await?;
    let sql = "SELECT id, slug, name, created_at, updated_at FROM organizations ORDER BY slug";
    let rows = client.query_typed(sql, &[]).await?;
    Ok(Json(rows.iter().map(Organization::from).collect()))
}

/// `GET /organizations/{id}`
pub(crate) async fn read(State(service): State<Service>, Ids(id): Ids<i64>) -> Answer<Json<Organization>> {
    let client = service.client().await?;
    let sql = "SELECT id, slug, name, created_at, updated_at FROM organizations WHERE id = $1";
    let row = client.query_typed_opt(sql, &[(&id, Type::INT8)]).await?.ok_or(ApiError::NotFound("organization"))?;
    Ok(Json(Organization::from(&row)))
}

/// Fails unless there is such an organization.
pub(super) async fn exists(on: &tokio_postgres::Transaction<'_>, id: i64) -> Answer<()> {
    let sql = "SELECT FROM organizations WHERE id = $1";
    on.query_typed_opt(sql, &[(&id, Type::INT8)]).await?.map(drop).ok_or(ApiError::NotFound("organization"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    email: String,
    display_name: String,
    /// `owner`, `author`, `reviewer` or `candidate`.
    role: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Member {
    id: i64,
    email: String,
    display_name: String,
    role: String,
    created_at: Timestamp,
}

impl From<&Row> for Member {
    fn from(row: &Row) -> Self {
        Self { id: row.get(0), email: row.get(1), display_name: row.get(2), role: row.get(3), created_at: row.get(4) }
    }
}

/// `POST /organizations/{id}/users`: a user, and the membership.
pub(crate) async fn create_user(
    State(service): State<Service>,
    Actor(actor): Actor,
    Ids(organization): Ids<i64>,
    Body(new): Body<NewUser>,
) -> Answer<(StatusCode, Json<Member>)> {
    let mut client = service.client().await?;
    let transaction = client.transaction().await?;
    exists(&transaction, organization).await?;
    let values: &[Value<'_>] = &[
        (&new.email, Type::TEXT),
        (&new.display_name, Type::TEXT),
        (&organization, Type::INT8),
        (&new.role, Type::TEXT),
    ];
    let row = transaction
        .query_typed_one(
            "WITH u AS (INSERT INTO users (email, display_name) VALUES ($1, $2) RETURNING id, email, display_name, created_at), \
             m AS (INSERT INTO memberships (organization_id, user_id, role) SELECT $3, u.id, $4 FROM u RETURNING role) \
             SELECT u.id, u.email, u.display_name, m.role, u.created_at FROM u, m",
            values,
        )
        .await?;
    let member = Member::from(&row);
    let entry = Entry {
        organization,
        actor,
        action: "user.created",
        subject: ("user", member.id),
        detail: json!({ "role": member.role }),
    };
    audit::record(&transaction, entry).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(member)))
}

/// `GET /organizations/{id}/users`
pub(crate) async fn users(State(service): State<Service>, Ids(organization): Ids<i64>) -> Answer<Json<Vec<Member>>> {
    let client = service.client().await?;
    let rows = client
        .query_typed(
            "SELECT u.id, u.email, u.display_name, m.role, u.created_at FROM memberships m JOIN users u ON u.id = m.user_id \
             WHERE m.organization_id = $1 ORDER BY u.id",
            &[(&organization, Type::INT8)],
        )
        .await?;
    Ok(Json(rows.iter().map(Member::from).collect()))
}
