//! `db shell` and `db url`

use std::fs;

use stairwell::postgres::Database;

use super::case::{A, Case};
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    psql_is_connected_and_its_exit_code_is_ours,
    what_was_set_for_another_connection_does_not_matter,
    psql_gets_the_password_in_no_argument,
    without_psql_it_says_what_to_install,
    the_url_is_what_other_programs_connect_with,
    the_url_has_the_password_only_where_it_is_asked_for,
    what_is_wrong_with_a_url_is_said_without_the_password,
);

fn needs_psql() -> Result<(), Skip> {
    match std::process::Command::new("psql").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(Skip("psql is not installed".to_owned())),
    }
}

fn psql_is_connected_and_its_exit_code_is_ours() -> Outcome {
    needs_psql()?;
    let case = Case::applied(&[A])?;
    let ran = case.db(&["shell", "-At", "-c", "select current_database(), count(*) from a"]).ok();
    assert_eq!(ran.stdout, format!("{}|0\n", case.database.database().name()));
    let ran = case.db(&["shell", "--", "-At", "-c", "select 1"]).ok();
    assert_eq!(ran.stdout, "1\n", "psql's own arguments may stand behind `--`");
    fs::write(case.workspace.path().join("x.sql"), "select oops;\n").unwrap();
    let ran = case.db(&["shell", "-v", "ON_ERROR_STOP=1", "-f", "x.sql"]).exits(3);
    assert!(ran.stderr.contains("\"oops\" does not exist"), "{}", ran.stderr);
    case.db(&["shell", "-c", "select oops"]).exits(1);
    xtask::run(case.command(&["shell", "-c", "select 1"]).env("DATABASE_URL", "postgresql://localhost:1/x")).exits(2);
    Ok(())
}

fn what_was_set_for_another_connection_does_not_matter() -> Outcome {
    needs_psql()?;
    let case = Case::with(&[A])?;
    let mut command = case.command(&["shell", "-At", "-c", "select current_database()"]);
    for (name, value) in [("PGHOSTADDR", "192.0.2.1"), ("PGDATABASE", "other"), ("PGSERVICE", "nothing")] {
        command.env(name, value);
    }
    let ran = xtask::run(&mut command).ok();
    assert_eq!(ran.stdout.trim(), case.database.database().name());
    Ok(())
}

#[cfg(unix)]
fn psql_gets_the_password_in_no_argument() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::with(&[])?;
    let psql = case.workspace.path().join("psql");
    fs::write(&psql, "#!/bin/sh\nprintf '%s\\n' \"$@\"\nenv | grep ^PG | sort\nexit 7\n").unwrap();
    fs::set_permissions(&psql, fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = ["shell", "-c", "select 1"];
    let mut command = case.command(&arguments);
    command.env("STAIRWELL_PG_BIN", case.workspace.path());
    let url = "postgresql+asyncpg://ann:hunter%402@db.example:6432/my%20shop?sslmode=prefer&sslrootcert=/etc/root.crt&options=-c%20a%3Db";
    command.env("DATABASE_URL", url).env("PGSSLCERT", "").env("PGSERVICE", "nothing");
    let ran = xtask::run(&mut command);
    insta::assert_snapshot!("shell", case.seen(&arguments, &ran));
    Ok(())
}

#[cfg(not(unix))]
fn psql_gets_the_password_in_no_argument() -> Outcome {
    Err(Skip("the program that stands in for psql is a script of Unix".to_owned()))
}

fn without_psql_it_says_what_to_install() -> Outcome {
    let case = Case::with(&[])?;
    let ran = xtask::run(case.command(&["shell"]).env("PATH", case.workspace.path()));
    insta::assert_snapshot!("shell_without_psql", case.seen(&["shell"], &ran));
    Ok(())
}

fn the_url_is_what_other_programs_connect_with() -> Outcome {
    let case = Case::applied(&[A])?;
    let ran = case.db(&["url", "--with-password"]).ok();
    let mut client = Database::parse(ran.stdout.trim()).unwrap().connect().unwrap();
    client.batch_execute("select from a").unwrap();
    if needs_psql().is_ok() {
        let psql = std::process::Command::new("psql").args([ran.stdout.trim(), "-Atc", "select 1"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&psql.stdout), "1\n", "{psql:?}");
    }
    Ok(())
}

fn the_url_has_the_password_only_where_it_is_asked_for() -> Outcome {
    let case = Case::with(&[])?;
    let mut seen = String::new();
    for url in [
        "postgresql+asyncpg://ann:p%40ss@db.example:6432/my%20shop?statement_cache_size=0&sslmode=prefer",
        "host=/run/postgresql port=5433 user=ann password=p@ss dbname=shop",
        "postgres://ann:p%40ss@[::1],b.example:5433/shop",
    ] {
        for arguments in [&["url"][..], &["url", "--with-password"], &["url", "--json"]] {
            let ran = xtask::run(case.command(arguments).env("DATABASE_URL", url)).ok();
            assert_eq!(ran.stdout.contains("p%40ss"), arguments.contains(&"--with-password"));
            seen.push_str(&case.seen(arguments, &ran));
        }
    }
    insta::assert_snapshot!("url", seen);
    Ok(())
}

fn what_is_wrong_with_a_url_is_said_without_the_password() -> Outcome {
    let case = Case::with(&[])?;
    for url in ["mysql://ann:hunter2@db/shop", "postgresql://ann:hunter2@db:x/shop", "hunter2"] {
        for command in ["url", "shell", "wait", "create", "drop"] {
            let ran = xtask::run(case.command(&[command]).env("DATABASE_URL", url)).exits(2);
            assert!(ran.stdout.is_empty() && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
        }
    }
    Ok(())
}
