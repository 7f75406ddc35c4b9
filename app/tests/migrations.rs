//! The migrations, tested as any other code is. Each test has a database of its own; `stairwell::testing` says where it comes from.

use std::error::Error;

use app::MIGRATIONS;
use stairwell::Target;
use stairwell::testing::{TestDatabase, assert_reversible};

type Outcome = Result<(), Box<dyn Error>>;

const ASSESSMENT: &str = "INSERT INTO organizations (name, slug) VALUES ('Alder', 'alder');
    INSERT INTO assessments (organization_id, title) SELECT id, 'First aid' FROM organizations";

#[test]
fn every_migration_can_be_undone() {
    assert_reversible(&MIGRATIONS);
}

/// Before there was a status, candidates saw every assessment. The rows of that time show whether they still do.
#[stairwell::test(at = "assessment_results")]
fn an_assessment_from_before_there_was_a_status_is_published(db: &TestDatabase) -> Outcome {
    db.client().batch_execute(ASSESSMENT)?;
    db.up(Target::Head)?;
    let status: String = db.client().query_one("SELECT status::text FROM assessments", &[])?.get(0);
    assert_eq!(status, "published");
    Ok(())
}

#[stairwell::test]
async fn a_new_assessment_is_a_draft(db: &TestDatabase) -> Outcome {
    let (config, connector) = db.database().pool_parts()?;
    let (client, connection) = config.connect(connector).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute(ASSESSMENT).await?;
    let status: String = client.query_one("SELECT status::text FROM assessments", &[]).await?.get(0);
    assert_eq!(status, "draft");
    drop(client);
    Ok(connection.await??)
}
