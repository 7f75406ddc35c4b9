//! An app, and a database that is marked with an environment.

use serde_json::Value;
use stairwell::postgres::{Environment, Migrator};
use stairwell::startup::{Cause, OnFailure, Policy, Startup, StartupError};
use stairwell::{MigrationSet, Target};
use tokio::runtime::Builder;

use crate::commands::case::{A, B, Case};
use crate::harness::Outcome;
use crate::harness::app::{App, command, migrate};
use crate::harness::files::{Workspace, set};
use crate::harness::xtask;

crate::trials!(
    f39_an_app_leaves_the_database_of_another_environment_alone,
    an_app_undoes_nothing_without_the_environments_name,
    the_library_takes_the_environment_that_it_is_given,
    f38_what_rows_hold_is_in_no_log_and_no_answer,
);

fn staging() -> Environment {
    "staging".parse().unwrap()
}

fn f39_an_app_leaves_the_database_of_another_environment_alone() -> Outcome {
    for mode in ["run", "verify"] {
        // In `verify` there is nothing left to do, and it is refused all the same.
        let case = Case::applied(if mode == "run" { &[A] } else { &[A, B] })?;
        case.db(&["protect", "staging"]).ok();
        let workspace = Workspace::with(&[A, B]);
        let app = |environment: &str, on_failure: &str| {
            let mut command = command(Some(&workspace.migrations()), case.database.url(), &[]);
            command.env("STAIRWELL_MIGRATIONS", mode).env("STAIRWELL_ON_FAILURE", on_failure);
            command.env("STAIRWELL_ENV", environment).env("STAIRWELL_WAIT", "60").env("STAIRWELL_RETRY", "1");
            App::start(&mut command)
        };
        let words = "is marked as `staging`, and this runs for `production`";
        // It does not pass by itself, so it is not waited for.
        for on_failure in ["abort", "degrade-transient"] {
            let (code, log) = app("production", on_failure).end();
            assert!(code == 5 && log.contains(words) && log.contains("the app does not start"), "{code} {log}");
        }
        let served = app("production", "degrade");
        let health = served.health("degraded");
        assert!(health["reason"].as_str().unwrap().contains(words), "{health}");
        assert_eq!(case.database.applied().len(), if mode == "run" { 1 } else { 2 }, "nothing is run");
        // Until somebody says that it is right.
        case.db(&["protect", "production", "--confirm", "staging"]).ok();
        assert_eq!(served.health("ready")["current"], "2_b");
        assert_eq!(served.stop().0, 0);
        let app = app("Production", "abort");
        assert_eq!(app.health("ready")["last_error"], Value::Null);
        assert_eq!(app.stop().0, 0);
    }
    Ok(())
}

fn an_app_undoes_nothing_without_the_environments_name() -> Outcome {
    let case = Case::applied(&[A])?;
    case.db(&["protect", "staging"]).ok();
    let (folder, url) = (case.workspace.migrations(), case.database.url());
    let down = |confirm: &[&str]| migrate(Some(&folder), url, &[&["down", "--to", "base"], confirm].concat());
    for confirm in [&[][..], &["--confirm", case.database.database().name()]] {
        let ran = down(confirm).exits(5);
        assert!(ran.stderr.contains("`--confirm staging`"), "{}", ran.stderr);
    }
    for arguments in [&["up"][..], &["down", "--to", "base", "--confirm", "staging"]] {
        let mut command = command(Some(&folder), url, &[&["migrate"], arguments].concat());
        let ran = xtask::run(command.env("STAIRWELL_ENV", "production")).exits(5);
        assert!(ran.stderr.contains("this runs for `production`"), "{}", ran.stderr);
    }
    assert_eq!(case.database.applied(), ["1"]);
    let ran = migrate(Some(&folder), url, &["status"]).ok();
    assert!(ran.stdout.contains("environment: staging"), "{}", ran.stdout);
    down(&["--confirm", "staging"]).ok();
    assert_eq!(case.database.applied(), [""; 0]);
    Ok(())
}

fn the_library_takes_the_environment_that_it_is_given() -> Outcome {
    let case = Case::applied(&[A])?;
    let database = case.database.database();
    Migrator::new(&MigrationSet::default()).protect(database, &staging(), None).unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    let policy = Policy { on_failure: OnFailure::Abort, ..Policy::default() };
    let start = |startup: Startup| runtime.block_on(startup.policy(policy).start(database));
    let new = || Startup::new(set(&[A]));
    for startup in [new().environment("test"), new().migrator(|migrator| migrator.environment("test"))] {
        let error = start(startup).unwrap_err();
        assert!(matches!(error, StartupError::Run(_)) && error.cause() == Cause::Permanent, "{error}");
        assert!(error.brief().ends_with("so nothing is run on it"), "{}", error.brief());
    }
    start(new().environment("staging")).unwrap();
    start(new().environment("")).unwrap();
    // A migrator says it where it would run something, and not where it looks.
    let set = set(&[A, B]);
    let mut other = Migrator::new(&set).environment("test");
    assert_eq!(other.status(database).unwrap().mark.unwrap().environment, staging());
    other.plan(database, stairwell::migration::Direction::Up, Target::Head).unwrap_err();
    other.redo(database, Target::Base).unwrap_err();
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

/// DETAIL has the values of a row. A person at a terminal sees it, and a log does not.
fn f38_what_rows_hold_is_in_no_log_and_no_answer() -> Outcome {
    const SECRET: &str = "ann.secret@example.com";
    let twice =
        "create table b (mail text primary key); insert into b select mail from a; insert into b select mail from a;";
    let case = Case::applied(&[("1_a", "create table a (mail text);", "drop table a;")])?;
    case.database.client().execute("insert into a values ($1)", &[&SECRET]).unwrap();
    case.workspace.write("2_b.up.sql", twice);
    case.workspace.write("2_b.down.sql", "drop table b;");
    let folder = case.workspace.migrations();
    for level in ["info", "debug"] {
        for on_failure in ["abort", "degrade"] {
            let mut command = command(Some(&folder), case.database.url(), &[]);
            command.env("RUST_LOG", level).env("STAIRWELL_ON_FAILURE", on_failure).env("STAIRWELL_RETRY", "1");
            let app = App::start(&mut command);
            let (said, (_, log)) = if on_failure == "abort" {
                (String::new(), app.end())
            } else {
                (app.health("degraded").to_string(), app.stop())
            };
            assert!(log.contains("23505") && log.contains("2_b.up.sql:1:"), "{log}");
            assert!(!format!("{said}{log}").contains(SECRET), "{level}: {said}{log}");
        }
    }
    let ran = migrate(Some(&folder), case.database.url(), &["up"]).exits(1);
    assert!(!format!("{ran:?}").contains(SECRET), "{ran:?}");
    let ran = case.db(&["up"]).exits(1);
    assert!(ran.stderr.contains(SECRET), "a person is told: {}", ran.stderr);
    Ok(())
}
