//! The server that is measured against: the one of `BENCH_DATABASE_URL`, or one made for this run with the defaults of initdb.

use std::error::Error;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use stairwell::postgres::Database;
use tempfile::TempDir;

use crate::clock;

/// The one setting that is not the default, for psql's sake: its single transaction locks all that it makes or drops, and with 64 it
/// fails at 1,000 tables.
const LOCKS: usize = 1024;

/// A server that runs.
pub(crate) struct Server {
    /// The URL of a database from which others are made.
    url: String,
    scratch: Option<Scratch>,
}

/// A server of this run's own; stopped, and its data removed, when dropped.
struct Scratch {
    bin: PathBuf,
    folder: TempDir,
    /// Postgres does not run as root; who is root runs it as the user `postgres`.
    as_root: bool,
}

impl Server {
    /// Finds or starts it.
    pub(crate) fn find(bin: &Path) -> Result<Self, Box<dyn Error>> {
        if let Ok(url) = std::env::var("BENCH_DATABASE_URL") {
            return Ok(Self { url, scratch: None });
        }
        let (scratch, port) = Scratch::start(bin)?;
        Ok(Self { url: format!("postgresql://postgres@127.0.0.1:{port}/postgres"), scratch: Some(scratch) })
    }

    /// The URL of a database of this server.
    pub(crate) fn url(&self, name: &str) -> String {
        with_name(&self.url, name)
    }

    pub(crate) fn is_scratch(&self) -> bool {
        self.scratch.is_some()
    }

    /// The processor time of the server's processes that have ended; none where that cannot be asked.
    pub(crate) fn processor(&self) -> Option<Duration> {
        let file = self.scratch.as_ref()?.data().join("postmaster.pid");
        clock::of_children(fs::read_to_string(file).ok()?.lines().next()?)
    }

    /// Makes a fresh database, and writes out what that dirtied, so that no measurement pays for it.
    pub(crate) fn create(&self, name: &str) -> Result<String, Box<dyn Error>> {
        self.drop(name)?;
        self.run(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))?;
        self.run("CHECKPOINT")?;
        Ok(self.url(name))
    }

    pub(crate) fn drop(&self, name: &str) -> Result<(), Box<dyn Error>> {
        self.run(&format!("DROP DATABASE IF EXISTS {name}"))
    }

    fn run(&self, sql: &str) -> Result<(), Box<dyn Error>> {
        Ok(Database::parse(&self.url)?.connect()?.batch_execute(sql)?)
    }

    /// The value of a setting.
    pub(crate) fn setting(&self, name: &str) -> Result<String, Box<dyn Error>> {
        let row = Database::parse(&self.url)?.connect()?.query_one("SELECT current_setting($1)", &[&name])?;
        Ok(row.get(0))
    }

    /// Host and port.
    pub(crate) fn address(&self) -> Result<(String, u16), Box<dyn Error>> {
        let database = Database::parse(&self.url)?;
        let host = database.hosts().into_iter().next().filter(|host| !host.starts_with('/'));
        Ok((host.ok_or("BENCH_DATABASE_URL must name a host that TCP reaches")?, database.port()))
    }

    /// The URL of a database as it is reached through a port of this machine.
    pub(crate) fn url_at(&self, name: &str, port: u16) -> Result<String, Box<dyn Error>> {
        let url = self.url(name);
        let (before, rest) = url.split_once("://").ok_or("BENCH_DATABASE_URL must be a URL")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        Ok(format!("{before}://{user}@127.0.0.1:{port}/{path}"))
    }
}

impl Scratch {
    fn start(bin: &Path) -> Result<(Self, u16), Box<dyn Error>> {
        let here = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut folder = tempfile::tempdir_in(here)?;
        let as_root = is_root(folder.path())?;
        if as_root {
            // The user `postgres` may not reach a checkout of root's.
            folder = tempfile::tempdir()?;
            status(Command::new("chown").arg("postgres").arg(folder.path()))?;
        }
        let scratch = Self { bin: bin.to_owned(), folder, as_root };
        let data = scratch.data();
        let initdb = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"];
        status(scratch.command("initdb").args(initdb).arg("-D").arg(&data))?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_locks_per_transaction={LOCKS}"
        );
        let log = scratch.folder.path().join("log");
        status(scratch.pg_ctl().arg("-l").arg(&log).args(["-w", "-o", &options, "start"]))
            .map_err(|error| format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default()))?;
        Ok((scratch, port))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let path = self.bin.join(program);
        let mut command = if self.as_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        // Where this process stands, the user `postgres` may not be allowed to look.
        command.current_dir(self.folder.path());
        command
    }

    fn pg_ctl(&self) -> Command {
        let mut command = self.command("pg_ctl");
        command.arg("-D").arg(self.data());
        command
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = status(self.pg_ctl().args(["-m", "immediate", "-w", "stop"])) {
            eprintln!("the bench's own server in {} could not be stopped: {error}", self.folder.path().display());
        }
    }
}

/// Whoever makes a folder owns it.
#[cfg(unix)]
fn is_root(folder: &Path) -> Result<bool, Box<dyn Error>> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata(folder)?.uid() == 0)
}

#[cfg(not(unix))]
fn is_root(_: &Path) -> Result<bool, Box<dyn Error>> {
    Ok(false)
}

fn status(command: &mut Command) -> Result<(), Box<dyn Error>> {
    // pg_ctl's server would keep a pipe open, and this would wait for it.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// The URL with another database in it.
fn with_name(url: &str, name: &str) -> String {
    let (start, query) = url.split_once('?').map_or((url, None), |(start, query)| (start, Some(query)));
    let scheme = start.find("://").map_or(0, |at| at + 3);
    let end = start[scheme..].find('/').map_or(start.len(), |at| scheme + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{name}{query}", &start[..end])
}

/// The folder of psql, initdb and pg_ctl: that of `PSQL_BIN`, else the newest installation in the usual folders, else of `PATH`.
///
/// Debian's `psql` in `PATH` is a Perl script that looks for the real one, which takes longer than all that is measured here.
pub(crate) fn binaries() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(folder) = std::env::var_os("PSQL_BIN") {
        return Ok(folder.into());
    }
    let roots = ["/usr/lib/postgresql", "/usr", "/opt/homebrew/opt", "/usr/local/opt"];
    let version = |path: &Path| -> Option<u32> {
        let name = path.file_name()?.to_str()?;
        name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()
    };
    let installed = roots.iter().flat_map(|root| fs::read_dir(root).into_iter().flatten().flatten());
    let newest = installed
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/psql").is_file() && version(path).is_some())
        .max_by_key(|path| version(path));
    if let Some(found) = newest {
        return Ok(found.join("bin"));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("psql").is_file())
        .ok_or_else(|| "no psql: install Postgres' client, or name its folder in PSQL_BIN".into())
}
