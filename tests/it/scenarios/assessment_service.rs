//! The example backend: its nine tables, there and back, and the requests that use them.

use serde_json::{Value, json};

use crate::commands::case::at_once;
use crate::harness::Outcome;
use crate::harness::app::{App, command, migrate};
use crate::harness::database::TestDatabase;
use crate::harness::pgbouncer::PgBouncer;

crate::trials!(
    nine_tables_come_and_go_and_come_again,
    on_a_database_that_has_other_things_they_stay,
    one_that_fails_half_way_goes_on_when_the_cause_is_gone,
    two_apps_that_start_at_once_apply_each_migration_once,
    the_migrate_command_ends_with_codes,
    its_help_says_what_it_needs,
    an_assessment_is_written_sat_graded_and_logged,
    what_cannot_be_done_is_answered_in_json_without_sql,
    behind_a_pooler_requests_work_and_migrations_go_past_it,
    a_database_that_goes_away_is_answered_with_503_and_comes_back,
);

const TABLES: &str = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";
const NINE: &str =
    "answers assessment_results assessment_sessions assessments audit_logs memberships organizations questions users";
const COUNT: usize = 10;

#[track_caller]
fn up(database: &TestDatabase, applied: usize) {
    let ran = migrate(None, database.url(), &[]).ok();
    let words = format!("Database migrations completed applied={applied} version=20261006161226");
    assert!(ran.stderr.contains(&words), "{}", ran.stderr);
    // A line for each, as the service logs it.
    assert_eq!(ran.stderr.matches("INFO migration applied version=2026").count(), applied, "{}", ran.stderr);
}

#[track_caller]
fn down(database: &TestDatabase) {
    let down = ["down", "--to", "base", "--confirm", database.database().name()];
    let ran = migrate(None, database.url(), &down).ok();
    assert!(ran.stderr.contains("INFO migration undone version=20260303101427 name=initial_schema"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Database migrations undone undone=10 version=none"), "{}", ran.stderr);
}

fn nine_tables_come_and_go_and_come_again() -> Outcome {
    let database = TestDatabase::new()?;
    for _ in 0..2 {
        up(&database, COUNT);
        assert_eq!(database.ask(TABLES), NINE);
        // Twice in a row.
        up(&database, 0);
        assert_eq!(database.applied().len(), COUNT);
        down(&database);
        let left =
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public'";
        assert_eq!(database.ask(left), "0");
        assert_eq!(database.ask("SELECT count(*) FROM pg_type WHERE typname = 'assessment_status'"), "0");
        assert_eq!(database.ask("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"), "0");
    }
    Ok(())
}

fn on_a_database_that_has_other_things_they_stay() -> Outcome {
    let database = TestDatabase::new()?;
    database
        .client()
        .batch_execute("CREATE TABLE legacy (n int); INSERT INTO legacy SELECT generate_series(1, 100); CREATE SCHEMA other; CREATE TABLE other.users (n int)")
        .unwrap();
    up(&database, COUNT);
    assert_eq!(database.ask(TABLES), NINE.replace("memberships", "legacy memberships"));
    down(&database);
    assert_eq!(database.ask(TABLES), "legacy");
    assert_eq!(database.ask("SELECT count(*) FROM legacy"), "100");
    up(&database, COUNT);
    Ok(())
}

fn one_that_fails_half_way_goes_on_when_the_cause_is_gone() -> Outcome {
    let database = TestDatabase::new()?;
    database.client().batch_execute("CREATE TABLE audit_logs (mine text)").unwrap();
    let ran = migrate(None, database.url(), &[]).exits(1);
    assert!(ran.stderr.contains("error[42P07]") && ran.stderr.contains("20260818125603_audit_logs"), "{}", ran.stderr);
    assert!(ran.stderr.contains("7 of 10 applied"), "{}", ran.stderr);
    assert_eq!(database.applied().len(), 7);
    // The same in a service: it serves, and what it asks is there.
    let app = App::start(command(None, database.url(), &[]).env("STAIRWELL_RETRY", "1"));
    assert_eq!(app.health("degraded")["pending"], 3);
    assert_eq!(app.get("/organizations").is(200), json!([]));
    database.client().batch_execute("DROP TABLE audit_logs").unwrap();
    assert_eq!(app.health("ready")["pending"], 0);
    assert_eq!(database.ask(TABLES), NINE);
    Ok(())
}

fn two_apps_that_start_at_once_apply_each_migration_once() -> Outcome {
    let database = TestDatabase::new()?;
    let apps: Vec<App> = (0..2).map(|_| App::start(&mut command(None, database.url(), &[]))).collect();
    for app in &apps {
        assert_eq!(app.health("ready")["pending"], 0);
    }
    assert_eq!(database.applied().len(), COUNT);
    for app in apps {
        let (code, log) = app.stop();
        assert!(code == 0 && !log.contains("ERROR"), "{log}");
    }
    down(&database);
    for ran in at_once((0..2).map(|_| command(None, database.url(), &["migrate"])).collect()) {
        ran.ok();
    }
    assert_eq!((database.applied().len(), database.ask(TABLES)), (COUNT, NINE.to_owned()));
    Ok(())
}

fn the_migrate_command_ends_with_codes() -> Outcome {
    let database = TestDatabase::new()?;
    let (url, name) = (database.url(), database.database().name());
    let pending = migrate(None, url, &["status", "--check"]).exits(1);
    assert_eq!(pending.stdout.matches("  pending ").count(), COUNT, "{}", pending.stdout);
    migrate(None, url, &["status"]).ok();
    migrate(None, url, &["up"]).ok();
    let applied = migrate(None, url, &["status", "--check"]).ok();
    assert_eq!(applied.stdout.matches("  applied ").count(), COUNT, "{}", applied.stdout);

    // Nothing is dropped by a slip.
    for confirm in [&[][..], &["--confirm", "another"]] {
        let ran = migrate(None, url, &[&["down", "--to", "base"], confirm].concat()).exits(5);
        assert!(ran.stderr.contains(&format!("--confirm {name}")), "{}", ran.stderr);
    }
    assert_eq!(database.applied().len(), COUNT);
    migrate(None, url, &["down", "--to", "20260414152109", "--confirm", name]).ok();
    assert_eq!(database.applied().len(), 4);
    migrate(None, url, &["down", "--to", "77", "--confirm", name]).exits(2);
    migrate(None, url, &["down", "--to", "perhaps", "--confirm", name]).exits(2);
    migrate(None, url, &["sideways"]).exits(2);

    let edited = crate::harness::files::Workspace::with(&[("20260303101427_initial_schema", "select 2;", "select 1;")]);
    let ran = migrate(Some(&edited.migrations()), url, &[]).exits(1);
    assert!(ran.stderr.contains("was edited after it was applied"), "{}", ran.stderr);
    edited.write("stray.sql", "select 1;");
    migrate(Some(&edited.migrations()), url, &[]).exits(3);
    let nobody = "postgresql://u@127.0.0.1:1/d?connect_timeout=2";
    let ran = crate::harness::xtask::run(command(None, nobody, &["migrate"]).env("STAIRWELL_WAIT", "0")).exits(4);
    assert!(ran.stderr.contains("error: cannot connect to the database"), "{}", ran.stderr);
    Ok(())
}

fn its_help_says_what_it_needs() -> Outcome {
    let help = |arguments: &[&str]| crate::harness::xtask::run(&mut command(None, "", arguments)).ok().stdout;
    let texts =
        [&["--help"][..], &["migrate", "--help"], &["migrate", "down", "--help"], &["health", "--help"]].map(help);
    insta::assert_snapshot!("help", texts.join("\n---\n"));
    Ok(())
}

/// An app with its database, ready.
fn ready(database: &TestDatabase) -> App {
    let app = App::start(&mut command(None, database.url(), &[]));
    app.line("Serving requests");
    app.health("ready");
    app
}

/// An organization with an author and a candidate; their numbers.
fn people(app: &App) -> (i64, i64, i64) {
    let organization = app.post("/organizations", &json!({ "slug": "acme", "name": "Acme" })).is(201);
    let id = organization["id"].as_i64().unwrap();
    let user = |name: &str, role: &str| {
        let user = json!({ "email": format!("{name}@acme.example"), "display_name": name, "role": role });
        app.post(&format!("/organizations/{id}/users"), &user).is(201)["id"].as_i64().unwrap()
    };
    (id, user("ann", "author"), user("cem", "candidate"))
}

fn quiz(title: &str) -> Value {
    json!({
        "title": title,
        "pass_percent": 50,
        "max_attempts": 1,
        "questions": [
            { "kind": "single_choice", "prompt": "1 + 1?", "points": 2,
              "choices": [{ "label": "1", "correct": false }, { "label": "2", "correct": true }] },
            { "kind": "multiple_choice", "prompt": "Which are even?", "points": 3,
              "choices": [{ "label": "2", "correct": true }, { "label": "3", "correct": false }, { "label": "4", "correct": true }] },
            { "kind": "free_text", "prompt": "Why?", "points": 5 },
        ],
    })
}

fn an_assessment_is_written_sat_graded_and_logged() -> Outcome {
    let database = TestDatabase::new()?;
    let app = ready(&database);
    let (organization, author, candidate) = people(&app);
    assert_eq!(app.get(&format!("/organizations/{organization}")).is(200)["slug"], "acme");
    assert_eq!(app.get(&format!("/organizations/{organization}/users")).is(200).as_array().unwrap().len(), 2);

    let assessment = app.post(&format!("/organizations/{organization}/assessments"), &quiz("Numbers")).is(201);
    let id = assessment["id"].as_i64().unwrap();
    let assessment = app.get(&format!("/assessments/{id}")).is(200);
    assert_eq!((&assessment["status"], &assessment["created_by"]), (&"draft".into(), &author.into()));
    // A candidate may read it, so it has no key.
    assert_eq!(assessment["questions"][1]["choices"], json!(["2", "3", "4"]));
    assert!(!assessment.to_string().contains("correct"), "{assessment}");
    let question = |n: usize| assessment["questions"][n]["id"].as_i64().unwrap();

    let sessions = format!("/assessments/{id}/sessions");
    app.post(&sessions, &json!({ "user_id": candidate })).is(409);
    app.post(&format!("/assessments/{id}/publish"), &json!({})).is(200);
    app.post(&format!("/assessments/{id}/publish"), &json!({})).is(409);
    let session = app.post(&sessions, &json!({ "user_id": candidate })).is(201)["id"].as_i64().unwrap();
    // A second tab goes on with it.
    assert_eq!(app.post(&sessions, &json!({ "user_id": candidate })).is(200)["id"], session);

    let answer = |n: usize, response: Value| {
        let path = format!("/sessions/{session}/answers/{}", question(n));
        app.request("PUT", &path, Some(&json!({ "response": response })))
    };
    answer(0, json!([0])).is(200);
    answer(0, json!([1])).is(200);
    answer(1, json!([2, 0])).is(200);
    answer(2, json!("Because.")).is(200);
    answer(0, json!([7])).is(422);
    app.get(&format!("/sessions/{session}/result")).is(409);
    let submitted = app.post(&format!("/sessions/{session}/submit"), &json!({})).is(200);
    assert_eq!((&submitted["ungraded"], &submitted["result"]), (&1.into(), &Value::Null));
    answer(0, json!([0])).is(409);

    // A person reads what only a person can.
    let grade = format!("/sessions/{session}/answers/{}/grade", question(2));
    app.post(&grade, &json!({ "points": 5.5 })).is(422);
    let graded = app.post(&grade, &json!({ "points": 2.5 })).is(200);
    assert_eq!(graded["result"]["awarded_points"], 7.5);
    let result = app.get(&format!("/sessions/{session}/result")).is(200);
    assert_eq!(
        (&result["awarded_points"], &result["max_points"], &result["passed"]),
        (&7.5.into(), &10.0.into(), &true.into())
    );
    assert_eq!(result["graded_by"], 1);
    app.post(&grade, &json!({ "points": 1 })).is(409);
    let no_attempt_left = app.post(&sessions, &json!({ "user_id": candidate })).is(409);
    assert!(no_attempt_left["error"]["message"].as_str().unwrap().contains("no attempt left"));

    let summary = app.get(&format!("/organizations/{organization}/assessments")).is(200);
    let figures =
        ["question_count", "max_points", "session_count", "open_session_count", "graded_count", "passed_count"];
    assert_eq!(figures.map(|figure| summary[0][figure].as_i64().unwrap()), [3, 10, 1, 0, 1, 1]);
    assert_eq!(summary[0]["average_percent"], 75.0);

    let log = app.get(&format!("/organizations/{organization}/audit-log?limit=50")).is(200);
    let actions: Vec<&str> = log.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let expected = [
        "session.graded",
        "session.submitted",
        "session.started",
        "assessment.published",
        "assessment.created",
        "user.created",
        "user.created",
        "organization.created",
    ];
    assert_eq!(actions, expected);
    assert!(log.as_array().unwrap().iter().all(|entry| entry["actor_id"] == 1), "{log}");
    assert_eq!(
        app.get(&format!("/organizations/{organization}/audit-log?limit=2")).is(200).as_array().unwrap().len(),
        2
    );
    Ok(())
}

fn what_cannot_be_done_is_answered_in_json_without_sql() -> Outcome {
    let database = TestDatabase::new()?;
    let app = ready(&database);
    let (organization, _, candidate) = people(&app);
    let users = format!("/organizations/{organization}/users");
    let assessments = format!("/organizations/{organization}/assessments");
    let user = |email: &str, role: &str| json!({ "email": email, "display_name": "x", "role": role });
    let question = |kind: &str, choices: Value| json!({ "title": "T", "questions": [{ "kind": kind, "prompt": "?", "choices": choices }] });
    let cases = [
        ("POST", "/organizations", json!({ "slug": "acme", "name": "Again" }), 409, "conflict"),
        ("POST", "/organizations", json!({ "slug": "Not A Slug", "name": "x" }), 422, "invalid"),
        ("POST", "/organizations", json!({ "slug": "x" }), 422, "invalid"),
        ("POST", "/organizations", json!({ "slug": "x", "name": "x", "more": 1 }), 422, "invalid"),
        ("POST", "/organizations", json!({ "slug": "x", "name": "a\u{0}b" }), 422, "invalid"),
        ("GET", "/organizations/77", Value::Null, 404, "not_found"),
        ("GET", "/organizations/acme", Value::Null, 404, "not_found"),
        ("GET", "/organizations/99999999999999999999", Value::Null, 404, "not_found"),
        ("DELETE", "/organizations", Value::Null, 404, "not_found"),
        ("GET", "/nowhere", Value::Null, 404, "not_found"),
        ("POST", &users, user("ANN@acme.example", "author"), 409, "conflict"),
        ("POST", &users, user("nobody", "author"), 422, "invalid"),
        ("POST", &users, user("new@acme.example", "king"), 422, "invalid"),
        ("POST", "/organizations/77/users", user("new@acme.example", "author"), 404, "not_found"),
        ("POST", &assessments, json!({ "title": " " }), 422, "invalid"),
        ("POST", &assessments, json!({ "title": "T", "pass_percent": 101 }), 422, "invalid"),
        ("POST", &assessments, question("essay", Value::Null), 422, "invalid"),
        ("POST", &assessments, question("single_choice", json!([{ "label": "a", "correct": true }])), 422, "invalid"),
        ("POST", &assessments, question("free_text", json!([])), 422, "invalid"),
        ("POST", "/assessments/77/sessions", json!({ "user_id": candidate }), 404, "not_found"),
        ("GET", "/sessions/77/result", Value::Null, 404, "not_found"),
        ("PUT", "/sessions/77/answers/1", json!({ "response": [0] }), 404, "not_found"),
    ];
    let before = database.ask("SELECT count(*) FROM audit_logs");
    for (method, path, body, code, word) in &cases {
        let answer = app.request(method, path, Some(body).filter(|body| !body.is_null())).is(*code);
        assert_eq!(answer["error"]["code"], *word, "{method} {path} {body}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty(), "{method} {path}");
        for sql in ["INSERT", "SELECT", "duplicate key", "violates", "relation"] {
            assert!(!message.contains(sql), "{message}");
        }
    }
    // What was not done is not in the log either.
    assert_eq!(database.ask("SELECT count(*) FROM audit_logs"), before);
    Ok(())
}

/// As hosts of databases have it: two URLs. Of the migrations one cannot go through the pooler.
fn behind_a_pooler_requests_work_and_migrations_go_past_it() -> Outcome {
    let database = TestDatabase::new()?;
    let pooler = PgBouncer::before(&database)?;
    let app = App::start(command(None, pooler.url(), &[]).env("STAIRWELL_RETRY", "1"));
    let health = app.health("degraded");
    assert!(health["reason"].as_str().unwrap().contains("is behind a pooler"), "{health}");
    drop(app);
    let app = App::start(command(None, pooler.url(), &[]).env("DATABASE_MIGRATION_URL", database.url()));
    app.health("ready");
    app.line("Serving requests");
    let (organization, ..) = people(&app);
    // Many clients of the pool, on its two connections to the server, each with statements of its own.
    let users = format!("/organizations/{organization}/users");
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (app, users) = (&app, &users);
            scope.spawn(move || {
                for n in 0..10 {
                    let user = json!({ "email": format!("{client}.{n}@acme.example"), "display_name": "x", "role": "candidate" });
                    app.post(users, &user).is(201);
                    app.get(users).is(200);
                }
            });
        }
    });
    assert_eq!(app.get(&users).is(200).as_array().unwrap().len(), 82);
    Ok(())
}

fn a_database_that_goes_away_is_answered_with_503_and_comes_back() -> Outcome {
    let database = TestDatabase::new()?;
    let proxy = database.proxy().start().unwrap();
    let app = App::start(&mut command(None, &database.url_through(&proxy), &[]));
    app.health("ready");
    app.line("Serving requests");
    app.get("/organizations").is(200);
    proxy.close();
    proxy.cut_all();
    assert_eq!(app.get("/organizations").is(503)["error"]["code"], "unavailable");
    app.get("/health/live").is(200);
    proxy.open().unwrap();
    app.get("/organizations").is(200);
    Ok(())
}
