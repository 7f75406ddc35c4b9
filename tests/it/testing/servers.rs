//! The server of a test run: who starts it, who finds it, and when it ends.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use stairwell::local::Project;
use stairwell::postgres::{Database, Password};

use super::child;
use crate::harness::cluster::Cluster;
use crate::harness::files::Workspace;
use crate::harness::server::server;
use crate::harness::{Outcome, Skip};

crate::trials!(
    a_private_server_is_shared_and_ends_with_the_last_process,
    a_container_is_shared_and_removed_when_the_last_process_was_killed,
    a_server_that_ends_idle_sessions_can_be_used,
    without_any_server_all_ways_are_named,
);

fn project() -> Workspace {
    let project = Workspace::with(&[("1_things", "create table things (i int);", "drop table things;")]);
    std::fs::write(project.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    project
}

/// Tests of a project that insists on one way.
fn command(project: &Workspace, way: &str, tests: &[&str]) -> Command {
    let image = std::env::var("STAIRWELL_TEST_IMAGE").unwrap_or_default();
    child::command(project, &[("STAIRWELL_TEST_SERVER", way), ("STAIRWELL_TEST_IMAGE", &image)], tests)
}

/// Two processes that start at the same time, and one that comes when one of these has been killed, have one server, which ends when all are gone.
fn share_a_server(way: &str) {
    let project = project();
    let (first, second) = thread::scope(|scope| {
        let other = scope.spawn(|| child::start(command(&project, way, &[])));
        (child::start(command(&project, way, &[])), other.join().unwrap())
    });
    let at = |url: &str| {
        let database = Database::parse(url).unwrap();
        (database.hosts().join(","), database.port())
    };
    assert_eq!(at(&first.url), at(&second.url));
    let url = second.url.clone();
    first.kill();
    let third = child::run(&mut command(&project, way, &["third"]));
    assert_eq!((third.code, at(&third.urls[0])), (0, at(&url)), "{}", third.stderr);
    let lives = || Database::parse(&url).unwrap().connect().is_ok();
    // Longer than the server waits for somebody else.
    thread::sleep(Duration::from_secs(5));
    assert!(lives());
    second.kill();
    let began = Instant::now();
    while lives() {
        assert!(began.elapsed() < Duration::from_secs(30), "the server of a run that is over goes on");
        thread::sleep(Duration::from_millis(200));
    }
    // And the next run has one again.
    let fourth = child::run(&mut command(&project, way, &["fourth"]));
    assert_eq!(fourth.code, 0, "{}", fourth.stderr);
    let fourth = &fourth.urls[0];
    while Database::parse(fourth).unwrap().with_name("postgres").connect().is_ok() {
        thread::sleep(Duration::from_millis(200));
    }
    // Under the target directory of this build, since that is where its tests' programs are.
    let folder = Project::discover(project.path()).unwrap().for_tests().server_dir();
    std::fs::remove_dir_all(folder).unwrap();
}

fn a_private_server_is_shared_and_ends_with_the_last_process() -> Outcome {
    let there = Command::new("pg_config").arg("--bindir").output().is_ok_and(|output| output.status.success())
        || std::path::Path::new("/usr/lib/postgresql").is_dir();
    if !there {
        return Err(Skip("no Postgres is installed".to_owned()));
    }
    share_a_server("local");
    Ok(())
}

fn a_container_is_shared_and_removed_when_the_last_process_was_killed() -> Outcome {
    server()?;
    let image = std::env::var("STAIRWELL_TEST_IMAGE").unwrap_or_else(|_| "postgres:17".to_owned());
    let there = Command::new("docker").args(["image", "inspect", &image]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        return Err(Skip(format!("there is no engine with the image {image}")));
    }
    share_a_server("docker");
    Ok(())
}

fn a_server_that_ends_idle_sessions_can_be_used() -> Outcome {
    let cluster = Cluster::new(&["idle_session_timeout=200", "statement_timeout=30s"])?;
    let url = cluster.database().to_url(Password::Show);
    let ran = child::run(&mut child::command(&project(), &[("TEST_DATABASE_URL", &url)], &["pauses"]));
    assert_eq!((ran.code, ran.stderr.lines().count()), (0, 1), "{}", ran.stderr);
    Ok(())
}

fn without_any_server_all_ways_are_named() -> Outcome {
    let project = project();
    let mut command = child::command(
        &project,
        &[("DOCKER_HOST", "unix:///nonexistent"), ("PATH", ""), ("STAIRWELL_PG_BIN", "/nonexistent")],
        &["a"],
    );
    let ran = child::run(&mut command);
    assert_eq!(ran.code, 1);
    let said: Vec<&str> =
        ran.stderr.lines().filter(|line| !line.starts_with("thread ") && !line.starts_with("note: run with")).collect();
    insta::assert_snapshot!("no_server", said.join("\n"));
    Ok(())
}
