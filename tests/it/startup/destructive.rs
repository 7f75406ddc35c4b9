//! An app whose new release would lose data.

use stairwell::postgres::Destructive;
use stairwell::startup::{Cause, OnFailure, Policy, Startup};
use tokio::runtime::Builder;

use crate::commands::case::{A, Case, Files};
use crate::harness::Outcome;
use crate::harness::app::{App, command, migrate};

crate::trials!(
    an_app_that_would_lose_data_serves_degraded_until_somebody_else_has_done_it,
    an_app_that_must_not_serve_degraded_ends_and_has_lost_nothing,
    an_app_loses_nothing_in_a_new_database_and_so_starts,
    an_app_that_was_built_so_loses_what_it_says,
    app_migrate_loses_data_only_when_it_is_told_to,
);

const DROP: Files<'_> = ("2_b", "-- stairwell: destructive nobody reads it\ndrop table a;", "create table a (i int);");

/// A database with a row in the table that the next release drops.
fn case() -> Result<Case, crate::harness::Skip> {
    let case = Case::applied(&[A])?;
    case.database.client().batch_execute("insert into a values (4242)").unwrap();
    case.workspace.write("2_b.up.sql", DROP.1);
    case.workspace.write("2_b.down.sql", DROP.2);
    Ok(case)
}

fn an_app_that_would_lose_data_serves_degraded_until_somebody_else_has_done_it() -> Outcome {
    let case = case()?;
    let mut app = command(Some(&case.workspace.migrations()), case.database.url(), &[]);
    let app = App::start(app.env("STAIRWELL_ON_FAILURE", "degrade").env("STAIRWELL_RETRY", "1"));
    let health = app.health("degraded");
    let reason = health["reason"].as_str().unwrap();
    assert!(reason.contains("2_b loses data of") && !reason.contains('\n'), "{health}");
    assert_eq!((&health["current"], &health["pending"]), (&"1_a".into(), &1.into()), "{health}");
    app.line("DROP TABLE a: 1 row");
    app.line("cargo xtask db up --allow-destructive");
    assert!(case.has("a"));
    case.db(&["up", "--allow-destructive"]).ok();
    assert_eq!(app.health("ready")["current"], "2_b");
    let (code, log) = app.stop();
    assert_eq!(code, 0);
    assert!(!log.contains("4242"), "{log}");
    Ok(())
}

fn an_app_that_must_not_serve_degraded_ends_and_has_lost_nothing() -> Outcome {
    for on_failure in ["abort", "degrade-transient"] {
        let case = case()?;
        let mut app = command(Some(&case.workspace.migrations()), case.database.url(), &[]);
        let (code, log) = App::start(app.env("STAIRWELL_ON_FAILURE", on_failure)).end();
        assert_eq!(code, 5, "{log}");
        assert!(log.contains("2_b loses data of") && log.contains("built so"), "{log}");
        assert!(case.has("a"));
    }
    Ok(())
}

fn an_app_loses_nothing_in_a_new_database_and_so_starts() -> Outcome {
    let case = Case::with(&[("1_a", "create table a (i int); insert into a values (1);", "drop table a;"), DROP])?;
    let app = App::start(&mut command(Some(&case.workspace.migrations()), case.database.url(), &[]));
    assert_eq!(app.health("ready")["current"], "2_b");
    app.stop();
    assert!(!case.has("a"));
    Ok(())
}

fn an_app_that_was_built_so_loses_what_it_says() -> Outcome {
    let case = case()?;
    let runtime = Builder::new_current_thread().build().unwrap();
    let policy = Policy { on_failure: OnFailure::Abort, ..Policy::default() };
    let start = |leave| Startup::new(case.workspace.set()).policy(policy).destructive(leave);
    let database = case.database.database();
    let error = runtime.block_on(start(Destructive::Refuse).start(database)).unwrap_err();
    assert_eq!(error.cause(), Cause::Permanent, "{error}");
    assert!(error.brief().contains("2_b loses data of"), "{}", error.brief());
    runtime.block_on(start(Destructive::Allow).start(database)).unwrap();
    assert!(!case.has("a"));
    Ok(())
}

fn app_migrate_loses_data_only_when_it_is_told_to() -> Outcome {
    let case = case()?;
    let migrate = |arguments: &[&str]| migrate(Some(&case.workspace.migrations()), case.database.url(), arguments);
    for arguments in [&[][..], &["up"]] {
        let ran = migrate(arguments).exits(5);
        assert!(ran.stderr.contains("DROP TABLE a: 1 row"), "{}", ran.stderr);
    }
    assert!(case.has("a"));
    let ran = migrate(&["up", "--allow-destructive"]).ok();
    assert!(ran.stderr.contains("data is lost, with leave: 2_b (DROP TABLE a: 1 row)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("recovery_target_lsn"), "{}", ran.stderr);
    // The way back is asked for by the database's name, and says what goes.
    let case = Case::applied(&[A])?;
    case.database.client().batch_execute("insert into a values (1), (2)").unwrap();
    let down = ["down", "--to", "base", "--confirm", case.database.database().name()];
    let ran = crate::harness::app::migrate(Some(&case.workspace.migrations()), case.database.url(), &down).ok();
    assert!(ran.stderr.contains("data is lost: 1_a (DROP TABLE a: 2 rows)"), "{}", ran.stderr);
    Ok(())
}
