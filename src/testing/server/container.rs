//! A container, through testcontainers.

use std::path::Path;

use testcontainers_modules::postgres::Postgres;
use testcontainers_modules::testcontainers::core::Mount;
use testcontainers_modules::testcontainers::runners::SyncRunner;
use testcontainers_modules::testcontainers::{Container, ContainerRequest, ImageExt};

use super::{one_line, watch};
use crate::postgres::Database;

/// A folder in memory for the server's data. Not where the image would have it: many declare a volume there, which would lie over this one, and
/// where that is depends on the version.
const MEMORY: &str = "/stairwell";

/// Ends a server that nobody watches: the process that started it was killed before it could see to that. Otherwise the image's own way to
/// start, with a memory that forgets and needs no disk.
const COMMAND: &str = r#"
(
    sleep 120
    watched=$(psql -XAt -U postgres -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = '@watch@'")
    [ "$watched" = 1 ] || kill -INT 1
) >/dev/null 2>&1 &
exec docker-entrypoint.sh postgres -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=200
"#;

/// The password `postgres`, as the server keeps it, with one round of hashing in place of 4,096: in a test's build, which nobody optimizes, those
/// take 70 ms for each connection. It is a test's server with a password that everybody knows.
const PASSWORD: &str = "SCRAM-SHA-256$1:c3RhaXJ3ZWxsIHRlc3RzIQ==$7h9fel7VQvQoJSvC2renjnzLUBTWdtjGw+ZtiGTjagk=:fQMtoy5F9AUTHP1fT8TUgzLzO69jlKCdUhetyaDE8LQ=";

/// Starts one; gives the URL of its database `postgres`. It is not this process' alone, and removes itself when its server ends.
pub(super) fn start(image: &str, root: &Path) -> Result<String, String> {
    let (name, tag) = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    };
    let request: ContainerRequest<Postgres> = Postgres::default()
        .with_password(PASSWORD)
        .with_name(name)
        .with_tag(tag)
        .with_mount(Mount::tmpfs_mount(MEMORY))
        .with_env_var("PGDATA", format!("{MEMORY}/data"))
        .with_label("stairwell.tests", root.display().to_string())
        .with_host_config_modifier(|host| host.auto_remove = Some(true))
        .with_cmd(["sh", "-c", &COMMAND.replace("@watch@", watch::APPLICATION)]);
    let container = request.start().map_err(|error| one_line(&error.to_string()))?;
    let found = address(&container);
    if found.is_ok() {
        // Dropped, it would be removed.
        std::mem::forget(container);
    }
    found
}

/// An engine at another socket than the usual one is reached by its bridge's address, although the port is published here as well; and the
/// guards of the product know this machine by its loopback addresses.
fn address(container: &Container<Postgres>) -> Result<String, String> {
    let said = |error: &dyn std::fmt::Display| one_line(&error.to_string());
    let port = container.get_host_port_ipv4(5432).map_err(|error| said(&error))?;
    let host = container.get_host().map_err(|error| said(&error))?;
    let at = |host: &str| {
        let url = format!("postgresql://postgres:postgres@{host}:{port}/postgres");
        let database = Database::parse(&url).map_err(|error| said(&error))?;
        database.connect().map_err(|error| said(&error))?;
        Ok(url)
    };
    at("127.0.0.1").or_else(|_: String| at(&host.to_string()))
}
