//! Assessments and their questions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Choices, json};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::audit::{self, Entry};
use super::{Service, Value, organizations};
use crate::error::{Answer, ApiError};
use crate::extract::{Actor, Body, Ids};
use crate::grading::Kind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAssessment {
    title: String,
    #[serde(default)]
    description: String,
    pass_percent: Option<i32>,
    time_limit_minutes: Option<i32>,
    max_attempts: Option<i32>,
    #[serde(default)]
    questions: Vec<NewQuestion>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuestion {
    kind: String,
    prompt: String,
    /// With the key; none for free text.
    choices: Option<Vec<Choice>>,
    points: Option<i32>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    label: String,
    correct: bool,
}

impl NewQuestion {
    /// What no constraint of the table says.
    fn check(&self) -> Result<(), ApiError> {
        let choices = self.choices.as_deref().unwrap_or_default();
        let correct = choices.iter().filter(|choice| choice.correct).count();
        match Kind::of(&self.kind) {
            None => Err(ApiError::invalid("a question is `single_choice`, `multiple_choice` or `free_text`")),
            Some(Kind::SingleChoice) if correct != 1 => {
                Err(ApiError::invalid("a single choice question has exactly one correct choice"))
            }
            Some(Kind::MultipleChoice) if correct == 0 => {
                Err(ApiError::invalid("a multiple choice question has at least one correct choice"))
            }
            Some(_) => Ok(()),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Assessment {
    id: i64,
    organization_id: i64,
    created_by: Option<i64>,
    title: String,
    description: String,
    status: String,
    pass_percent: i32,
    time_limit_minutes: Option<i32>,
    max_attempts: Option<i32>,
    created_at: Timestamp,
    questions: Vec<Question>,
}

/// A question as a candidate sees it: without the key.
#[derive(Debug, Serialize)]
pub(crate) struct Question {
    id: i64,
    position: i32,
    kind: String,
    prompt: String,
    choices: Option<Vec<String>>,
    points: i32,
}

const COLUMNS: &str = "id, organization_id, created_by, title, description, status::text, pass_percent, time_limit_minutes, max_attempts, created_at";

impl Assessment {
    fn of(row: &Row, questions: Vec<Question>) -> Self {
        Self {
            id: row.get(0),
            organization_id: row.get(1),
            created_by: row.get(2),
            title: row.get(3),
            description: row.get(4),
            status: row.get(5),
            pass_percent: row.get(6),
            time_limit_minutes: row.get(7),
            max_attempts: row.get(8),
            created_at: row.get(9),
            questions,
        }
    }
}

impl From<&Row> for Question {
    fn from(row: &Row) -> Self {
        let choices: Option<Choices> = row.get(4);
        let label = |choice: &Choices| choice.get("label").and_then(Choices::as_str).unwrap_or_default().to_owned();
        Self {
            id: row.get(0),
            position: row.get(1),
            kind: row.get(2),
            prompt: row.get(3),
            choices: choices.as_ref().and_then(Choices::as_array).map(|all| all.iter().map(label).collect()),
            points: row.get(5),
        }
    }
}

/// `POST /organizations/{id}/assessments`: a draft, with its questions.
pub(crate) async fn create(
    State(service): State<Service>,
    Actor(actor): Actor,
    Ids(organization): Ids<i64>,
    Body(new): Body<NewAssessment>,
) -> Answer<(StatusCode, Json<Assessment>)> {
    new.questions.iter().try_for_each(NewQuestion::check)?;
    let mut client = service.client().await?;
    let transaction = client.transaction().await?;
    organizations::exists(&transaction, organization).await?;
    let values: &[Value<'_>] = &[
        (&organization, Type::INT8),
        (&actor, Type::INT8),
        (&new.title, Type::TEXT),
        (&new.description, Type::TEXT),
        (&new.pass_percent, Type::INT4),
        (&new.time_limit_minutes, Type::INT4),
        (&new.max_attempts, Type::INT4),
    ];
    let sql = format!(
        "INSERT INTO assessments (organization_id, created_by, title, description, pass_percent, time_limit_minutes, max_attempts) \
         VALUES ($1, $2, $3, $4, coalesce($5, 60), $6, $7) RETURNING {COLUMNS}"
    );
    let row = transaction.query_typed_one(&sql, values).await?;
    let id: i64 = row.get(0);
    let mut questions = Vec::new();
    for (position, question) in (1_i32..).zip(&new.questions) {
        let choices = question.choices.as_ref().map(|choices| json!(choices));
        let values: &[Value<'_>] = &[
            (&id, Type::INT8),
            (&position, Type::INT4),
            (&question.kind, Type::TEXT),
            (&question.prompt, Type::TEXT),
            (&choices, Type::JSONB),
            (&question.points, Type::INT4),
        ];
        let row = transaction
            .query_typed_one(
                "INSERT INTO questions (assessment_id, position, kind, prompt, choices, points) \
                 VALUES ($1, $2, $3, $4, $5, coalesce($6, 1)) RETURNING id, position, kind, prompt, choices, points",
                values,
            )
            .await?;
        questions.push(Question::from(&row));
    }
    let assessment = Assessment::of(&row, questions);
    let entry = Entry {
        organization,
        actor,
        action: "assessment.created",
        subject: ("assessment", id),
        detail: json!({ "title": assessment.title, "questions": assessment.questions.len() }),
    };
    audit::record(&transaction, entry).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(assessment)))
}

/// `GET /assessments/{id}`
pub(crate) async fn read(State(service): State<Service>, Ids(id): Ids<i64>) -> Answer<Json<Assessment>> {
    let client = service.client().await?;
    let sql = format!("SELECT {COLUMNS} FROM assessments WHERE id = $1");
    let row = client.query_typed_opt(&sql, &[(&id, Type::INT8)]).await?.ok_or(ApiError::NotFound("assessment"))?;
    let questions = client
        .query_typed(
            "SELECT id, position, kind, prompt, choices, points FROM questions WHERE assessment_id = $1 ORDER BY position",
            &[(&id, Type::INT8)],
        )
        .await?;
    Ok(Json(Assessment::of(&row, questions.iter().map(Question::from).collect())))
}

#[derive(Debug, Serialize)]
pub(crate) struct Published {
    id: i64,
    status: String,
}

/// `POST /assessments/{id}/publish`: from now on candidates may sit it.
pub(crate) async fn publish(
    State(service): State<Service>,
    Actor(actor): Actor,
    Ids(id): Ids<i64>,
) -> Answer<Json<Published>> {
    let mut client = service.client().await?;
    let transaction = client.transaction().await?;
    let row = transaction
        .query_typed_opt(
            "SELECT organization_id, status::text, EXISTS (SELECT FROM questions q WHERE q.assessment_id = a.id) \
             FROM assessments a WHERE id = $1 FOR UPDATE",
            &[(&id, Type::INT8)],
        )
        .await?
        .ok_or(ApiError::NotFound("assessment"))?;
    let (organization, status, has_questions): (i64, String, bool) = (row.get(0), row.get(1), row.get(2));
    if status != "draft" {
        return Err(ApiError::conflict(format!("the assessment is {status}, and only a draft is published")));
    }
    if !has_questions {
        return Err(ApiError::conflict("the assessment has no questions"));
    }
    transaction
        .execute_typed("UPDATE assessments SET status = 'published' WHERE id = $1", &[(&id, Type::INT8)])
        .await?;
    let entry =
        Entry { organization, actor, action: "assessment.published", subject: ("assessment", id), detail: json!({}) };
    audit::record(&transaction, entry).await?;
    transaction.commit().await?;
    Ok(Json(Published { id, status: "published".to_owned() }))
}

/// The figures of one assessment, as the view has them.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    assessment_id: i64,
    title: String,
    status: String,
    question_count: i64,
    max_points: i64,
    session_count: i64,
    open_session_count: i64,
    graded_count: i64,
    passed_count: i64,
    average_percent: Option<f64>,
}

impl From<&Row> for Summary {
    fn from(row: &Row) -> Self {
        Self {
            assessment_id: row.get(0),
            title: row.get(1),
            status: row.get(2),
            question_count: row.get(3),
            max_points: row.get(4),
            session_count: row.get(5),
            open_session_count: row.get(6),
            graded_count: row.get(7),
            passed_count: row.get(8),
            average_percent: row.get(9),
        }
    }
}

/// `GET /organizations/{id}/assessments`
pub(crate) async fn list(State(service): State<Service>, Ids(organization): Ids<i64>) -> Answer<Json<Vec<Summary>>> {
    let client = service.client().await?;
    let rows = client
        .query_typed(
            "SELECT assessment_id, title, status::text, question_count, max_points, session_count, open_session_count, \
             graded_count, passed_count, average_percent::float8 \
             FROM assessment_summaries WHERE organization_id = $1 ORDER BY assessment_id",
            &[(&organization, Type::INT8)],
        )
        .await?;
    Ok(Json(rows.iter().map(Summary::from).collect()))
}
