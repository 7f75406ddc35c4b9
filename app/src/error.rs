//! What a request is answered with that cannot be done. No answer has SQL in it, nor what the server says about rows.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use deadpool_postgres::PoolError;
use serde_json::json;
use tracing::{error, warn};

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// What it names is not there.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The start is not over.
    #[error("the service is starting")]
    Starting,
    /// The database cannot be reached, or not now.
    #[error("the database cannot be reached at the moment")]
    Unavailable,
    /// The database has not the tables that this needs.
    #[error("the database has not been migrated to what this request needs")]
    NotMigrated,
    /// Something else; the log knows what.
    #[error("something went wrong here")]
    Internal,
}

pub(crate) type Answer<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }

    pub(crate) fn conflict(why: impl Into<String>) -> Self {
        Self::Conflict(why.into())
    }

    fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::NotMigrated => (StatusCode::SERVICE_UNAVAILABLE, "not_migrated"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.parts();
        let body = Json(json!({ "error": { "code": code, "message": self.to_string() } }));
        let mut response = (status, body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<PoolError> for ApiError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => {
                warn!("no connection: {}", said(&error));
                Self::Unavailable
            }
            other => {
                warn!("no connection: {other}");
                Self::Unavailable
            }
        }
    }
}

impl From<tokio_postgres::Error> for ApiError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(server) = error.as_db_error() else {
            // Closed, reset, refused; a value that did not fit its type is a mistake of this program.
            let broken = error.is_closed()
                || std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
            warn!("a statement failed: {}", said(&error));
            return if broken { Self::Unavailable } else { Self::Internal };
        };
        let constraint = server.constraint().unwrap_or_default();
        match server.code().code() {
            "23505" => Self::Conflict(taken(constraint).to_owned()),
            "23503" => Self::Invalid(format!("it names something that is not there ({constraint})")),
            "23502" | "23514" => Self::Invalid(match constraint {
                "" => "a value is missing".to_owned(),
                constraint => format!("a value is not allowed ({constraint})"),
            }),
            "42P01" | "42703" | "42704" | "42883" => {
                error!("a statement failed: {}", said(&error));
                Self::NotMigrated
            }
            code if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) || code == "25006" => {
                warn!("a statement failed: {}", said(&error));
                Self::Unavailable
            }
            code if code.starts_with("22") => Self::invalid("a value is out of its range"),
            _ => {
                error!("a statement failed: {}", said(&error));
                Self::Internal
            }
        }
    }
}

/// What is taken already, by the name of the constraint that said so.
fn taken(constraint: &str) -> &'static str {
    match constraint {
        "organizations_slug_key" => "there is an organization with this slug",
        "users_lower_email_key" => "there is a user with this address",
        "memberships_organization_id_user_id_key" => "this user is a member already",
        "assessments_organization_id_lower_title_key" => "the organization has an assessment with this title",
        _ => "it is there already",
    }
}

/// An error for the log: code and message, and not the rows that DETAIL has.
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(server) => format!("{} (SQLSTATE {})", server.message(), server.code().code()),
        None => error.to_string(),
    }
}
