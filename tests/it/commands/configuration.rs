//! Which database a command means: the argument, variables, `.env`.

use std::fs;
use std::process::Command;

use super::case::{A, Case, socket};
use crate::harness::database::TestDatabase;
use crate::harness::{Outcome, xtask};

crate::trials!(
    the_url_may_stand_in_dotenv,
    a_variable_wins_over_dotenv_and_the_argument_over_both,
    dotenv_of_the_workspace_serves_a_folder_below_it,
    a_line_of_dotenv_that_cannot_be_read_is_named_without_its_content,
    libpqs_variables_name_a_database,
    libpqs_variables_may_stand_in_dotenv,
    the_schemes_of_sqlalchemy_are_understood,
    what_the_url_leaves_open_comes_from_libpqs_variables,
    without_a_workspace_and_a_database_both_ways_out_are_named,
    variables_with_a_wrong_value_are_named,
);

/// A URL that leads nowhere, so that using it fails.
const NOWHERE: &str = "postgresql://127.0.0.1:1/nowhere";

/// A case without DATABASE_URL in the command's environment.
fn bare(case: &Case, arguments: &[&str]) -> Command {
    xtask::db(case.workspace.path(), arguments)
}

fn dotenv(case: &Case, text: &str) {
    fs::write(case.workspace.path().join(".env"), text).unwrap();
}

fn the_url_may_stand_in_dotenv() -> Outcome {
    for quote in ["", "'", "\""] {
        let case = Case::with(&[A])?;
        dotenv(&case, &format!("# ours\nexport OTHER=1\nDATABASE_URL={quote}{}{quote}\n", case.database.url()));
        xtask::run(&mut bare(&case, &["up"])).ok();
        assert_eq!(case.database.applied(), ["1"]);
    }
    Ok(())
}

fn a_variable_wins_over_dotenv_and_the_argument_over_both() -> Outcome {
    let case = Case::with(&[A])?;
    dotenv(&case, &format!("DATABASE_URL={NOWHERE}\n"));
    xtask::run(&mut bare(&case, &["up"])).exits(4);
    xtask::run(bare(&case, &["up"]).env("DATABASE_URL", case.database.url())).ok();
    let other = TestDatabase::new()?;
    xtask::run(bare(&case, &["up", "--database-url", other.url()]).env("DATABASE_URL", NOWHERE)).ok();
    // It may stand before the command as well.
    xtask::run(bare(&case, &["--database-url", other.url(), "status"]).env("DATABASE_URL", NOWHERE)).ok();
    assert_eq!(other.applied(), ["1"]);
    Ok(())
}

fn dotenv_of_the_workspace_serves_a_folder_below_it() -> Outcome {
    let case = Case::with(&[A])?;
    fs::write(case.workspace.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    dotenv(&case, &format!("DATABASE_URL={}\n", case.database.url()));
    let below = case.workspace.path().join("app");
    fs::create_dir(&below).unwrap();
    xtask::run(&mut xtask::db(&below, &["up"])).ok();
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn a_line_of_dotenv_that_cannot_be_read_is_named_without_its_content() -> Outcome {
    let case = Case::with(&[A])?;
    for line in [
        "DATABASE_URL=postgresql://u:hunter2 x@h/d",
        "DATABASE_URL='postgresql://u:hunter2@h/d",
        "DATABASE URL hunter2",
        "hunter2",
    ] {
        dotenv(&case, &format!("# one\nTWO=2\n{line}\nFOUR=4\n"));
        let ran = xtask::run(&mut bare(&case, &["up"])).exits(2);
        assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{}", ran.stderr);
        assert!(ran.stderr.contains(".env:3") && ran.stderr.contains("help: "), "{line}: {}", ran.stderr);
    }
    Ok(())
}

/// The variables that name the case's database.
fn variables(database: &TestDatabase) -> Vec<(&'static str, String)> {
    let at = database.database();
    let mut variables =
        vec![("PGHOST", at.hosts().join(",")), ("PGPORT", at.port().to_string()), ("PGDATABASE", at.name().to_owned())];
    variables.extend(at.user().map(|user| ("PGUSER", user.to_owned())));
    if socket(database).is_none() {
        let credentials = database.url().split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).unwrap().0;
        variables.push(("PGPASSWORD", credentials.split_once(':').unwrap().1.to_owned()));
    }
    variables
}

fn libpqs_variables_name_a_database() -> Outcome {
    let case = Case::with(&[A])?;
    xtask::run(bare(&case, &["up"]).envs(variables(&case.database))).ok();
    assert_eq!(case.database.applied(), ["1"]);
    // A URL that is empty is none.
    xtask::run(bare(&case, &["down"]).envs(variables(&case.database)).env("DATABASE_URL", "")).ok();
    assert_eq!(case.database.applied(), [""; 0]);
    Ok(())
}

fn libpqs_variables_may_stand_in_dotenv() -> Outcome {
    let case = Case::with(&[A])?;
    let lines: Vec<String> =
        variables(&case.database).into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    dotenv(&case, &lines.concat());
    xtask::run(&mut bare(&case, &["up"])).ok();
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn the_schemes_of_sqlalchemy_are_understood() -> Outcome {
    let case = Case::with(&[A])?;
    for scheme in ["postgresql+asyncpg", "postgresql+psycopg2", "postgres"] {
        let url = case.database.url().replacen("postgresql", scheme, 1);
        xtask::run(case.command(&["up"]).env("DATABASE_URL", &url)).ok();
        xtask::run(case.command(&["reset"]).env("DATABASE_URL", &url)).ok();
    }
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn what_the_url_leaves_open_comes_from_libpqs_variables() -> Outcome {
    let case = Case::with(&[A])?;
    let url = format!("postgresql:///{}", case.database.database().name());
    let others: Vec<_> = variables(&case.database).into_iter().filter(|(name, _)| *name != "PGDATABASE").collect();
    xtask::run(case.command(&["up"]).env("DATABASE_URL", url).envs(others)).ok();
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn without_a_workspace_and_a_database_both_ways_out_are_named() -> Outcome {
    let case = Case::with(&[A])?;
    let ran = xtask::run(&mut bare(&case, &["up"])).exits(2);
    for words in ["no database is configured", "DATABASE_URL", "inside the workspace"] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    Ok(())
}

fn variables_with_a_wrong_value_are_named() -> Outcome {
    let case = Case::with(&[A])?;
    for (name, value) in
        [("PGPORT", "hunter2"), ("PGHOSTADDR", "hunter2"), ("PGCONNECT_TIMEOUT", "hunter2"), ("PGSERVICE", "hunter2")]
    {
        let ran = xtask::run(bare(&case, &["status"]).env("PGDATABASE", "d").env(name, value)).exits(2);
        assert!(ran.stderr.contains(name) && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
    Ok(())
}
