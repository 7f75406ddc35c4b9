//! What is asked where. A file an entity: its requests, its answers and its SQL.

mod assessments;
mod audit;
mod organizations;
mod sessions;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use deadpool_postgres::{Client, Pool};
use stairwell::startup::Migrations;
use tokio_postgres::types::{ToSql, Type};

use crate::error::{Answer, ApiError};
use crate::health;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Service {
    pool: Pool,
}

impl Service {
    async fn client(&self) -> Answer<Client> {
        Ok(self.pool.get().await?)
    }
}

/// A value of a statement, with its type: nothing is prepared by name, and nobody is asked what type it is.
type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// Every path. Until the start is over, all but the health endpoints are answered with 503.
pub(crate) fn service(pool: Pool, migrations: Migrations) -> Router {
    let health = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .with_state(migrations.clone());
    let api = Router::new()
        .route("/organizations", get(organizations::list).post(organizations::create))
        .route("/organizations/{id}", get(organizations::read))
        .route("/organizations/{id}/users", get(organizations::users).post(organizations::create_user))
        .route("/organizations/{id}/assessments", get(assessments::list).post(assessments::create))
        .route("/organizations/{id}/audit-log", get(audit::list))
        .route("/assessments/{id}", get(assessments::read))
        .route("/assessments/{id}/publish", post(assessments::publish))
        .route("/assessments/{id}/sessions", post(sessions::start))
        .route("/sessions/{id}", get(sessions::read))
        .route("/sessions/{id}/answers/{question}", put(sessions::answer))
        .route("/sessions/{id}/answers/{question}/grade", post(sessions::grade))
        .route("/sessions/{id}/submit", post(sessions::submit))
        .route("/sessions/{id}/result", get(sessions::result))
        .fallback(|| async { ApiError::NotFound("path") })
        .method_not_allowed_fallback(|| async { ApiError::NotFound("method on this path") })
        .with_state(Service { pool })
        .layer(from_fn_with_state(migrations, once_started));
    health.merge(api)
}

async fn once_started(State(migrations): State<Migrations>, request: Request, next: Next) -> Response {
    if migrations.has_started() { next.run(request).await } else { ApiError::Starting.into_response() }
}
