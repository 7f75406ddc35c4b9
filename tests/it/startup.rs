//! What an app does when its database is not as it needs it: each policy with each kind of failure, rolling deploys, and secrets.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use stairwell::startup::Cause;

use crate::commands::case::{A, B, C, Case, Role, socket};
use crate::harness::app::{App, command, migrate};
use crate::harness::cluster::Cluster;
use crate::harness::database::TestDatabase;
use crate::harness::files::Workspace;
use crate::harness::proxy::Refusal;
use crate::harness::{Outcome, Skip};

crate::trials!(
    under_a_policy_that_aborts_a_failure_ends_the_app,
    under_a_policy_that_degrades_every_failure_is_served_through_and_recovered_from,
    under_degrade_transient_only_what_may_pass_is_served_through,
    f36_an_app_waits_for_a_database_that_appears_later,
    f36_an_app_that_may_not_serve_waits_for_a_time_only,
    f36_an_app_beside_a_standby_is_ready_when_nothing_is_pending,
    f06_an_older_release_starts_beside_a_newer_schema,
    f06_a_rolling_deploy_ends_well_in_both_directions,
    f06_a_history_of_another_kind_degrades_and_does_not_end_the_app,
    releases_of_two_ages_that_start_at_once_on_an_empty_database_are_both_ready,
    who_only_verifies_is_ready_when_a_job_elsewhere_has_migrated,
    who_only_verifies_and_aborts_gives_the_job_some_time,
    migrations_that_are_off_are_not_looked_at,
    a_wrong_policy_is_named_and_nothing_starts,
    an_app_that_is_told_to_stop_while_it_waits_stops_at_once,
    f38_an_app_shows_a_password_in_no_log_and_no_answer,
);

/// Something is wrong with a database, and can be put right.
struct Trouble {
    url: String,
    /// What health and log say of it.
    words: &'static str,
    cause: Cause,
    /// How an app ends that does not serve because of it.
    code: i32,
    workspace: Workspace,
    mend: Box<dyn FnMut()>,
}

type Make = fn() -> Result<Trouble, Skip>;

const TROUBLES: [(&str, Make); 7] = [
    ("a missing database", missing_database),
    ("a wrong password", wrong_password),
    ("no server", no_server),
    ("a server that starts", starting_server),
    ("a read-only database", read_only),
    ("a script that fails", failing_script),
    ("an edited migration", edited),
];

fn missing_database() -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    let (name, other) = (database.database().name().to_owned(), format!("{}_later", database.database().name()));
    let url = database.url().replace(&name, &other);
    let clone = TestDatabase::from_template("template0")?;
    Ok(Trouble {
        url,
        words: "does not exist",
        cause: Cause::Permanent,
        code: 4,
        workspace: Workspace::with(&[A, B]),
        // Under the name that was missing; the clone's own is free then.
        mend: Box::new(move || {
            let rename = format!("ALTER DATABASE \"{}\" RENAME TO \"{other}\"", clone.database().name());
            database.client().batch_execute(&rename).unwrap();
        }),
    })
}

/// What a server says, as long as it is told to.
fn refused(sqlstate: &'static str, message: &'static str, cause: Cause) -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    let refusal = Refusal { sqlstate, message };
    let proxy = database.proxy().refuse_first(u64::MAX, refusal).start().unwrap();
    Ok(Trouble {
        url: database.url_through(&proxy),
        words: message,
        cause,
        code: 4,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || {
            let _ = &database;
            proxy.refuse(0, Refusal { sqlstate, message });
        }),
    })
}

fn wrong_password() -> Result<Trouble, Skip> {
    refused("28P01", "password authentication failed for user \"u\"", Cause::Permanent)
}

fn starting_server() -> Result<Trouble, Skip> {
    refused("57P03", "the database system is starting up", Cause::Transient)
}

fn no_server() -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    let proxy = database.proxy().start().unwrap();
    proxy.close();
    Ok(Trouble {
        url: database.url_through(&proxy),
        words: "cannot connect to the database",
        cause: Cause::Transient,
        code: 4,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || {
            let _ = &database;
            proxy.open().unwrap();
        }),
    })
}

fn read_only() -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    let name = database.database().name().to_owned();
    let alter = move |database: &TestDatabase, what: &str| {
        let mut client = database.client();
        client.batch_execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE").unwrap();
        client.batch_execute(&format!("ALTER DATABASE \"{name}\" {what}")).unwrap();
    };
    alter(&database, "SET default_transaction_read_only = on");
    Ok(Trouble {
        url: database.url().to_owned(),
        words: "is read-only by default",
        cause: Cause::Permanent,
        code: 1,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || alter(&database, "RESET default_transaction_read_only")),
    })
}

fn failing_script() -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    database.client().batch_execute("CREATE TABLE b (taken int)").unwrap();
    Ok(Trouble {
        url: database.url().to_owned(),
        words: "relation \"b\" already exists",
        cause: Cause::Permanent,
        code: 1,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || database.client().batch_execute("DROP TABLE b").unwrap()),
    })
}

fn edited() -> Result<Trouble, Skip> {
    let case = Case::applied(&[A])?;
    let database = case.database;
    let was = database.ask("SELECT fingerprint FROM stairwell.ledger");
    let set = |to: &str| format!("UPDATE stairwell.ledger SET checksum = '{to}', fingerprint = '{to}'");
    database.client().batch_execute(&set(&"0".repeat(64))).unwrap();
    let mend = set(&was);
    Ok(Trouble {
        url: database.url().to_owned(),
        words: "was edited after it was applied",
        cause: Cause::Permanent,
        code: 1,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || database.client().batch_execute(&mend).unwrap()),
    })
}

/// The app with this trouble and this policy, not yet started.
fn app(trouble: &Trouble, on_failure: &str) -> std::process::Command {
    let mut command = command(Some(&trouble.workspace.migrations()), &trouble.url, &[]);
    // What may pass is not waited for here, and what is tried again is tried soon.
    command.env("STAIRWELL_ON_FAILURE", on_failure).env("STAIRWELL_WAIT", "0").env("STAIRWELL_RETRY", "1");
    command
}

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
