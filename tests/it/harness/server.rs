//! The one server of a test run.
//!
//! The first of: `TEST_DATABASE_URL`; a Docker Engine, through testcontainers; the local Postgres binaries.
//! `STAIRWELL_TEST_SERVER=url|docker|local` insists on one, and `STAIRWELL_TEST_IMAGE` names the image (`postgres:17` by default).

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use stairwell::local::Project;
use stairwell::postgres::Database;
use stairwell_xtask::server::Server;
use testcontainers_modules::postgres::Postgres;
use testcontainers_modules::testcontainers::core::Mount;
use testcontainers_modules::testcontainers::runners::SyncRunner;
use testcontainers_modules::testcontainers::{Container, ImageExt};

use super::Skip;

/// What has to be taken down at the end. A container in a plain static would never be dropped.
enum Running {
    Container(#[expect(dead_code, reason = "dropped, which removes it")] Box<Container<Postgres>>),
    Local { server: Server, _folder: tempfile::TempDir },
}

/// Starts or finds a server: where it is and what it is in words, or why not.
type Way = fn() -> Result<(Database, String), String>;

static RUNNING: Mutex<Vec<Running>> = Mutex::new(Vec::new());
static CHOSEN: OnceLock<Result<Database, String>> = OnceLock::new();

/// The server, started by the first test that needs it; `Err` says why there is none.
pub(crate) fn server() -> Result<&'static Database, Skip> {
    CHOSEN.get_or_init(choose).as_ref().map_err(|reason| Skip(reason.clone()))
}

/// Takes down what was started.
pub(crate) fn stop() {
    for running in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        if let Running::Local { server, .. } = &running
            && let Err(error) = server.stop(&mut |_| {})
        {
            eprintln!("test server: could not be stopped: {error}");
        }
    }
}

fn choose() -> Result<Database, String> {
    let insisted = std::env::var("STAIRWELL_TEST_SERVER").ok();
    let ways: [(&str, Way); 3] = [("url", by_url), ("docker", by_docker), ("local", by_local)];
    let mut reasons = Vec::new();
    for (name, way) in ways {
        if insisted.as_deref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        match way() {
            Ok((database, what)) => {
                eprintln!("test server: {what}");
                return Ok(database);
            }
            Err(reason) => reasons.push(format!("{name}: {reason}")),
        }
    }
    let reasons = reasons.join("; ");
    // Whoever insists is told by failing tests, and not by skipped ones.
    assert!(insisted.is_none(), "STAIRWELL_TEST_SERVER insists, and there is no such server: {reasons}");
    eprintln!("test server: none ({reasons})");
    Err(format!("no Postgres ({reasons})"))
}

fn by_url() -> Result<(Database, String), String> {
    let url = std::env::var("TEST_DATABASE_URL").map_err(|_| "TEST_DATABASE_URL is not set".to_owned())?;
    let database = Database::parse(&url).map_err(|error| error.to_string())?;
    database.connect().map_err(|error| error.to_string())?;
    Ok((database.clone(), format!("TEST_DATABASE_URL, {database}")))
}

fn by_docker() -> Result<(Database, String), String> {
    let image = std::env::var("STAIRWELL_TEST_IMAGE").unwrap_or_else(|_| "postgres:17".to_owned());
    let (name, tag) = image.rsplit_once(':').unwrap_or((&image, "latest"));
    let container = Postgres::default()
        .with_name(name)
        .with_tag(tag)
        // Data in memory: a test server's start is mostly initdb's writes.
        .with_mount(Mount::tmpfs_mount("/var/lib/postgresql"))
        .with_cmd(["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200"])
        .start()
        .map_err(|error| one_line(&error.to_string()))?;
    let port = container.get_host_port_ipv4(5432).map_err(|error| one_line(&error.to_string()))?;
    let host = container.get_host().map_err(|error| one_line(&error.to_string()))?;
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(Running::Container(Box::new(container)));
    // An engine at another socket than the usual one is reached by its bridge's address, although the port is published here as well;
    // and the guards of the product know this machine by its loopback addresses.
    let at = |host: &str| {
        let url = format!("postgresql://postgres:postgres@{host}:{port}/postgres");
        let database = Database::parse(&url).map_err(|error| error.to_string())?;
        database.connect().map_err(|error| one_line(&error.to_string()))?;
        Ok::<_, String>(database)
    };
    let database = at("127.0.0.1").or_else(|_| at(&host.to_string()))?;
    Ok((database, format!("a container of {image}, through testcontainers")))
}

fn by_local() -> Result<(Database, String), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    std::fs::write(folder.path().join("Cargo.lock"), "").map_err(|error| error.to_string())?;
    let server = local_server(folder.path());
    let url = server.ensure(&mut |_| {}).map_err(|error| one_line(&error.to_string()))?;
    let database = Database::parse(&url).map_err(|error| error.to_string())?.with_name("postgres");
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(Running::Local { server, _folder: folder });
    Ok((database, "the local Postgres binaries, a private server".to_owned()))
}

fn local_server(folder: &Path) -> Server {
    Server::of(Project::new(folder, &folder.join("target")), |name| std::env::var(name).ok())
}

fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.truncate(line.char_indices().nth(300).map_or(line.len(), |(at, _)| at));
    line
}
