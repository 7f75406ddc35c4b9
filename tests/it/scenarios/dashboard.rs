//! A dashboard: companies, agents, events, role_configs. Its container starts, connects, migrates and logs.

use crate::harness::Outcome;
use crate::harness::app::{App, command, timeless};
use crate::harness::database::TestDatabase;
use crate::harness::files::Workspace;

crate::trials!(
    it_starts_migrates_logs_and_serves,
    a_second_start_has_nothing_to_do,
    a_failing_migration_leaves_it_serving_and_it_recovers_by_itself,
);

/// The migrations as a team wrote them.
const MIGRATIONS: [(&str, &str, &str); 4] = [
    (
        "20260105091500_create_companies",
        "CREATE TABLE companies (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    name text NOT NULL,\n    created_at timestamptz NOT NULL DEFAULT now()\n);\n",
        "-- stairwell: destructive drops companies\nDROP TABLE companies;\n",
    ),
    (
        "20260112140000_create_agents",
        "CREATE TABLE agents (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    company_id bigint NOT NULL REFERENCES companies (id) ON DELETE CASCADE,\n    name text NOT NULL,\n    status text NOT NULL DEFAULT 'idle'\n);\n",
        "-- stairwell: destructive drops agents\nDROP TABLE agents;\n",
    ),
    (
        "20260119101000_create_events",
        "CREATE TABLE events (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    agent_id bigint NOT NULL REFERENCES agents (id) ON DELETE CASCADE,\n    kind text NOT NULL,\n    payload jsonb NOT NULL DEFAULT '{}',\n    occurred_at timestamptz NOT NULL DEFAULT now()\n);\n\nCREATE INDEX events_agent_id_occurred_at_idx ON events (agent_id, occurred_at DESC);\n",
        "-- stairwell: destructive drops events\nDROP TABLE events;\n",
    ),
    (
        "20260202083000_create_role_configs",
        "CREATE TABLE role_configs (\n    role text PRIMARY KEY,\n    settings jsonb NOT NULL DEFAULT '{}'\n);\n",
        "-- stairwell: destructive drops role_configs\nDROP TABLE role_configs;\n",
    ),
];

const TABLES: &str = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";

fn it_starts_migrates_logs_and_serves() -> Outcome {
    let (workspace, database) = (Workspace::with(&MIGRATIONS), TestDatabase::new()?);
    let app = App::start(&mut command(Some(&workspace.migrations()), database.url(), &[]));
    app.line("Serving requests");
    assert_eq!(database.ask(TABLES), "agents companies events role_configs");
    assert_eq!(app.get("/health/live").is(200)["status"], "live");
    let health = app.get("/health/ready").is(200);
    assert_eq!((&health["status"], &health["pending"], &health["ahead"]), (&"ready".into(), &0.into(), &0.into()));
    assert_eq!(health["current"], "20260202083000_create_role_configs");
    assert_eq!(health["current"], health["expected"]);
    assert_eq!(health["last_error"], serde_json::Value::Null);
    assert!(health["since"].as_str().unwrap().parse::<String>().unwrap().ends_with('Z'), "{health}");
    // What the probe of a container without curl says.
    let probe = |what: &[&str]| {
        let mut probe = command(None, "", &[&["health"], what].concat());
        crate::harness::xtask::run(probe.env("LISTEN_ADDR", app.address()))
    };
    assert!(probe(&[]).ok().stdout.contains("\"status\":\"ready\""));
    probe(&["live"]).ok();

    let (code, log) = app.stop();
    assert_eq!(code, 0, "{log}");
    insta::assert_snapshot!(timeless(&log, &[]));
    Ok(())
}

fn a_second_start_has_nothing_to_do() -> Outcome {
    let (workspace, database) = (Workspace::with(&MIGRATIONS), TestDatabase::new()?);
    for applied in ["applied=4", "applied=0"] {
        let app = App::start(&mut command(Some(&workspace.migrations()), database.url(), &[]));
        let line = app.line("Database migrations completed");
        assert!(line.contains(applied) && line.contains("version=20260202083000"), "{line}");
        app.line("Serving requests");
        assert_eq!(app.stop().0, 0);
    }
    Ok(())
}

fn a_failing_migration_leaves_it_serving_and_it_recovers_by_itself() -> Outcome {
    let (workspace, database) = (Workspace::with(&MIGRATIONS), TestDatabase::new()?);
    // Somebody made a table by hand, and put into it what nobody else should read.
    database
        .client()
        .batch_execute("CREATE TABLE events (secret text); INSERT INTO events VALUES ('opensesame')")
        .unwrap();
    let app = App::start(command(Some(&workspace.migrations()), database.url(), &[]).env("STAIRWELL_RETRY", "1"));
    let health = app.health("degraded");
    assert_eq!(health["current"], "20260112140000_create_agents");
    assert_eq!(health["expected"], "20260202083000_create_role_configs");
    assert_eq!(health["pending"], 2);
    let folder = format!("{}/", workspace.path().display());
    let reason = health["reason"].as_str().unwrap().replace(&folder, "");
    insta::assert_snapshot!(reason, @r#"20260119101000_create_events failed: relation "events" already exists (SQLSTATE 42P07), at migrations/20260119101000_create_events.up.sql:1:1"#);
    assert_eq!(health["last_error"], health["reason"]);
    // It works, and serves what it can.
    app.line("Serving requests");
    app.get("/health/live").is(200);
    assert_eq!(app.get("/organizations").is(503)["error"]["code"], "not_migrated");
    assert_eq!(database.ask(TABLES), "agents companies events");

    // The cause goes.
    database.client().batch_execute("DROP TABLE events").unwrap();
    let health = app.health("ready");
    assert_eq!((&health["pending"], &health["last_error"]), (&0.into(), &serde_json::Value::Null));
    assert_eq!(database.ask(TABLES), "agents companies events role_configs");
    app.line("Recovered");
    let (code, log) = app.stop();
    assert_eq!(code, 0);
    assert!(!log.contains("opensesame"), "{log}");
    insta::assert_snapshot!("a_failing_migration", timeless(&without_repetition(&log), &[(&folder, "")]));
    Ok(())
}

/// How often it was tried in vain is a matter of time.
fn without_repetition(log: &str) -> String {
    let lines = log.lines().filter(|line| !line.contains("failed again"));
    let line = |line: &str| if line.contains("Recovered") { "Recovered …".to_owned() } else { line.to_owned() };
    lines.map(line).collect::<Vec<_>>().join("\n")
}
