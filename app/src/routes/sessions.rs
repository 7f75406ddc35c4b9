//! Sessions: one person's attempt at one assessment, from its start to its result.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Response, json};
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use super::audit::{self, Entry};
use super::{Service, Value};
use crate::error::{Answer, ApiError};
use crate::extract::{Actor, Body, Ids};
use crate::grading::{self, Kind};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    user_id: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Session {
    id: i64,
    assessment_id: i64,
    user_id: i64,
    started_at: Timestamp,
    submitted_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, assessment_id, user_id, started_at, submitted_at";

impl From<&Row> for Session {
    fn from(row: &Row) -> Self {
        Self {
            id: row.get(0),
            assessment_id: row.get(1),
            user_id: row.get(2),
            started_at: row.get(3),
            submitted_at: row.get(4),
        }
    }
}

/// `POST /assessments/{id}/sessions`: a new session (201), or the one that is open already (200), since a second tab goes on with it.
pub(crate) async fn start(
    State(service): State<Service>,
    Actor(actor): Actor,
    Ids(assessment): Ids<i64>,
    Body(new): Body<NewSession>,
) -> Answer<(StatusCode, Json<Session>)> {
    let mut client = service.client().await?;
    let transaction = client.transaction().await?;
    let user: Value<'_> = (&new.user_id, Type::INT8);
    // The row lock makes the attempts of one assessment count one after the other.
    let row = transaction
        .query_typed_opt(
            "SELECT a.organization_id, a.status::text, a.max_attempts, \
             EXISTS (SELECT FROM memberships m WHERE m.organization_id = a.organization_id AND m.user_id = $2), \
             (SELECT count(*) FROM assessment_sessions s WHERE s.assessment_id = a.id AND s.user_id = $2) \
             FROM assessments a WHERE a.id = $1 FOR UPDATE OF a",
            &[(&assessment, Type::INT8), user.clone()],
        )
        .await?
        .ok_or(ApiError::NotFound("assessment"))?;
    let (organization, status, most): (i64, String, Option<i32>) = (row.get(0), row.get(1), row.get(2));
    let (is_member, attempts): (bool, i64) = (row.get(3), row.get(4));
    if !is_member {
        return Err(ApiError::invalid("the user does not belong to the assessment's organization"));
    }
    let open = format!(
        "SELECT {COLUMNS} FROM assessment_sessions WHERE assessment_id = $1 AND user_id = $2 AND submitted_at IS NULL"
    );
    if let Some(row) = transaction.query_typed_opt(&open, &[(&assessment, Type::INT8), user.clone()]).await? {
        return Ok((StatusCode::OK, Json(Session::from(&row))));
    }
    if status != "published" {
        return Err(ApiError::conflict(format!("the assessment is {status}, and only a published one is sat")));
    }
    if most.is_some_and(|most| attempts >= i64::from(most)) {
        return Err(ApiError::conflict("the user has no attempt left"));
    }
    let insert =
        format!("INSERT INTO assessment_sessions (assessment_id, user_id) VALUES ($1, $2) RETURNING {COLUMNS}");
    let row = transaction.query_typed_one(&insert, &[(&assessment, Type::INT8), user]).await?;
    let session = Session::from(&row);
    let entry = Entry {
        organization,
        actor: actor.or(Some(session.user_id)),
        action: "session.started",
        subject: ("session", session.id),
        detail: json!({ "assessment_id": assessment }),
    };
    audit::record(&transaction, entry).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(session)))
}

/// `GET /sessions/{id}`
pub(crate) async fn read(State(service): State<Service>, Ids(id): Ids<i64>) -> Answer<Json<Session>> {
    let client = service.client().await?;
    let sql = format!("SELECT {COLUMNS} FROM assessment_sessions WHERE id = $1");
    let row = client.query_typed_opt(&sql, &[(&id, Type::INT8)]).await?.ok_or(ApiError::NotFound("session"))?;
    Ok(Json(Session::from(&row)))
}

/// A session with what its rules need, locked until the end of the transaction.
struct Locked {
    assessment: i64,
    organization: i64,
    user: i64,
    submitted: bool,
    in_time: bool,
    pass_percent: i32,
}

async fn lock(on: &Transaction<'_>, session: i64) -> Answer<Locked> {
    let row = on
        .query_typed_opt(
            "SELECT s.assessment_id, a.organization_id, s.user_id, s.submitted_at IS NOT NULL, \
             coalesce(now() <= s.started_at + make_interval(mins => a.time_limit_minutes), true), a.pass_percent \
             FROM assessment_sessions s JOIN assessments a ON a.id = s.assessment_id WHERE s.id = $1 FOR UPDATE OF s",
            &[(&session, Type::INT8)],
        )
        .await?
        .ok_or(ApiError::NotFound("session"))?;
    Ok(Locked {
        assessment: row.get(0),
        organization: row.get(1),
        user: row.get(2),
        submitted: row.get(3),
        in_time: row.get(4),
        pass_percent: row.get(5),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAnswer {
    /// A string for free text, an array of indexes into the choices otherwise.
    response: Response,
}

#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    question_id: i64,
    answered_at: Timestamp,
}

/// `PUT /sessions/{id}/answers/{question}`: as often as one likes, until the session is submitted or its time is over.
pub(crate) async fn answer(
    State(service): State<Service>,
    Ids((id, question)): Ids<(i64, i64)>,
    Body(new): Body<NewAnswer>,
) -> Answer<Json<Answered>> {
    let mut client = service.client().await?;
    let transaction = client.transaction().await?;
    let session = lock(&transaction, id).await?;
    if session.submitted {
        return Err(ApiError::conflict("the session is submitted"));
    }
    if !session.in_time {
        return Err(ApiError::conflict("the time is over"));
    }
    let row = transaction
        .query_typed_opt(
            "SELECT kind, coalesce(choices, '[]') FROM questions WHERE assessment_id = $1 AND id = $2",
            &[(&session.assessment, Type::INT8), (&question, Type::INT8)],
        )
        .await?
        .ok_or(ApiError::NotFound("question"))?;
    let (kind, choices): (String, Response) = (row.get(0), row.get(1));
    let kind = Kind::of(&kind).ok_or(ApiError::Internal)?;
    grading::check(kind, &choices, &new.response).map_err(ApiError::invalid)?;
    let values: &[Value<'_>] =
        &[(&session.assessment, Type::INT8), (&id, Type::INT8), (&question, Type::INT8), (&new.response, Type::JSONB)];
    let row = transaction
        .query_typed_one(
            "INSERT INTO answers (assessment_id, session_id, question_id, response) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (session_id, question_id) DO UPDATE SET response = excluded.response, answered_at = now() \
             RETURNING question_id, answered_at",
            values,
        )
        .await?;
    transaction.commit().await?;
    Ok(Json(Answered { question_id: row.get(0), answered_at: row.get(1) }))
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    session_id: i64,
    awarded_points: f64,
    max_points: f64,
    passed: bool,
    graded_by: Option<i64>,
    graded_at: Timestamp,
}

impl From<&Row> for Outcome {
    fn from(row: &Row) -> Self {
        Self {
            session_id: row.get(0),
            awarded_points: row.get(1),
            max_points: row.get(2),
            passed: row.get(3),
            graded_by: row.get(4),
            graded_at: row.get(5),
        }
    }
}

const OUTCOME: &str = "session_id, awarded_points::float8, max_points::float8, passed, graded_by, graded_at";

/// What became of a submitted session.
#[derive(Debug, Serialize)]
pub(crate) struct Submitted {
    session_id: i64,
    /// Answers that a person has to read before there is a result.
    ungraded: i64,
    result: Option<Outcome>,
}

/// `POST /sessions/{id}/submit`: choices are graded at once; where there is nothing else, the result is there.
pub(crate) async fn submit(
    State(service): State<Service>,
    Actor(actor): Actor,
    Ids(id): Ids<i64>,
) -> Answer<Json<Submitted>> {
    let mut client = service.client().await?;
    let transaction = client.transaction().await?;
    let session = lock(&transaction, id).await?;
    if session.submitted {
        return Err(ApiError::conflict("the session is submitted already"));
    }
    let this: Value<'_> = (&id, Type::INT8);
    transaction
        .execute_typed("UPDATE assessment_sessions SET submitted_at = now() WHERE id = $1", std::slice::from_ref(&this))
        .await?;
    let answers = transaction
        .query_typed(
            "SELECT a.id, q.kind, coalesce(q.choices, '[]'), a.response, q.points \
             FROM answers a JOIN questions q ON q.id = a.question_id WHERE a.session_id = $1 AND a.awarded_points IS NULL",
            std::slice::from_ref(&this),
        )
        .await?;
    for row in &answers {
        let (answer, kind): (i64, String) = (row.get(0), row.get(1));
        let (choices, response): (Response, Response) = (row.get(2), row.get(3));
        let kind = Kind::of(&kind).ok_or(ApiError::Internal)?;
        if let Some(points) = grading::award(kind, &choices, &response, row.get(4)) {
            let sql = "UPDATE answers SET awarded_points = $2 WHERE id = $1";
            transaction.execute_typed(sql, &[(&answer, Type::INT8), (&points, Type::INT4)]).await?;
        }
    }
    let entry = Entry {
        organization: session.organization,
        actor: actor.or(Some(session.user)),
        action: "session.submitted",
        subject: ("session", id),
        detail: json!({ "answers": answers.len() }),
    };
    audit::record(&transaction, entry).await?;
    let submitted = settle(&transaction, id, &session, None).await?;
    transaction.commit().await?;
    Ok(Json(submitted))
}

/// Stores the result, once nothing is left to be graded.
async fn settle(on: &Transaction<'_>, id: i64, session: &Locked, grader: Option<i64>) -> Answer<Submitted> {
    let this: Value<'_> = (&id, Type::INT8);
    let count = "SELECT count(*) FROM answers WHERE session_id = $1 AND awarded_points IS NULL";
    let ungraded: i64 = on.query_typed_one(count, std::slice::from_ref(&this)).await?.get(0);
    if ungraded > 0 {
        return Ok(Submitted { session_id: id, ungraded, result: None });
    }
    let sql = format!(
        "INSERT INTO assessment_results (session_id, graded_by, awarded_points, max_points, passed) \
         SELECT $1, $2, p.awarded, p.most, 100 * p.awarded >= $3 * p.most FROM (SELECT \
         (SELECT coalesce(sum(awarded_points), 0) FROM answers WHERE session_id = $1) AS awarded, \
         (SELECT sum(points) FROM questions WHERE assessment_id = $4) AS most) AS p RETURNING {OUTCOME}"
    );
    let values: &[Value<'_>] =
        &[this, (&grader, Type::INT8), (&session.pass_percent, Type::INT4), (&session.assessment, Type::INT8)];
    let outcome = Outcome::from(&on.query_typed_one(&sql, values).await?);
    let entry = Entry {
        organization: session.organization,
        actor: grader,
        action: "session.graded",
        subject: ("session", id),
        detail: json!({ "passed": outcome.passed }),
    };
    audit::record(on, entry).await?;
    Ok(Submitted { session_id: id, ungraded: 0, result: Some(outcome) })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grade {
    points: f64,
}

/// `POST /sessions/{id}/answers/{question}/grade`: a person has read the answer; with the last one the result is there.
pub(crate) async fn grade(
    State(service): State<Service>,
    Actor(actor): Actor,
    Ids((id, question)): Ids<(i64, i64)>,
    Body(grade): Body<Grade>,
) -> Answer<Json<Submitted>> {
    let mut client = service.client().await?;
    let transaction = client.transaction().await?;
    let session = lock(&transaction, id).await?;
    if !session.submitted {
        return Err(ApiError::conflict("the session is not submitted yet"));
    }
    let row = transaction
        .query_typed_opt(
            "SELECT a.awarded_points IS NOT NULL, q.points FROM answers a JOIN questions q ON q.id = a.question_id \
             WHERE a.session_id = $1 AND a.question_id = $2",
            &[(&id, Type::INT8), (&question, Type::INT8)],
        )
        .await?
        .ok_or(ApiError::NotFound("answer"))?;
    let (is_graded, most): (bool, i32) = (row.get(0), row.get(1));
    if is_graded {
        return Err(ApiError::conflict("the answer is graded already"));
    }
    if !(0.0..=f64::from(most)).contains(&grade.points) {
        return Err(ApiError::invalid(format!("the question is worth 0 to {most} points")));
    }
    transaction
        .execute_typed(
            "UPDATE answers SET awarded_points = $3::float8::numeric WHERE session_id = $1 AND question_id = $2",
            &[(&id, Type::INT8), (&question, Type::INT8), (&grade.points, Type::FLOAT8)],
        )
        .await?;
    let settled = settle(&transaction, id, &session, actor).await?;
    transaction.commit().await?;
    Ok(Json(settled))
}

/// `GET /sessions/{id}/result`: 409 as long as there is none.
pub(crate) async fn result(State(service): State<Service>, Ids(id): Ids<i64>) -> Answer<Json<Outcome>> {
    let client = service.client().await?;
    let sql = format!("SELECT {OUTCOME} FROM assessment_results WHERE session_id = $1");
    if let Some(row) = client.query_typed_opt(&sql, &[(&id, Type::INT8)]).await? {
        return Ok(Json(Outcome::from(&row)));
    }
    let exists = client.query_typed_opt("SELECT FROM assessment_sessions WHERE id = $1", &[(&id, Type::INT8)]).await?;
    Err(match exists {
        Some(_) => ApiError::conflict("the session has no result yet"),
        None => ApiError::NotFound("session"),
    })
}
