//! The Postgres that xtask runs for a project when no database is configured.
//!
//! It is private: its own data under the project's target directory, its own process, and a socket that only its user can
//! reach. It is found in a second when it runs, started in less when it doesn't, and made in a few when there is none; it goes
//! on after the command, for `cargo run -p app` and for the next one. `cargo clean` removes it with its data. Where no
//! Postgres is installed, a container does the same.
//!
//! What the environment says, all optional; an empty variable counts as unset:
//!
//! | variable | meaning |
//! |---|---|
//! | `STAIRWELL_PG_BIN` | the folder of the only `initdb` and `postgres` to use |
//! | `STAIRWELL_PG_IMAGE` | the image of a new container, if it comes to one (`postgres:17`) |
//! | `PATH` | where installations are looked for, besides the usual folders |
//! | `XDG_RUNTIME_DIR` | where the socket's folder goes, instead of `/tmp` |
//! | `TZ` | the server's time zone |
//!
//! Only one command at a time changes a project's server; others wait for it, a minute at most.

// Without Unix there is only the container.
#![cfg_attr(not(unix), allow(dead_code))]

#[cfg(unix)]
mod account;
mod address;
#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod data;
mod docker;
mod error;
#[cfg(unix)]
mod find;
mod install;
pub(crate) mod lock;
#[cfg(unix)]
mod logfile;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod postmaster;
mod status;
mod version;

use std::fs;
use std::path::PathBuf;

use crate::local::Project;

use self::address::{Address, Answer, Connection, Created};
#[cfg(unix)]
use self::cluster::{Cluster, Knock};
use self::docker::{Docker, State, Stopped};
pub use self::error::ServerError;
#[cfg(unix)]
use self::find::Finder;
pub use self::status::{Home, Status};
pub use self::version::PgVersion;

/// A project's server, running or not.
#[derive(Debug)]
pub struct Server {
    project: Project,
    image: Option<String>,
    #[cfg(unix)]
    finder: Finder,
    #[cfg(unix)]
    runtime_dir: Option<PathBuf>,
    #[cfg(unix)]
    time_zone: Option<String>,
}

impl Server {
    /// The server of `project`, with what `env` answers for the names of variables. Does nothing yet.
    pub fn of(project: Project, env: impl Fn(&str) -> Option<String>) -> Self {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        Self {
            project,
            image: env("STAIRWELL_PG_IMAGE"),
            #[cfg(unix)]
            finder: Finder {
                given: env("STAIRWELL_PG_BIN").map(PathBuf::from),
                path: env("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default(),
                well_known: find::WELL_KNOWN,
            },
            #[cfg(unix)]
            runtime_dir: env("XDG_RUNTIME_DIR").map(PathBuf::from),
            #[cfg(unix)]
            time_zone: env("TZ"),
        }
    }

    /// Makes sure that the server runs and has the project's database, and returns the URL of that.
    ///
    /// `say` gets a line for each thing done; none when it ran already. Also writes the URL to the project's
    /// [`url_file`](Project::url_file), where the app looks for it.
    ///
    /// Fails when there is neither a Postgres nor a Docker Engine, when either fails, and when another command holds the
    /// lock, or the server doesn't answer, for a minute.
    pub fn ensure(&self, say: &mut dyn FnMut(&str)) -> Result<String, ServerError> {
        let folder = self.project.server_dir();
        fs::create_dir_all(&folder).map_err(ServerError::file("make the folder", &folder))?;
        let _lock = lock::hold(&folder.join("lock"), say)?;
        let (address, mut connection) = self.open(say)?;
        let database = self.project.database();
        if connection.create_database(&database)? == Created::Now {
            say(&format!("created the database {database}"));
        }
        let url = address.url(&database);
        self.publish(&url)?;
        Ok(url)
    }

    /// The versions of Postgres that are installed here and can run the server, newest first. Where there is none, a container does.
    ///
    /// Fails when `STAIRWELL_PG_BIN` names a folder that is no installation.
    pub fn installed(&self) -> Result<Vec<PgVersion>, ServerError> {
        #[cfg(unix)]
        let versions = self.finder.installations(|_| Ok(()))?.installations.iter().map(|found| found.version).collect();
        #[cfg(not(unix))]
        let versions = Vec::new();
        Ok(versions)
    }

    /// Looks at the server without changing anything.
    pub fn status(&self) -> Result<Status, ServerError> {
        #[cfg(unix)]
        {
            let cluster = self.cluster()?;
            if cluster.exists() {
                return self.private_status(&cluster);
            }
        }
        match self.docker() {
            Ok(docker) => self.container_status(&docker),
            Err(_) => Ok(Status::NotCreated { folder: self.project.server_dir() }),
        }
    }

    /// Stops the server if it runs, keeping its data; returns whether it ran. Also removes the URL from where the app looks.
    pub fn stop(&self, say: &mut dyn FnMut(&str)) -> Result<bool, ServerError> {
        let folder = self.project.server_dir();
        // Without its folder there is no lock, and no one to keep out: what runs then is a leftover.
        let _lock = if folder.exists() { Some(lock::hold(&folder.join("lock"), say)?) } else { None };
        let url = self.project.url_file();
        if url.exists() {
            fs::remove_file(&url).map_err(ServerError::file("remove", &url))?;
        }
        #[cfg(unix)]
        {
            let cluster = self.cluster()?;
            if let Some(pid) = cluster.stop()? {
                say(&format!("stopped Postgres (process {pid})"));
                return Ok(true);
            }
            if cluster.exists() && !self.container_mark().exists() {
                return Ok(false);
            }
        }
        let Ok(docker) = self.docker() else {
            return Ok(false);
        };
        let stopped = docker.stop()? == Stopped::Now;
        if stopped {
            say(&format!("stopped the container {}", docker.name()));
        }
        Ok(stopped)
    }

    #[cfg(unix)]
    fn open(&self, say: &mut dyn FnMut(&str)) -> Result<(Address, Connection), ServerError> {
        let cluster = self.cluster()?;
        if let Some(open) = cluster.adopt(say)? {
            return Ok((open.address, open.connection));
        }
        // A project whose database is in a container keeps it when a Postgres gets installed, unless that is asked for.
        let in_container = !cluster.exists() && self.container_mark().exists() && self.finder.given.is_none();
        let mut rejected = Vec::new();
        if !in_container {
            let found = self.finder.installations(|bin| cluster.can_run(bin))?;
            if cluster.exists() || !found.installations.is_empty() {
                let open = cluster.start(&found, say)?;
                return Ok((open.address, open.connection));
            }
            rejected = found.rejected;
        }
        self.open_container(rejected, say)
    }

    #[cfg(not(unix))]
    fn open(&self, say: &mut dyn FnMut(&str)) -> Result<(Address, Connection), ServerError> {
        self.open_container(Vec::new(), say)
    }

    fn open_container(
        &self,
        rejected: Vec<String>,
        say: &mut dyn FnMut(&str),
    ) -> Result<(Address, Connection), ServerError> {
        let docker = self.docker().map_err(|docker| {
            let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
            ServerError::NoPostgres { rejected, docker, install: install::command(std::env::consts::OS, &os_release) }
        })?;
        let open = docker.ensure(self.project.root(), say)?;
        let mark = self.container_mark();
        fs::write(&mark, format!("{}\n", docker.name())).map_err(ServerError::file("write", &mark))?;
        Ok((open.address, open.connection))
    }

    #[cfg(unix)]
    fn cluster(&self) -> Result<Cluster, ServerError> {
        let folder = self.project.server_dir();
        // A server is recognised by the name of its data folder, so that has to be the same whichever way led here.
        let folder = folder.canonicalize().unwrap_or(folder);
        Ok(Cluster {
            place: place::Place::of(&folder, &self.project.key())?,
            root: self.project.root().to_owned(),
            runtime_dir: self.runtime_dir.clone(),
            time_zone: self.time_zone.clone(),
        })
    }

    fn docker(&self) -> Result<Docker, String> {
        Docker::reach(&self.project.key(), self.image.clone())
    }

    /// The file that says that the project's database is in a container.
    fn container_mark(&self) -> PathBuf {
        self.project.server_dir().join("container")
    }

    #[cfg(unix)]
    fn private_status(&self, cluster: &Cluster) -> Result<Status, ServerError> {
        let home = Home::Folder { data: cluster.place.data.clone(), log: cluster.place.log.clone() };
        let Some(file) = cluster.running() else {
            return Ok(Status::Stopped { home });
        };
        Ok(match cluster.knock(&file)? {
            Knock::Open(mut open) => Status::Running {
                home,
                pid: Some(open.pid),
                version: open.connection.version(),
                url: open.address.url(&self.project.database()),
            },
            Knock::NotYet(reason) => Status::Busy { home, reason },
            Knock::Unreachable => {
                Status::Busy { home, reason: "its socket was removed; `cargo xtask db server start` mends it".into() }
            }
        })
    }

    fn container_status(&self, docker: &Docker) -> Result<Status, ServerError> {
        let home = Home::Container { name: docker.name().to_owned() };
        let Some(container) = docker.container()? else {
            return Ok(Status::NotCreated { folder: self.project.server_dir() });
        };
        if container.state == State::Stopped {
            return Ok(Status::Stopped { home });
        }
        Ok(match docker.knock()? {
            Answer::Open(mut connection) => Status::Running {
                home,
                pid: None,
                version: connection.version(),
                url: Address::Loopback(docker.port()?).url(&self.project.database()),
            },
            Answer::NotYet(reason) => Status::Busy { home, reason },
            Answer::Refused(error) => return Err(error),
        })
    }

    /// Writes the URL beside and renames: the app may read at any moment.
    fn publish(&self, url: &str) -> Result<(), ServerError> {
        let file = self.project.url_file();
        let line = format!("{url}\n");
        if fs::read_to_string(&file).is_ok_and(|text| text == line) {
            return Ok(());
        }
        let fresh = file.with_extension("new");
        fs::write(&fresh, line).map_err(ServerError::file("write", &fresh))?;
        fs::rename(&fresh, &file).map_err(ServerError::file("write", &file))
    }
}
