//! What `cargo xtask db server status` shows.

use std::fmt;
use std::path::PathBuf;

use super::version::PgVersion;

/// The state of a project's server. `Display` is several lines for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// There has been none yet.
    NotCreated {
        /// Where its files will be.
        folder: PathBuf,
    },
    /// It exists, and doesn't run.
    Stopped {
        /// Where it lives.
        home: Home,
    },
    /// It runs and doesn't take connections now: it starts, recovers from a crash, or stops.
    Busy {
        /// Where it lives.
        home: Home,
        /// What it says.
        reason: String,
    },
    /// It takes connections.
    Running {
        /// Where it lives.
        home: Home,
        /// The process of a private server; `None` for a container.
        pid: Option<u32>,
        /// The server's version, if it said it.
        version: Option<PgVersion>,
        /// The URL of the project's database.
        url: String,
    },
}

/// Where a server lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// A private Postgres, in folders of this machine.
    Folder {
        /// Its data folder.
        data: PathBuf,
        /// Its log file.
        log: PathBuf,
    },
    /// A container of a Docker Engine.
    Container {
        /// The name of the container, and of the volume with its data.
        name: String,
    },
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCreated { folder } => {
                write!(f, "not created; `cargo xtask db up` makes it\nfolder   {}", folder.display())
            }
            Self::Stopped { home } => write!(f, "stopped\n{home}"),
            Self::Busy { home, reason } => {
                write!(f, "running, and not taking connections: {reason}\n{home}")
            }
            Self::Running { home, pid, version, url } => {
                f.write_str("running")?;
                if let Some(version) = version {
                    write!(f, " Postgres {version}")?;
                }
                if let Some(pid) = pid {
                    write!(f, ", process {pid}")?;
                }
                write!(f, "\nurl      {url}\n{home}")
            }
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { data, log } => {
                write!(f, "data     {}\nlog      {}", data.display(), log.display())
            }
            Self::Container { name } => write!(f, "data     container and volume {name}\nlog      docker logs {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_server_shows_all_that_a_person_looks_for() {
        let status = Status::Running {
            home: Home::Folder { data: "/t/data".into(), log: "/t/server.log".into() },
            pid: Some(4711),
            version: Some(PgVersion { major: 15, minor: Some(18) }),
            url: "postgresql:///main_dev".into(),
        };
        assert_eq!(
            status.to_string(),
            "running Postgres 15.18, process 4711\nurl      postgresql:///main_dev\ndata     /t/data\nlog      /t/server.log"
        );
    }

    #[test]
    fn a_container_shows_its_name() {
        let status = Status::Stopped { home: Home::Container { name: "stairwell-ab".into() } };
        assert_eq!(
            status.to_string(),
            "stopped\ndata     container and volume stairwell-ab\nlog      docker logs stairwell-ab"
        );
    }
}
