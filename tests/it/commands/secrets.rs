//! A password is nowhere in what a command prints.

use std::fs;

use super::case::{A, Case, Role, socket};
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    a_url_in_the_wrong_place_is_not_repeated,
    a_wrong_password_is_refused_by_the_server_and_never_shown,
    a_url_that_cannot_be_read_never_shows_its_password,
    a_password_with_unescaped_characters_is_never_taken_for_a_host_or_a_parameter,
    a_right_password_is_not_shown_either,
);

/// What stands for the secret in all of these.
const SECRET: &str = "hunter2";

const COMMANDS: [&[&str]; 14] = [
    &["up"],
    &["down"],
    &["redo"],
    &["status"],
    &["current"],
    &["doctor"],
    &["history"],
    &["show", "a"],
    &["stamp", "head"],
    &["repair"],
    &["protect", "staging"],
    &["unprotect"],
    &["reset"],
    &["server", "status"],
];

/// Every way to hand over the URL, with every command; the exit code must be one of these.
#[track_caller]
fn never_shown(case: &Case, url: &str, codes: &[i32]) {
    for arguments in COMMANDS {
        let by_variable = xtask::run(case.command(arguments).env("DATABASE_URL", url));
        let by_argument =
            xtask::run(&mut xtask::db(case.workspace.path(), &[arguments, &["--database-url", url]].concat()));
        fs::write(case.workspace.path().join(".env"), format!("DATABASE_URL='{url}'\n")).unwrap();
        let by_file = xtask::run(&mut xtask::db(case.workspace.path(), arguments));
        fs::remove_file(case.workspace.path().join(".env")).unwrap();
        for ran in [by_variable, by_argument, by_file] {
            let shown = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!shown.contains(SECRET), "{arguments:?} {url}: {shown}");
            assert!(codes.contains(&ran.code), "{arguments:?} {url} ended with {}: {shown}", ran.code);
        }
    }
}

fn a_wrong_password_is_refused_by_the_server_and_never_shown() -> Outcome {
    let role = Role::new("")?;
    let case = Case::with(&[A])?;
    if socket(&case.database).is_some() {
        return Err(Skip("this server is reached by a socket and asks for no password".to_owned()));
    }
    for password in [SECRET, "hunter2%40%2F%3F", "%68unter2hunter2", "hunter2%"] {
        let url = role.url_with(&case.database, password);
        // `server status` has no workspace here.
        never_shown(&case, &url, &[4, 2]);
    }
    let ran = xtask::run(case.command(&["up"]).env("DATABASE_URL", role.url_with(&case.database, SECRET))).exits(4);
    for words in ["password authentication failed", &role.name, "help: check user and password"] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    Ok(())
}

fn a_url_that_cannot_be_read_never_shows_its_password() -> Outcome {
    let case = Case::with(&[A])?;
    for url in [
        "postgresql://u:hunter2@localhost:port/d",
        "postgresql://u:hunter2@localhost:99999/d",
        "postgresql://u:hunter2@[::1/d",
        "postgresql://u:hunter2@localhost/d?bogus=hunter2",
        "postgresql://u:hunter2@localhost/d?connect_timeout=hunter2",
        "postgresql://u:hunter2@localhost/d?sslmode=hunter2",
        "postgresql:/u:hunter2@localhost/d",
        "postgresql//u:hunter2@localhost/d",
        "u:hunter2@localhost/d",
        "mysql://u:hunter2@localhost/d",
        "host=localhost password=hunter2 bogus=1",
        "host=localhost password=hunter2 bogus",
        "hunter2",
    ] {
        never_shown(&case, url, &[2]);
    }
    let ran = xtask::run(case.command(&["up"]).env("DATABASE_URL", "postgresql://u:hunter2@localhost:port/d")).exits(2);
    assert!(
        ran.stderr.contains("the connection string cannot be read") && ran.stderr.contains("help: "),
        "{}",
        ran.stderr
    );
    Ok(())
}

fn a_password_with_unescaped_characters_is_never_taken_for_a_host_or_a_parameter() -> Outcome {
    let case = Case::with(&[A])?;
    for url in [
        "postgresql://u:pa@hunter2@localhost/d",
        "postgresql://u:pa/hunter2@localhost/d",
        "postgresql://u:pa@ss/hunter2@localhost/d",
        "postgresql://u:pa@ss?hunter2@localhost/d",
        "postgresql://u:pa?hunter2@localhost/d",
        "postgresql://u:pa#hunter2@localhost/d",
        "postgresql://u:pa:hunter2@localhost:1/d",
        "postgresql://u:pa@ss:hunter2@localhost/d",
        "postgresql://u:pa@ss?x=hunter2@localhost/d",
    ] {
        never_shown(&case, url, &[2, 4]);
    }
    let ran = xtask::run(case.command(&["up"]).env("DATABASE_URL", "postgresql://u:pa@hunter2@localhost/d")).exits(2);
    assert!(ran.stderr.contains("`%40`"), "{}", ran.stderr);
    Ok(())
}

fn a_url_in_the_wrong_place_is_not_repeated() -> Outcome {
    let case = Case::with(&[A])?;
    let url = "postgresql://u:hunter2@localhost/d";
    for arguments in [
        &["up", url][..],
        &["down", url],
        &["status", url],
        &["stamp", url],
        &["show", url],
        &["sql", url],
        &["repair", url],
        &["history", "--range", url],
        &["up", "--to", url],
        &["up", "--url", url],
        &[url],
    ] {
        let ran = case.db(arguments).exits(2);
        assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{}", ran.stderr);
        assert!(ran.stderr.contains("`--database-url <URL>`"), "{}", ran.stderr);
    }
    let ran = case.db(&["up", "--tries", "many"]).exits(2);
    assert!(ran.stderr.contains("'many'"), "{}", ran.stderr);
    Ok(())
}

fn a_right_password_is_not_shown_either() -> Outcome {
    let role = Role::new("SUPERUSER")?;
    let case = Case::with(&[A])?;
    let url = role.url(&case.database);
    for arguments in [&["up"][..], &["status"], &["doctor"], &["up", "--to", "99"], &["redo"], &["down"], &["reset"]] {
        let ran = xtask::run(case.command(arguments).env("DATABASE_URL", &url));
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!shown.contains(Role::PASSWORD), "{shown}");
    }
    Ok(())
}
