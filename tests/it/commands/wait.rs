//! `db wait`

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::case::{A, B, C, Case, Role, socket};
use crate::harness::server::server;
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    a_server_that_answers_is_not_waited_for,
    what_is_waited_for_is_said_once_and_again_at_the_end,
    a_database_that_someone_creates_and_migrates_is_waited_for,
    what_time_cannot_mend_ends_it_at_once,
    a_wrong_password_is_not_waited_on,
    a_newer_release_is_at_head_as_well,
    arguments_that_make_no_sense_are_refused,
);

/// A command that waits, with what it says line by line.
struct Waiting {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Waiting {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What it says next.
    fn says(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn a_server_that_answers_is_not_waited_for() -> Outcome {
    let case = Case::with(&[A, B])?;
    let before = case.database.ask("select count(*) from pg_class");
    let mut seen = case.see_all(&[&["wait"], &["wait", "--for", "server"]]);
    case.db(&["wait", "--for", "head", "--timeout", "1ms"]).exits(1);
    assert_eq!(case.database.ask("select count(*) from pg_class"), before, "it creates nothing");
    case.db(&["up"]).ok();
    seen.push_str(&case.see(&["wait", "--for", "head"]));
    insta::assert_snapshot!("wait", seen);
    Ok(())
}

fn what_is_waited_for_is_said_once_and_again_at_the_end() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["up", "1"]).ok();
    let head = ["wait", "--for", "head", "--timeout", "900ms"];
    let mut seen = case.see(&head);
    let server = ["wait", "--timeout", "900ms"];
    let ran = xtask::run(case.command(&server).env("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/shop"));
    assert!(!ran.stderr.contains("hunter2"));
    // What the system says of it is its own.
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("waiting: ")).count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("error: waited 900ms, and still: `shop` on 127.0.0.1:1 takes no connection"));
    seen.extend(["\n[without a server: exit code ", &ran.code.to_string(), "]\n"]);
    insta::assert_snapshot!("wait_timed_out", seen);
    Ok(())
}

fn a_database_that_someone_creates_and_migrates_is_waited_for() -> Outcome {
    let case = Case::with(&[A, B, C])?;
    let name = case.database.database().name();
    server()?.connect().unwrap().batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
    let mut waiting = Waiting::start(&mut case.command(&["wait", "--for", "head", "--timeout", "5min"]));
    assert!(waiting.says().ends_with("does not exist yet"));
    case.db(&["create"]).ok();
    assert!(waiting.says().ends_with("has 0 of 3 migrations"));
    case.db(&["up", "2"]).ok();
    // It may also see one of the two, when it looks between them.
    while !waiting.says().ends_with("has 2 of 3 migrations") {}
    case.db(&["up"]).ok();
    assert!(waiting.says().ends_with("has all migrations that are here: it is at 3_c"));
    assert!(waiting.child.wait().unwrap().success());
    Ok(())
}

fn what_time_cannot_mend_ends_it_at_once() -> Outcome {
    let case = Case::applied(&[A])?;
    // Long enough that the test would hang if it did wait.
    let wait =
        |arguments: &[&'static str]| -> Vec<&'static str> { [&["wait", "--timeout", "1min"], arguments].concat() };
    let url = case.database.url().replace(case.database.database().name(), "no_such_database");
    let missing = xtask::run(case.command(&wait(&[])).env("DATABASE_URL", &url)).exits(4);
    let place = case.database.database().with_name("no_such_database").to_string();
    let mut seen = case.seen(&wait(&[]), &missing).replace(&place, "`no_such_database` on localhost");
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    seen.push_str(&case.see(&wait(&["--for", "head"])));
    case.workspace.write("1_a.up.sql", "commit;");
    case.db(&wait(&["--for", "head"])).exits(3);
    case.db(&wait(&[])).ok();
    insta::assert_snapshot!("wait_never", seen);
    Ok(())
}

fn a_wrong_password_is_not_waited_on() -> Outcome {
    let role = Role::new("")?;
    let case = Case::with(&[A])?;
    if socket(&case.database).is_some() {
        return Err(Skip("the test server asks for no password".to_owned()));
    }
    let url = role.url_with(&case.database, "wrong");
    let ran =
        xtask::run(case.command(&["wait", "--timeout", "1min", "--for", "head"]).env("DATABASE_URL", url)).exits(4);
    assert!(ran.stderr.contains("password authentication failed"), "{}", ran.stderr);
    Ok(())
}

fn a_newer_release_is_at_head_as_well() -> Outcome {
    let case = Case::applied(&[A, B])?;
    case.workspace.remove("2_b.up.sql");
    case.workspace.remove("2_b.down.sql");
    let ran = case.db(&["wait", "--for", "head"]).ok();
    assert!(ran.stderr.contains("has all migrations that are here: it is at 1_a"), "{}", ran.stderr);
    Ok(())
}

fn arguments_that_make_no_sense_are_refused() -> Outcome {
    let case = Case::with(&[])?;
    insta::assert_snapshot!(
        "wait_arguments",
        case.see_all(&[&["wait", "--timeout", "soon"], &["wait", "--timeout", "-1s"], &["wait", "--for", "lunch"]])
    );
    Ok(())
}
