//! Releases of several ages beside one database, and who migrates it for whom.

use serde_json::Value;

use crate::commands::case::{A, B, C, Case};
use crate::harness::Outcome;
use crate::harness::app::{App, command, migrate};
use crate::harness::cluster::Cluster;
use crate::harness::database::TestDatabase;
use crate::harness::files::Workspace;

crate::trials!(
    f36_an_app_beside_a_standby_is_ready_when_nothing_is_pending,
    f06_an_older_release_starts_beside_a_newer_schema,
    f06_a_rolling_deploy_ends_well_in_both_directions,
    f06_a_history_of_another_kind_degrades_and_does_not_end_the_app,
    releases_of_two_ages_that_start_at_once_on_an_empty_database_are_both_ready,
    who_only_verifies_is_ready_when_a_job_elsewhere_has_migrated,
    who_only_verifies_and_aborts_gives_the_job_some_time,
);

fn f36_an_app_beside_a_standby_is_ready_when_nothing_is_pending() -> Outcome {
    let primary = Cluster::new(&["max_wal_senders=3", "wal_level=replica"])?;
    let (old, new) = (Workspace::with(&[A]), Workspace::with(&[A, B]));
    migrate(Some(&old.migrations()), &primary.url("postgres"), &[]).ok();
    let standby = primary.standby(&["max_wal_senders=3", "hot_standby=on"])?;
    let url = standby.url("postgres");
    let start = |workspace: &Workspace| {
        App::start(command(Some(&workspace.migrations()), &url, &[]).env("STAIRWELL_RETRY", "1"))
    };
    // It may take a moment to answer at all.
    let app = start(&old);
    assert_eq!(app.health("ready")["current"], "1_a");
    drop(app);
    let app = start(&new);
    let health = app.health("degraded");
    assert!(health["reason"].as_str().unwrap().contains("is on a standby"), "{health}");
    // Somebody migrates the primary, and the standby follows.
    migrate(Some(&new.migrations()), &primary.url("postgres"), &[]).ok();
    assert_eq!(app.health("ready")["current"], "2_b");
    Ok(())
}

fn f06_an_older_release_starts_beside_a_newer_schema() -> Outcome {
    for on_failure in ["abort", "degrade", "degrade-transient"] {
        for mode in ["run", "verify"] {
            let case = Case::applied(&[A, B, C])?;
            let old = Workspace::with(&[A]);
            let mut command = command(Some(&old.migrations()), case.database.url(), &[]);
            command.env("STAIRWELL_ON_FAILURE", on_failure).env("STAIRWELL_MIGRATIONS", mode);
            let app = App::start(&mut command);
            let health = app.health("ready");
            assert_eq!((&health["ahead"], &health["pending"]), (&Value::from(2), &Value::from(0)), "{health}");
            assert_eq!(
                (&health["current"], &health["expected"]),
                (&Value::from("3_c"), &Value::from("1_a")),
                "{health}"
            );
            app.line("Serving requests");
            let warning = app.line("WARN");
            assert!(warning.contains("newer migrations") && warning.contains("ahead=2 first=2_b"), "{warning}");
            assert_eq!(app.stop().0, 0);
            assert_eq!(case.database.applied(), ["1", "2", "3"]);
        }
    }
    Ok(())
}

fn f06_a_rolling_deploy_ends_well_in_both_directions() -> Outcome {
    let database = TestDatabase::new()?;
    let (old, new) = (Workspace::with(&[A]), Workspace::with(&[A, B, C]));
    let start = |workspace: &Workspace| App::start(&mut command(Some(&workspace.migrations()), database.url(), &[]));

    // Forward: the new release migrates while the old one serves, and the old one may be started again beside it.
    let first = start(&old);
    first.health("ready");
    let second = start(&new);
    assert_eq!(second.health("ready")["current"], "3_c");
    assert_eq!(first.health("ready")["current"], "1_a");
    let third = start(&old);
    assert_eq!(third.health("ready")["ahead"], 2);
    first.stop();

    // Back: the new release's own command, or the old one's, which has the scripts from the ledger.
    for (by, to, left) in [(&new, "2", vec!["1", "2"]), (&old, "1", vec!["1"])] {
        let down = ["down", "--to", to, "--confirm", database.database().name()];
        migrate(Some(&by.migrations()), database.url(), &down).ok();
        assert_eq!(database.applied(), left);
    }
    second.stop();
    let fourth = start(&old);
    assert_eq!(fourth.health("ready")["ahead"], 0);
    // And forward again.
    assert_eq!(start(&new).health("ready")["current"], "3_c");
    Ok(())
}

fn f06_a_history_of_another_kind_degrades_and_does_not_end_the_app() -> Outcome {
    // 2_b was applied and its files are gone; 3_c stands on top of it.
    let case = Case::applied(&[A, B, C])?;
    let gap = Workspace::with(&[A, C]);
    let app = App::start(&mut command(Some(&gap.migrations()), case.database.url(), &[]));
    let health = app.health("degraded");
    assert!(
        health["reason"].as_str().unwrap().contains("`2_b` is applied in this database, and its file is not here"),
        "{health}"
    );
    app.line("Serving requests");
    assert_eq!(app.stop().0, 0);
    assert_eq!(case.database.applied(), ["1", "2", "3"]);
    Ok(())
}

fn releases_of_two_ages_that_start_at_once_on_an_empty_database_are_both_ready() -> Outcome {
    for _ in 0..3 {
        let database = TestDatabase::new()?;
        let slow = ("1_a", "create table a (i int); select pg_sleep(0.3);", "drop table a;");
        let (old, new) = (Workspace::with(&[slow, B]), Workspace::with(&[slow, B, C]));
        let apps: Vec<App> = [&old, &new, &old, &new]
            .map(|workspace| command(Some(&workspace.migrations()), database.url(), &[]))
            .iter_mut()
            .map(|command| App::start(command.env("STAIRWELL_ON_FAILURE", "abort")))
            .collect();
        for app in &apps {
            app.health("ready");
        }
        assert_eq!(database.applied(), ["1", "2", "3"]);
        for app in apps {
            let (code, log) = app.stop();
            assert!(code == 0 && !log.contains("ERROR"), "{log}");
        }
    }
    Ok(())
}

fn who_only_verifies_is_ready_when_a_job_elsewhere_has_migrated() -> Outcome {
    for on_failure in ["degrade", "degrade-transient"] {
        let (workspace, database) = (Workspace::with(&[A, B]), TestDatabase::new()?);
        let mut command = command(Some(&workspace.migrations()), database.url(), &[]);
        command
            .env("STAIRWELL_MIGRATIONS", "verify")
            .env("STAIRWELL_ON_FAILURE", on_failure)
            .env("STAIRWELL_RETRY", "1");
        let app = App::start(&mut command);
        let health = app.health("degraded");
        assert!(health["reason"].as_str().unwrap().starts_with("2 migrations are pending, up to 2_b"), "{health}");
        // It has written nothing.
        assert_eq!(database.ask("SELECT to_regnamespace('stairwell') IS NULL AND to_regclass('a') IS NULL"), "t");
        migrate(Some(&workspace.migrations()), database.url(), &[]).ok();
        assert_eq!(app.health("ready")["pending"], 0);
        assert_eq!(app.stop().0, 0);
    }
    Ok(())
}

fn who_only_verifies_and_aborts_gives_the_job_some_time() -> Outcome {
    let (workspace, database) = (Workspace::with(&[A, B]), TestDatabase::new()?);
    let verify = |wait: &str| {
        let mut command = command(Some(&workspace.migrations()), database.url(), &[]);
        command.env("STAIRWELL_MIGRATIONS", "verify").env("STAIRWELL_ON_FAILURE", "abort").env("STAIRWELL_WAIT", wait);
        App::start(&mut command)
    };
    let (code, log) = verify("0").end();
    assert!(code == 1 && log.contains("2 migrations are pending"), "{log}");
    let app = verify("60");
    app.line("Waiting for the database");
    assert_eq!(app.get("/organizations").is(503)["error"]["code"], "starting");
    migrate(Some(&workspace.migrations()), database.url(), &[]).ok();
    app.health("ready");
    Ok(())
}
