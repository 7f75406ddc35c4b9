//! `db create` and `db drop`

use super::case::{A, Case, Role};
use crate::harness::server::server;
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    a_database_is_created_once_and_dropped_once,
    it_is_created_as_it_was_asked_for,
    what_the_server_refuses_is_said_with_what_would_help,
    several_at_once_all_succeed,
    a_name_that_needs_quotes_is_one,
    production_is_not_dropped_without_its_name,
    sessions_that_are_connected_are_ended,
    the_servers_own_databases_are_not_dropped,
    without_a_server_nothing_is_said_to_be_done,
);

/// A case on this machine whose database is not there.
fn without_database() -> Result<Case, Skip> {
    let case = local()?;
    drop_it(&case);
    Ok(case)
}

fn local() -> Result<Case, Skip> {
    let case = Case::with(&[A])?;
    if !case.database.database().is_loopback() {
        return Err(Skip("the test server is on another machine".to_owned()));
    }
    Ok(case)
}

fn drop_it(case: &Case) {
    let name = case.database.database().name();
    server().ok().unwrap().connect().unwrap().batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
}

fn a_database_is_created_once_and_dropped_once() -> Outcome {
    let case = without_database()?;
    insta::assert_snapshot!(
        "create_drop",
        case.see_all(&[
            &["up"],
            &["create"],
            &["create"],
            &["create", "--owner", "someone"],
            &["up"],
            &["drop"],
            &["drop"],
            &["drop", "--if-exists"],
        ])
    );
    Ok(())
}

fn it_is_created_as_it_was_asked_for() -> Outcome {
    let owner = Role::new("")?;
    let case = without_database()?;
    let create = ["create", "--owner", &owner.name, "--template", "template0", "--encoding", "SQL_ASCII"];
    case.db(&create).ok();
    let question = "select pg_get_userbyid(datdba) || ' ' || pg_encoding_to_char(encoding) from pg_database \
         where datname = current_database()";
    assert_eq!(case.database.ask(question), format!("{} SQL_ASCII", owner.name));
    // Before its owner can go.
    drop_it(&case);
    Ok(())
}

fn what_the_server_refuses_is_said_with_what_would_help() -> Outcome {
    let role = Role::new("")?;
    let case = without_database()?;
    let seen = case.see_all(&[
        &["create", "--encoding", "KLINGON"],
        &["create", "--encoding", "SQL_ASCII"],
        &["create", "--owner", "nobody of that name"],
        &["create", "--template", "nothing of that name"],
    ]);
    insta::assert_snapshot!("create_refused", seen);
    let url = role.url(&case.database);
    let ran = xtask::run(case.command(&["create"]).env("DATABASE_URL", &url)).exits(1);
    assert!(ran.stderr.contains("permission denied") && ran.stderr.contains("CREATEDB"), "{}", ran.stderr);
    case.db(&["create"]).ok();
    let ran = xtask::run(case.command(&["drop"]).env("DATABASE_URL", &url)).exits(1);
    assert!(ran.stderr.contains("must be owner") && ran.stderr.contains("as the owner"), "{}", ran.stderr);
    assert_eq!(case.database.ask("select 1"), "1");
    // Whoever may do nothing is told that all is well where there is nothing to do.
    let ran = xtask::run(case.command(&["create"]).env("DATABASE_URL", &url)).ok();
    assert!(ran.stderr.contains("exists already"), "{}", ran.stderr);
    Ok(())
}

fn several_at_once_all_succeed() -> Outcome {
    let case = without_database()?;
    let ran = super::case::at_once((0..4).map(|_| case.command(&["create", "--template", "template0"])).collect());
    let created = ran.into_iter().map(xtask::Ran::ok).filter(|ran| ran.stderr.starts_with("created")).count();
    assert_eq!(created, 1);
    Ok(())
}

fn a_name_that_needs_quotes_is_one() -> Outcome {
    let case = local()?;
    let plain = case.database.database().name();
    let url = case.database.url().replace(plain, &format!("{plain}%22%20x%3B%27"));
    let run = |arguments: &[&str]| xtask::run(case.command(arguments).env("DATABASE_URL", &url));
    run(&["create", "--template", "template0"]).ok();
    let listed = format!("select count(*) from pg_database where datname = '{plain}\" x;'''");
    assert_eq!(case.database.ask(&listed), "1");
    run(&["up"]).ok();
    run(&["drop"]).ok();
    assert_eq!(case.database.ask(&listed), "0");
    Ok(())
}

fn production_is_not_dropped_without_its_name() -> Outcome {
    let case = local()?;
    let name = case.database.database().name().to_owned();
    for value in ["production", "PROD", "live"] {
        let ran = xtask::run(case.command(&["drop"]).env("STAIRWELL_ENV", value)).exits(5);
        assert!(
            ran.stderr.contains("`STAIRWELL_ENV` says so") && ran.stderr.contains("nothing was done"),
            "{}",
            ran.stderr
        );
    }
    case.mark_as_production()?;
    insta::assert_snapshot!("drop_production", case.see_all(&[&["drop"], &["drop", "--confirm", "other"]]));
    assert_eq!(case.database.ask("select 1"), "1");
    case.db(&["drop", "--confirm", &name]).ok();
    case.db(&["drop", "--confirm", &name]).exits(1);
    Ok(())
}

fn sessions_that_are_connected_are_ended() -> Outcome {
    let case = local()?;
    let mut session = case.database.client();
    session.batch_execute("begin; create table t ()").unwrap();
    case.db(&["drop"]).ok();
    assert!(session.batch_execute("select 1").is_err(), "it was ended");
    Ok(())
}

fn the_servers_own_databases_are_not_dropped() -> Outcome {
    let case = local()?;
    for name in ["postgres", "template1", "template0"] {
        let url = case.database.url().replace(case.database.database().name(), name);
        let ran = xtask::run(case.command(&["drop", "--confirm", name]).env("DATABASE_URL", url)).exits(5);
        assert!(ran.stderr.contains("belongs to the server itself"), "{}", ran.stderr);
    }
    Ok(())
}

fn without_a_server_nothing_is_said_to_be_done() -> Outcome {
    let case = Case::with(&[A])?;
    for command in ["create", "drop"] {
        let url = "postgresql://ann:hunter2@localhost:1/shop";
        let ran = xtask::run(case.command(&[command]).env("DATABASE_URL", url)).exits(4);
        assert!(ran.stderr.starts_with("error: cannot connect to the database `shop`"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"));
    }
    Ok(())
}
