//! Each policy with each kind of failure.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use stairwell::startup::Cause;

use super::troubles::{TROUBLES, Trouble, app, no_server};
use crate::commands::case::{A, B, Case, Role, socket};
use crate::harness::Outcome;
use crate::harness::app::{App, command, migrate};
use crate::harness::database::TestDatabase;
use crate::harness::files::Workspace;
use crate::harness::proxy::Refusal;

crate::trials!(
    under_a_policy_that_aborts_a_failure_ends_the_app,
    under_a_policy_that_degrades_every_failure_is_served_through_and_recovered_from,
    under_degrade_transient_only_what_may_pass_is_served_through,
    f36_an_app_waits_for_a_database_that_appears_later,
    f36_an_app_that_may_not_serve_waits_for_a_time_only,
    migrations_that_are_off_are_not_looked_at,
    a_wrong_policy_is_named_and_nothing_starts,
    an_app_that_is_told_to_stop_while_it_waits_stops_at_once,
    f38_an_app_shows_a_password_in_no_log_and_no_answer,
);

#[track_caller]
fn ends(name: &str, trouble: &Trouble, on_failure: &str) {
    let (code, log) = App::start(&mut app(trouble, on_failure)).end();
    assert_eq!(code, trouble.code, "{name}, {on_failure}:\n{log}");
    assert!(
        log.contains(trouble.words) && log.contains("ERROR Database migrations failed, and the app"),
        "{name}: {log}"
    );
    assert!(!log.contains("Serving requests"), "{name}: {log}");
}

#[track_caller]
fn is_served_through(name: &str, trouble: &mut Trouble, on_failure: &str) {
    let app = App::start(&mut app(trouble, on_failure));
    let health = app.health("degraded");
    let reason = health["reason"].as_str().unwrap();
    assert!(reason.contains(trouble.words) && !reason.contains('\n'), "{name}: {health}");
    assert_eq!(health["expected"], "2_b", "{name}: {health}");
    assert_ne!(health["pending"], 0, "{name}: {health}");
    app.line("Serving requests");
    app.get("/health/live").is(200);
    // It answers, and says no more than it should: there are no such tables here.
    let answer = app.get("/organizations").is(503);
    assert!(["unavailable", "not_migrated"].contains(&answer["error"]["code"].as_str().unwrap()), "{name}: {answer}");
    (trouble.mend)();
    let health = app.health("ready");
    assert_eq!((&health["current"], &health["pending"]), (&Value::from("2_b"), &Value::from(0)), "{name}: {health}");
    assert_eq!((&health["reason"], &health["last_error"]), (&Value::Null, &Value::Null), "{name}: {health}");
    app.line("Recovered");
    let (code, log) = app.stop();
    assert_eq!(code, 0, "{name}: {log}");
    assert!(log.contains(trouble.words), "{name}: {log}");
}

fn under_a_policy_that_aborts_a_failure_ends_the_app() -> Outcome {
    for (name, make) in TROUBLES {
        ends(name, &make()?, "abort");
    }
    Ok(())
}

fn under_a_policy_that_degrades_every_failure_is_served_through_and_recovered_from() -> Outcome {
    for (name, make) in TROUBLES {
        is_served_through(name, &mut make()?, "degrade");
    }
    Ok(())
}

fn under_degrade_transient_only_what_may_pass_is_served_through() -> Outcome {
    for (name, make) in TROUBLES {
        let mut trouble = make()?;
        match trouble.cause {
            Cause::Transient => is_served_through(name, &mut trouble, "degrade-transient"),
            Cause::Permanent => ends(name, &trouble, "degrade-transient"),
        }
    }
    Ok(())
}

fn f36_an_app_waits_for_a_database_that_appears_later() -> Outcome {
    for on_failure in ["abort", "degrade", "degrade-transient"] {
        let mut trouble = no_server()?;
        let app = App::start(app(&trouble, on_failure).env("STAIRWELL_WAIT", "60"));
        if on_failure == "abort" {
            app.line("Waiting for the database");
            // Whoever watches the process is answered, and nobody else is.
            app.get("/health/live").is(200);
            let health = app.health("starting");
            assert!(health["reason"].as_str().unwrap().contains("cannot connect"), "{health}");
            assert_eq!(app.get("/organizations").is(503)["error"]["code"], "starting");
        } else {
            app.health("degraded");
        }
        (trouble.mend)();
        assert_eq!(app.health("ready")["current"], "2_b");
        app.line("Serving requests");
        assert_eq!(app.stop().0, 0);
    }
    Ok(())
}

fn f36_an_app_that_may_not_serve_waits_for_a_time_only() -> Outcome {
    let trouble = no_server()?;
    let (code, log) = App::start(app(&trouble, "abort").env("STAIRWELL_WAIT", "1")).end();
    assert_eq!(code, 4, "{log}");
    assert!(log.contains("WARN Waiting for the database") && log.contains("the app does not start"), "{log}");
    Ok(())
}

fn migrations_that_are_off_are_not_looked_at() -> Outcome {
    let trouble = no_server()?;
    let app = App::start(app(&trouble, "abort").env("STAIRWELL_MIGRATIONS", "off"));
    let health = app.health("ready");
    assert!(health["reason"].as_str().unwrap().contains("off") && health["current"] == Value::Null, "{health}");
    assert_eq!(app.get("/organizations").is(503)["error"]["code"], "unavailable");
    assert_eq!(app.stop().0, 0);
    Ok(())
}

fn a_wrong_policy_is_named_and_nothing_starts() -> Outcome {
    for (name, words) in
        [("STAIRWELL_MIGRATIONS", "`run`, `verify` or `off`"), ("STAIRWELL_ON_FAILURE", "`degrade-transient`")]
    {
        let mut command = command(None, "postgresql://nowhere.invalid/x", &[]);
        let ran = crate::harness::xtask::run(command.env(name, "perhaps")).exits(2);
        assert!(ran.stderr.contains(name) && ran.stderr.contains(words), "{}", ran.stderr);
    }
    Ok(())
}

fn an_app_that_is_told_to_stop_while_it_waits_stops_at_once() -> Outcome {
    for on_failure in ["abort", "degrade"] {
        let trouble = no_server()?;
        let mut command = app(&trouble, on_failure);
        let app = App::start(command.env("STAIRWELL_WAIT", "3600").env("STAIRWELL_RETRY", "3600"));
        app.line("next try in");
        let (code, log) = app.stop();
        assert!(code == 0 && log.contains("Stopped"), "{log}");
    }
    // Another one has the lock, and this one waits for it.
    let (case, workspace) = (Case::applied(&[A])?, Workspace::with(&[A, B]));
    let mut holder = case.database.client();
    holder.batch_execute("BEGIN; LOCK TABLE stairwell.ledger IN ACCESS EXCLUSIVE MODE").unwrap();
    let app = App::start(&mut command(Some(&workspace.migrations()), case.database.url(), &[]));
    thread::sleep(Duration::from_millis(200));
    let (code, log) = app.stop();
    assert!(code == 0 && log.contains("Stopped"), "{log}");
    Ok(())
}

/// The password, wrong and right, in what an app logs and answers.
fn f38_an_app_shows_a_password_in_no_log_and_no_answer() -> Outcome {
    const SECRET: &str = "hunter2";
    let role = Role::new("")?;
    let database = TestDatabase::new()?;
    let refusal = Refusal { sqlstate: "28P01", message: "password authentication failed for user \"u\"" };
    let proxy = database.proxy().refuse_first(u64::MAX, refusal).start().unwrap();
    let refused = format!("postgresql://u:{SECRET}@127.0.0.1:{}/d", proxy.port());
    let gone = format!("postgresql://u:{SECRET}@127.0.0.1:1/d?connect_timeout=2");
    let garbled = format!("postgresql://u:{SECRET}@h:port/d");
    let fine = if socket(&database).is_some() { role.url_with(&database, SECRET) } else { database.url().to_owned() };
    let workspace = Workspace::with(&[A]);
    for url in [&refused, &gone, &fine] {
        for on_failure in ["abort", "degrade"] {
            let mut command = command(Some(&workspace.migrations()), url, &[]);
            command.env("STAIRWELL_ON_FAILURE", on_failure).env("STAIRWELL_WAIT", "0").env("STAIRWELL_RETRY", "1");
            let app = App::start(command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full"));
            let mut said = String::new();
            if on_failure == "degrade" {
                app.line("Serving requests");
                for path in ["/health/ready", "/organizations", "/organizations/x", "/nowhere"] {
                    said += &app.get(path).body.to_string();
                }
            }
            let (_, log) = if on_failure == "degrade" || url == &fine { app.stop() } else { app.end() };
            assert!(!format!("{said}{log}").contains(SECRET), "{said}{log}");
        }
        for arguments in [&["up"][..], &["status"]] {
            let mut command = command(Some(&workspace.migrations()), url, &[&["migrate"], arguments].concat());
            let ran = crate::harness::xtask::run(command.env("STAIRWELL_WAIT", "0").env("RUST_LOG", "trace"));
            assert!(!format!("{ran:?}").contains(SECRET), "{ran:?}");
        }
    }
    let ran = migrate(None, &garbled, &[]).exits(2);
    assert!(ran.stderr.contains("DATABASE_URL") && !ran.stderr.contains(SECRET), "{ran:?}");
    Ok(())
}
