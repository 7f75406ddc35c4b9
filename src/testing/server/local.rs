//! The Postgres that is installed here, as a private server of the project's tests.

use crate::local::Project;
use crate::server::Server;

/// Starts it, or finds it running; gives the URL of its database `postgres`.
pub(super) fn start(project: &Project) -> Result<String, String> {
    let server = Server::of(project.clone(), |name| std::env::var(name).ok());
    let installed = server.installed().map_err(|error| error.to_string())?;
    if installed.is_empty() {
        return Err("no Postgres is installed".to_owned());
    }
    let url = server.ensure(&mut |_| {}).map_err(|error| error.to_string())?;
    let name = project.database();
    Ok(url.replacen(&format!("/{name}"), "/postgres", 1))
}
