//! Where the processes of a test run meet: a folder of the project's, with a lock and the URL of the server that one of them started.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::{Found, Lease, file};
use crate::local::Project;
use crate::postgres::Database;
use crate::server::lock;
use crate::testing::error::TestingError;

/// How long another process may take to start a server: an image may have to be fetched.
const FIRST_START: Duration = Duration::from_secs(600);

/// How long a server may take to end that has been told to.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder, and what kind of server is looked for.
pub(super) struct Rendezvous {
    folder: PathBuf,
    kind: String,
}

impl Rendezvous {
    /// The project's. Servers of another kind (an image of another version) are others'.
    pub(super) fn at(project: &Project, kind: String) -> Result<Self, TestingError> {
        let folder = project.server_dir();
        fs::create_dir_all(&folder).map_err(file("make the folder", &folder))?;
        Ok(Self { folder, kind })
    }

    /// The server that another process started, or the one that `start` gives, which is the URL of its database `postgres`; the inner error
    /// says why there is none. Only one process at a time looks.
    pub(super) fn meet(
        &self,
        start: impl Fn() -> Result<String, String>,
        what: String,
    ) -> Result<Result<Found, String>, TestingError> {
        let path = self.folder.join("tests.lock");
        let _alone = lock::hold_within(&path, FIRST_START, &mut |said| eprintln!("{said}"))?;
        let began = Instant::now();
        let mut known = self.known();
        loop {
            let started = known.is_none();
            let url = match known.take() {
                Some(url) => url,
                None => match start() {
                    Ok(url) => url,
                    Err(why) => return Ok(Err(why)),
                },
            };
            let admin = Database::parse(&url)?;
            match Lease::take(&admin) {
                Ok(Some(mut lease)) => {
                    self.write(&url)?;
                    if let Err(why) = lease.have_it_watched(&admin) {
                        return Ok(Err(format!("nobody would end it: {why}")));
                    }
                    return Ok(Ok(Found { admin, lease, ends: true, what }));
                }
                // It ends now; when it is gone, another one starts.
                Ok(None) if began.elapsed() < PATIENCE => {
                    known = Some(url);
                    thread::sleep(Duration::from_millis(50));
                }
                Ok(None) => return Ok(Err(format!("{admin} does not end"))),
                Err(error) if started => return Ok(Err(error.to_string())),
                Err(_) => {}
            }
        }
    }

    fn file(&self) -> PathBuf {
        // More than one image may be tested with at a time.
        let name: String =
            self.kind.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
        self.folder.join(format!("tests.{name}"))
    }

    fn known(&self) -> Option<String> {
        let url = fs::read_to_string(self.file()).ok()?;
        Some(url.trim().to_owned()).filter(|url| !url.is_empty())
    }

    fn write(&self, url: &str) -> Result<(), TestingError> {
        let path = self.file();
        fs::write(&path, format!("{url}\n")).map_err(file("write", &path))
    }
}
