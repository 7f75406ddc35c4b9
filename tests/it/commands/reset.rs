//! `db reset`

use super::case::{A, B, Case, Role};
use crate::harness::server::server;
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    on_this_machine_reset_drops_creates_and_applies_without_a_word,
    production_is_not_reset_without_its_name,
    the_databases_own_setting_says_production_as_well,
    the_mark_of_production_outlives_a_reset,
    in_a_terminal_the_name_is_asked_for,
    a_broken_migration_costs_nobody_a_database,
    sessions_that_are_connected_do_not_stop_it,
    a_database_that_does_not_exist_yet_is_created,
    owner_encoding_locale_and_settings_are_kept,
    a_role_that_could_not_create_it_again_drops_nothing,
    the_servers_own_databases_are_refused,
    a_name_that_is_wrong_is_refused_also_where_none_is_needed,
    when_a_migration_fails_afterwards_the_state_is_said,
);

/// A case on this machine, which is where reset asks nothing.
fn local(migrations: &[super::case::Files<'_>]) -> Result<Case, Skip> {
    let case = Case::applied(migrations)?;
    if !case.database.database().is_loopback() {
        return Err(Skip("the test server is on another machine".to_owned()));
    }
    case.database.client().batch_execute("insert into a values (1)").unwrap();
    Ok(case)
}

/// How many rows of before there are.
fn rows(case: &Case) -> String {
    case.database.ask("select count(*) from a")
}

fn on_this_machine_reset_drops_creates_and_applies_without_a_word() -> Outcome {
    let case = local(&[A, B])?;
    insta::assert_snapshot!("reset", case.see(&["reset"]));
    assert_eq!(rows(&case), "0");
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn production_is_not_reset_without_its_name() -> Outcome {
    let case = local(&[A])?;
    let name = case.database.database().name().to_owned();
    for value in ["production", "PROD", "live"] {
        let ran = xtask::run(case.command(&["reset"]).env("STAIRWELL_ENV", value)).exits(5);
        for words in ["`STAIRWELL_ENV` says so", "nothing was done", &format!("--confirm {name}")] {
            assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
        }
    }
    let ran = xtask::run(case.command(&["reset", "--confirm", "shop"]).env("STAIRWELL_ENV", "production")).exits(5);
    assert!(ran.stderr.contains("nothing was done"), "{}", ran.stderr);
    assert_eq!(rows(&case), "1");
    xtask::run(case.command(&["reset", "--confirm", &name]).env("STAIRWELL_ENV", "production")).ok();
    assert_eq!(rows(&case), "0");
    xtask::run(case.command(&["reset"]).env("STAIRWELL_ENV", "staging")).ok();
    Ok(())
}

fn the_databases_own_setting_says_production_as_well() -> Outcome {
    let case = local(&[A])?;
    case.mark_as_production()?;
    insta::assert_snapshot!("reset_production", case.see(&["reset"]));
    assert_eq!(rows(&case), "1");
    Ok(())
}

fn the_mark_of_production_outlives_a_reset() -> Outcome {
    let case = local(&[A])?;
    case.mark_as_production()?;
    case.db(&["reset", "--confirm", case.database.database().name()]).ok();
    assert_eq!(rows(&case), "0");
    case.db(&["reset"]).exits(5);
    Ok(())
}

#[cfg(unix)]
fn in_a_terminal_the_name_is_asked_for() -> Outcome {
    let case = local(&[A])?;
    let name = case.database.database().name();
    let mut command = case.command(&["reset"]);
    command.env("STAIRWELL_ENV", "production");
    let seen = super::output::in_terminal(&command, "something else\n")?;
    assert!(seen.contains("Type its name to go on:") && seen.contains("the name given is not"), "{seen}");
    assert_eq!(rows(&case), "1");
    let seen = super::output::in_terminal(&command, &format!("{name}\n"))?;
    assert!(seen.contains("created"), "{seen}");
    assert_eq!(rows(&case), "0");
    Ok(())
}

#[cfg(not(unix))]
fn in_a_terminal_the_name_is_asked_for() -> Outcome {
    Err(Skip("a terminal is made with Unix means".to_owned()))
}

fn a_broken_migration_costs_nobody_a_database() -> Outcome {
    let case = local(&[A])?;
    case.workspace.write("2_b.up.sql", "create table b (i int);\ncommit;");
    case.workspace.write("2_b.down.sql", "drop table b;");
    case.db(&["reset"]).exits(3);
    assert_eq!(rows(&case), "1");
    Ok(())
}

fn sessions_that_are_connected_do_not_stop_it() -> Outcome {
    let case = local(&[A])?;
    let mut session = case.database.client();
    session.batch_execute("begin; lock table a").unwrap();
    case.db(&["reset"]).ok();
    assert!(session.batch_execute("select 1").is_err(), "it was ended");
    assert_eq!(rows(&case), "0");
    Ok(())
}

fn a_database_that_does_not_exist_yet_is_created() -> Outcome {
    let case = local(&[A])?;
    let name = case.database.database().name();
    server()?.connect().unwrap().batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
    insta::assert_snapshot!("reset_creates", case.see(&["reset"]));
    assert_eq!(rows(&case), "0");
    Ok(())
}

fn owner_encoding_locale_and_settings_are_kept() -> Outcome {
    let owner = Role::new("")?;
    let case = local(&[A])?;
    let name = case.database.database().name().to_owned();
    let mut admin = server()?.connect().unwrap();
    admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
    let create = format!(
        "CREATE DATABASE {name} OWNER {} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'POSIX'",
        owner.name
    );
    admin.batch_execute(&create).unwrap();
    let settings = format!(
        "ALTER DATABASE {name} SET search_path = \"$user\", app, public; ALTER DATABASE {name} SET \"My.flag\" = 'it''s \"so\"'; \
         ALTER ROLE {0} IN DATABASE {name} SET statement_timeout = '5min'; \
         REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {0}",
        owner.name
    );
    for setting in settings.split("; ") {
        admin.batch_execute(setting).unwrap();
    }
    let mut look = || -> String {
        let question = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datacl, \
             (SELECT string_agg(setrole::regrole || ' ' || setconfig::text, ' ' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid) \
             FROM pg_database d WHERE datname = ";
        let row = admin.query_one(&format!("SELECT row(x.*)::text FROM ({question}'{name}') x"), &[]).unwrap();
        row.get(0)
    };
    let before = look();
    let lost = |after: &str| format!("before {before}\nafter  {after}");
    case.db(&["reset"]).ok();
    let after = look();
    assert!(before.contains("SQL_ASCII") && before.contains("5min") && before.contains("My.flag"), "{before}");
    assert_eq!(before, after, "{}", lost(&after));
    admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
    Ok(())
}

fn a_role_that_could_not_create_it_again_drops_nothing() -> Outcome {
    let owner = Role::new("")?;
    let case = local(&[A])?;
    let name = case.database.database().name();
    server()?.connect().unwrap().batch_execute(&format!("ALTER DATABASE {name} OWNER TO {}", owner.name)).unwrap();
    let ran = xtask::run(case.command(&["reset"]).env("DATABASE_URL", owner.url(&case.database))).exits(5);
    for words in [owner.name.as_str(), "CREATEDB", "nothing was done"] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    assert_eq!(rows(&case), "1");
    Ok(())
}

fn the_servers_own_databases_are_refused() -> Outcome {
    let case = local(&[A])?;
    for name in ["postgres", "template1", "template0"] {
        let url = case.database.url().replace(case.database.database().name(), name);
        let ran = xtask::run(case.command(&["reset", "--confirm", name]).env("DATABASE_URL", url)).exits(5);
        assert!(ran.stderr.contains("belongs to the server itself"), "{}", ran.stderr);
    }
    Ok(())
}

fn a_name_that_is_wrong_is_refused_also_where_none_is_needed() -> Outcome {
    let case = local(&[A])?;
    insta::assert_snapshot!("reset_wrong_name", case.see(&["reset", "--confirm", "other"]));
    assert_eq!(rows(&case), "1");
    Ok(())
}

fn when_a_migration_fails_afterwards_the_state_is_said() -> Outcome {
    let case = local(&[A])?;
    case.workspace.write("2_b.up.sql", "create tabel b (i int);");
    case.workspace.write("2_b.down.sql", "drop table b;");
    let seen = case.see(&["reset"]);
    assert!(seen.contains("dropped") && seen.contains("1 of 2 applied; 2_b was rolled back"), "{seen}");
    assert_eq!(rows(&case), "0");
    Ok(())
}
