//! The databases of tests: what is in them, and when they go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use stairwell::Target;
use stairwell::postgres::Database;
use stairwell::testing::{Builder, Keep, TestDatabase, assert_reversible, assert_schema, run, run_async};

use super::child;
use crate::harness::database::{self, password};
use crate::harness::files::Workspace;
use crate::harness::server::server;
use crate::harness::{Outcome, Skip};

crate::trials!(
    each_test_has_a_database_of_its_own,
    nothing_is_left_when_the_tests_have_ended,
    the_schema_as_it_was_can_be_filled_and_brought_up_to_date,
    fixtures_are_loaded_once_for_all_that_want_them,
    what_fails_keeps_its_database_until_it_runs_again,
    whoever_is_killed_is_cleaned_up_by_the_next,
    many_processes_at_once_make_one_template,
    an_older_template_goes_when_there_is_a_newer_one,
    a_test_may_be_async,
    what_is_wrong_is_said,
    migrations_that_can_be_undone_are_told_from_others,
    a_schema_that_is_not_what_the_migrations_make_is_told,
);

const THINGS: (&str, &str, &str) = ("1_things", "create table things (i int);", "drop table things;");
const NAMES: (&str, &str, &str) =
    ("2_names", "alter table things add name text default 'none';", "alter table things drop name;");

/// Is there soon: what ends tests does not wait for the server.
#[track_caller]
fn soon(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn admin(question: &str) -> Result<String, Skip> {
    Ok(database::ask(&mut server()?.connect().unwrap(), question))
}

fn is_there(name: &str) -> bool {
    admin(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")).is_ok_and(|count| count == "1")
}

fn name(url: &str) -> String {
    Database::parse(url).unwrap().name().to_owned()
}

fn count(db: &TestDatabase, rows: &str) -> String {
    database::ask(&mut db.client(), &format!("SELECT count(*) FROM {rows}"))
}

/// The server of this run, as a process of a project's tests gets it.
fn by_url() -> Result<(&'static str, String), Skip> {
    let admin = server()?;
    let host = admin.hosts().join(",");
    let user = admin.user().unwrap_or("postgres");
    Ok((
        "TEST_DATABASE_URL",
        if host.starts_with('/') {
            format!("postgresql:///postgres?host={host}&user={user}")
        } else {
            format!("postgresql://{user}:{}@{host}:{}/{}", password(), admin.port(), admin.name())
        },
    ))
}

/// A project, and how its tests find the server.
fn project(migrations: &[(&str, &str, &str)]) -> Result<(Workspace, (&'static str, String)), Skip> {
    Ok((Workspace::with(migrations), by_url()?))
}

fn builder(workspace: &Workspace) -> Builder {
    TestDatabase::builder(workspace.migrations().as_path()).keep(Keep::Never)
}

fn each_test_has_a_database_of_its_own() -> Outcome {
    server()?;
    let workspace = Workspace::with(&[("1_own", THINGS.1, THINGS.2)]);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let db = builder(&workspace).create();
                db.client().batch_execute("INSERT INTO things VALUES (1)").unwrap();
                assert_eq!(count(&db, "things"), "1");
                assert_eq!(count(&db, "stairwell.ledger"), "1");
            });
        }
    });
    Ok(())
}

fn nothing_is_left_when_the_tests_have_ended() -> Outcome {
    let (project, (variable, url)) = project(&[("1_left", THINGS.1, THINGS.2)])?;
    let ran = child::run(&mut child::command(&project, &[(variable, &url)], &["a", "b", "c"]));
    assert_eq!((ran.code, ran.urls.len()), (0, 3), "{}", ran.stderr);
    soon("its databases go", || ran.urls.iter().all(|url| !is_there(&name(url))));
    Ok(())
}

fn the_schema_as_it_was_can_be_filled_and_brought_up_to_date() -> Outcome {
    server()?;
    let workspace = Workspace::with(&[("1_was", THINGS.1, THINGS.2), NAMES]);
    for at in ["1", "was"] {
        let db = TestDatabase::at(workspace.migrations().as_path(), at);
        db.client().batch_execute("INSERT INTO things VALUES (1)").unwrap();
        assert_eq!(db.up(Target::Head).unwrap().done.len(), 1);
        assert_eq!(count(&db, "things WHERE name = 'none'"), "1");
        assert_eq!(db.down(Target::Base).unwrap().done.len(), 2);
    }
    Ok(())
}

fn fixtures_are_loaded_once_for_all_that_want_them() -> Outcome {
    server()?;
    let workspace = Workspace::with(&[("1_fixtures", THINGS.1, THINGS.2)]);
    let log = workspace.path().join("log");
    let of = |log: &std::path::Path| {
        let log = log.to_owned();
        builder(&workspace)
            .fixture("two", "INSERT INTO things VALUES (1);\nINSERT INTO things VALUES (2);")
            .fixture_with("one", move |client| {
                client.batch_execute("INSERT INTO things VALUES (3)")?;
                let loaded = std::fs::read_to_string(&log).unwrap_or_default();
                Ok(std::fs::write(&log, loaded + "loaded ")?)
            })
    };
    for _ in 0..3 {
        let db = of(&log).create();
        assert_eq!(count(&db, "things"), "3");
        db.client().batch_execute("DELETE FROM things").unwrap();
    }
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "loaded ");
    assert_eq!(count(&builder(&workspace).create(), "things"), "0");
    let sql = workspace.path().join("broken.sql");
    std::fs::write(&sql, "INSERT INTO things VALUES (1);\nINSERT INTO thigns VALUES (2);\n").unwrap();
    let refused = builder(&workspace).fixture_file(&sql).try_create().unwrap_err().to_string();
    assert!(refused.contains("broken.sql:2:13") && refused.contains("\"thigns\" does not exist"), "{refused}");
    Ok(())
}

fn what_fails_keeps_its_database_until_it_runs_again() -> Outcome {
    let (project, (variable, url)) = project(&[("1_fails", THINGS.1, THINGS.2)])?;
    let run = |more: &[(&str, &str)]| {
        let variables: Vec<_> = [(variable, url.as_str())].iter().chain(more).copied().collect();
        let ran = child::run(&mut child::command(&project, &variables, &["fails_on_purpose", "succeeds"]));
        assert_eq!((ran.code, ran.urls.len()), (1, 2), "{}", ran.stderr);
        ran
    };
    let kept = |ran: &child::Ran| {
        let line = ran.stderr.lines().find(|line| line.contains("stays for an hour")).unwrap_or_default();
        assert!(line.contains("fails_on_purpose"), "{}", ran.stderr);
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let first = kept(&run(&[]));
    let mut client = Database::parse(&first).unwrap().connect().unwrap();
    assert_eq!(database::ask(&mut client, "SELECT count(*) FROM things"), "1");
    drop(client);
    let second = kept(&run(&[]));
    soon("the one of the first run goes", || !is_there(&name(&first)));
    assert!(is_there(&name(&second)));
    // Where CI is set nobody looks at it.
    let ran = run(&[("CI", "true")]);
    assert!(!ran.stderr.contains("stays"), "{}", ran.stderr);
    soon("those of CI go", || ran.urls.iter().all(|url| !is_there(&name(url))));
    let all = run(&[("STAIRWELL_TEST_KEEP", "always")]);
    assert_eq!(all.stderr.matches("stays for an hour").count(), 2, "{}", all.stderr);
    for url in all.urls.iter().chain([&second]) {
        admin(&format!("DROP DATABASE IF EXISTS \"{}\"", name(url)))?;
    }
    Ok(())
}

fn whoever_is_killed_is_cleaned_up_by_the_next() -> Outcome {
    let (project, (variable, url)) = project(&[("1_killed", THINGS.1, THINGS.2)])?;
    let command = || child::command(&project, &[(variable, url.as_str())], &[]);
    let (killed, lives) = (child::start(command()), child::start(command()));
    let left = name(&killed.url);
    killed.kill();
    assert!(is_there(&left));
    assert_eq!(child::run(command().arg("next")).code, 0);
    // What is removed at the beginning need not be done at the end: perhaps one more has to run.
    let began = Instant::now();
    while is_there(&left) {
        assert!(began.elapsed() < Duration::from_secs(30), "what a killed process left stays");
        assert_eq!(child::run(command().arg("next")).code, 0);
    }
    assert!(is_there(&name(&lives.url)), "that of a process that lives is nobody else's");
    Ok(())
}

fn many_processes_at_once_make_one_template() -> Outcome {
    // A migration that cannot run twice at a time on one server.
    let role = format!("it_once_{}", std::process::id());
    let up = format!("create table things (i int); create role {role}; select pg_sleep(1); drop role {role};");
    let (project, (variable, url)) = project(&[("1_many", &up, "drop table things;")])?;
    let ran: Vec<child::Ran> = thread::scope(|scope| {
        let one = || child::run(&mut child::command(&project, &[(variable, &url)], &["a", "b"]));
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(one)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for ran in ran {
        assert_eq!((ran.code, ran.urls.len()), (0, 2), "{}", ran.stderr);
    }
    Ok(())
}

fn an_older_template_goes_when_there_is_a_newer_one() -> Outcome {
    let (project, (variable, url)) = project(&[("1_older", THINGS.1, THINGS.2)])?;
    let run = || assert_eq!(child::run(&mut child::command(&project, &[(variable, &url)], &["a"])).code, 0);
    let key = stairwell::local::Project::new(project.path(), project.path()).for_tests().key();
    let templates = || {
        admin(&format!(
            "SELECT coalesce(string_agg(datname, ' '), '') FROM pg_database WHERE datname LIKE 'stairwell\\_tests\\_of\\_{key}\\_%'"
        ))
    };
    run();
    let first = templates()?;
    run();
    assert_eq!(templates()?, first, "it is used again");
    project.write("1_older.up.sql", "create table things (i int, j int);");
    run();
    soon("the older one goes", || templates().is_ok_and(|there| !there.contains(&first) && !there.is_empty()));
    Ok(())
}

fn a_test_may_be_async() -> Outcome {
    server()?;
    let workspace = Workspace::with(&[("1_async", THINGS.1, THINGS.2)]);
    run_async(builder(&workspace), async |db| {
        let another = TestDatabase::new_async(workspace.migrations().as_path()).await;
        assert_ne!(db.database().name(), another.database().name());
        let (config, connector) = db.database().pool_parts().unwrap();
        let (client, connection) = config.connect(connector).await.unwrap();
        let task = tokio::spawn(connection);
        client.batch_execute("INSERT INTO things VALUES (1)").await.unwrap();
        drop(client);
        task.await.unwrap().unwrap();
    });
    // What a test returns counts, too.
    let mut kept = String::new();
    let outcome = run(builder(&workspace).keep(Keep::Failed), |db| {
        db.database().name().clone_into(&mut kept);
        Err::<(), _>("it failed")
    });
    assert_eq!(outcome, Err("it failed"));
    assert!(is_there(&kept));
    admin(&format!("DROP DATABASE \"{kept}\" WITH (FORCE)"))?;
    Ok(())
}

fn what_is_wrong_is_said() -> Outcome {
    server()?;
    let said = |builder: Builder| builder.try_create().unwrap_err().to_string();
    let workspace = Workspace::with(&[("1_wrong", "create table things (i int);\ncreate tabel t ();\n", THINGS.2)]);
    let broken = said(builder(&workspace));
    let at = Workspace::with(&[("1_at", THINGS.1, THINGS.2)]);
    let nowhere = said(builder(&at).at("20"));
    let twice = Workspace::with(&[("1_a", THINGS.1, THINGS.2), ("1_b", "select 1;", "select 1;")]);
    let order = said(builder(&twice));
    let missing = said(TestDatabase::builder("no/such/folder"));
    let folder = |workspace: &Workspace| workspace.migrations().display().to_string();
    let text = [broken, nowhere, order, missing].join("\n\n----\n\n");
    let text = text.replace(&folder(&workspace), "migrations").replace(&folder(&twice), "migrations");
    let name = regex(&text);
    insta::assert_snapshot!("testing_errors", name);
    Ok(())
}

/// Names of databases are others each time.
fn regex(text: &str) -> String {
    let mut parts = text.split("stairwell_test_");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str("stairwell_test_…");
        plain.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_'));
    }
    plain
}

fn panic_of(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("it holds");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn migrations_that_can_be_undone_are_told_from_others() -> Outcome {
    server()?;
    let workspace = Workspace::with(&[("1_undone", THINGS.1, THINGS.2), NAMES]);
    assert_reversible(workspace.migrations().as_path());
    workspace.write("2_names.down.sql", "select 'nothing';");
    let said = panic_of(|| assert_reversible(workspace.migrations().as_path()));
    insta::assert_snapshot!(
        "not_reversible",
        said.replace(&workspace.migrations().display().to_string(), "migrations")
    );
    Ok(())
}

fn a_schema_that_is_not_what_the_migrations_make_is_told() -> Outcome {
    server()?;
    let workspace = Workspace::with(&[("1_schema", THINGS.1, THINGS.2), NAMES]);
    let schema = workspace.path().join("schema.sql");
    std::fs::write(&schema, "CREATE TABLE things (i integer, name text DEFAULT 'none');").unwrap();
    assert_schema(workspace.migrations().as_path(), &schema);
    std::fs::write(&schema, "CREATE TABLE things (i bigint, name text DEFAULT 'none'); CREATE TABLE others ();")
        .unwrap();
    let said = panic_of(|| assert_schema(workspace.migrations().as_path(), &schema));
    insta::assert_snapshot!("not_the_schema", said.replace(&workspace.path().display().to_string(), "."));
    Ok(())
}
