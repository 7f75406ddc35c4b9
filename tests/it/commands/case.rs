//! A workspace with a database, and what commands say about the two.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::Skip;
use crate::harness::database::TestDatabase;
use crate::harness::files::Workspace;
use crate::harness::server::server;
use crate::harness::xtask::{self, Ran};

/// A migration of a test: version and name, up, down.
pub(crate) type Files<'a> = (&'a str, &'a str, &'a str);

pub(crate) const A: Files<'_> = ("1_a", "create table a (i int);", "drop table a;");
pub(crate) const B: Files<'_> = ("2_b", "create table b (i int);", "drop table b;");
pub(crate) const C: Files<'_> = ("3_c", "create table c (i int);", "drop table c;");
/// A statement that the server cannot read.
pub(crate) const BROKEN: Files<'_> =
    ("9_broken", "create table d (i int);\ncreate tabel e (i int);\n", "drop table d;");

/// A workspace of a test, and its database.
pub(crate) struct Case {
    pub(crate) workspace: Workspace,
    pub(crate) database: TestDatabase,
}

impl Case {
    pub(crate) fn with(migrations: &[Files<'_>]) -> Result<Self, Skip> {
        Ok(Self { workspace: Workspace::with(migrations), database: TestDatabase::new()? })
    }

    /// The same, with `db up` done.
    pub(crate) fn applied(migrations: &[Files<'_>]) -> Result<Self, Skip> {
        let case = Self::with(migrations)?;
        case.db(&["up"]).ok();
        Ok(case)
    }

    /// A command with DATABASE_URL set, not yet run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = xtask::db(self.workspace.path(), arguments);
        command.env("DATABASE_URL", self.database.url());
        // On another machine, these want the database's name.
        let database = self.database.database();
        if matches!(arguments.first(), Some(&("down" | "downgrade" | "redo" | "stamp" | "repair")))
            && !database.is_loopback()
        {
            command.args(["--confirm", database.name()]);
        }
        command
    }

    /// Runs a command with DATABASE_URL set.
    #[track_caller]
    pub(crate) fn db(&self, arguments: &[&str]) -> Ran {
        xtask::run(&mut self.command(arguments))
    }

    /// Runs a command, and gives what a person sees of it, with the same text on every machine and day.
    pub(crate) fn see(&self, arguments: &[&str]) -> String {
        self.seen(arguments, &self.db(arguments))
    }

    /// The same of a command that has run.
    pub(crate) fn seen(&self, arguments: &[&str], ran: &Ran) -> String {
        let mut seen = format!("$ cargo xtask db {}\n", arguments.join(" "));
        for (mark, text) in [("> ", &ran.stdout), ("", &ran.stderr)] {
            for line in text.lines() {
                seen.push_str(format!("{mark}{}", self.timeless(line)).trim_end());
                seen.push('\n');
            }
        }
        if ran.code != 0 {
            seen.extend(["[exit code ", &ran.code.to_string(), "]\n"]);
        }
        seen
    }

    /// Runs several, one after the other.
    pub(crate) fn see_all(&self, commands: &[&[&str]]) -> String {
        commands.iter().map(|arguments| self.see(arguments)).collect::<Vec<_>>().join("\n")
    }

    /// A line without what differs from run to run: the database's name and place, times, and how long a script took.
    fn timeless(&self, line: &str) -> String {
        let line = line
            .replace(&self.database.database().to_string(), "`shop` on localhost")
            .replace(self.database.database().name(), "shop");
        let is_step = line.starts_with("  applied [") || line.starts_with("  undone [");
        // Another place each time.
        let line = match line.split_once("recovery_target_lsn = ").zip(line.split_once("; to come back")) {
            Some(((before, _), (_, behind))) => format!("{before}<where the log is>; to come back{behind}"),
            None => line,
        };
        let line = self.without_records(&line);
        let line = match line.rsplit_once("  ") {
            Some((step, duration)) if is_step && duration.ends_with('s') => {
                format!("{step}  <duration>")
            }
            _ => line,
        };
        let mut words: Vec<&str> = line.split(' ').collect();
        let is_date = |word: &str| {
            word.len() == 10
                && word.bytes().enumerate().all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() })
        };
        if let Some(at) = words.iter().position(|word| is_date(word)) {
            words.splice(at..(at + 2).min(words.len()), ["<time>"]);
        }
        words.join(" ")
    }

    /// A line without who, when and how long: of `db history` and the like, and of JSON.
    fn without_records(&self, line: &str) -> String {
        let user = self.database.database().user().unwrap_or("postgres");
        let mut line = line.replace(&format!("  by {user}  "), "  by <role>  ");
        if let Some((before, rest)) = line.split_once(" UTC  ")
            && let Some((_, by)) = rest.split_once("  by <role>")
        {
            line = format!("{before} UTC  <duration>  by <role>{by}");
        }
        let json = [("started_at", "<time>"), ("applied_at", "<time>"), ("elapsed_ms", "<number>"), ("by", "<role>")];
        for (key, mark) in json {
            let key = format!("\"{key}\": ");
            if let Some((before, value)) = line.split_once(&key)
                && !value.starts_with("null")
            {
                line = format!("{before}{key}{mark}{}", if value.ends_with(',') { "," } else { "" });
            }
        }
        // In remarks: when, and who.
        match line.find("Z ").filter(|at| *at >= 19 && line[at - 19..*at].starts_with("20")) {
            Some(at) => {
                let (before, rest) = (&line[..at - 19], &line[at + 2..]);
                let what = rest.strip_prefix(&format!("{user}: ")).unwrap_or(rest);
                format!("{before}<time> <role>: {what}")
            }
            None => line,
        }
    }

    /// Says in the database's own settings that it is production; only on this machine is that what makes the difference.
    pub(super) fn mark_as_production(&self) -> Result<(), Skip> {
        if !self.database.database().is_loopback() {
            return Err(Skip("the test server is on another machine".to_owned()));
        }
        let name = self.database.database().name();
        let mark = format!("ALTER DATABASE {name} SET stairwell.environment = 'production'");
        self.database.client().batch_execute(&mark).unwrap();
        Ok(())
    }

    /// Whether the database has this table, view or index.
    pub(crate) fn has(&self, relation: &str) -> bool {
        self.database.ask(&format!("SELECT to_regclass('{relation}') IS NOT NULL")) == "t"
    }

    pub(crate) fn lock(&self) -> String {
        std::fs::read_to_string(self.lock_path()).unwrap_or_default()
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.workspace.migrations().join("stairwell.lock")
    }

    /// The files that the lock has a line for.
    pub(crate) fn locked(&self) -> Vec<String> {
        let lock = self.lock();
        let lines = lock.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Some(line.split_once("  ")?.1.to_owned())).collect()
    }
}

/// Runs commands at the same time.
pub(crate) fn at_once(commands: Vec<Command>) -> Vec<Ran> {
    let threads: Vec<_> =
        commands.into_iter().map(|mut command| std::thread::spawn(move || xtask::run(&mut command))).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Runs git, with nothing of this machine's configuration.
#[track_caller]
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(name);
    }
    let identity = [
        "-c",
        "user.name=Ann",
        "-c",
        "user.email=ann@example.com",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "commit.gpgsign=false",
    ];
    command.args(identity).args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Makes the workspace a git repository with all of it committed.
pub(crate) fn commit_all(folder: &Path) {
    if !folder.join(".git").exists() {
        git(folder, &["init", "--quiet"]);
    }
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", "all"]);
    assert_eq!(git(folder, &["status", "--short"]), "");
}

/// The reason to skip where there is no git.
pub(crate) fn needs_git() -> Result<(), Skip> {
    match Command::new("git").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(Skip("git is not installed".to_owned())),
    }
}

static ROLES: AtomicU32 = AtomicU32::new(0);

/// A role of a test's own. Declare it before the database, which must be gone before it can be dropped.
pub(crate) struct Role {
    pub(crate) name: String,
}

impl Role {
    /// One that may log in with [`PASSWORD`](Self::PASSWORD), and has these attributes.
    pub(crate) fn new(attributes: &str) -> Result<Self, Skip> {
        let name = format!("it_role_{}_{}", std::process::id(), ROLES.fetch_add(1, Ordering::Relaxed));
        let create = format!("CREATE ROLE {name} LOGIN PASSWORD '{}' {attributes}", Self::PASSWORD);
        server()?.connect().unwrap().batch_execute(&create).unwrap();
        Ok(Self { name })
    }

    pub(crate) const PASSWORD: &'static str = "opensesame";

    /// The URL of this database, for this role.
    pub(crate) fn url(&self, database: &TestDatabase) -> String {
        self.url_with(database, Self::PASSWORD)
    }

    /// The same with another password, written as it stands in a URL. A socket's server asks for none.
    pub(crate) fn url_with(&self, database: &TestDatabase, password: &str) -> String {
        let at = database.database();
        match socket(database) {
            Some(folder) => format!("postgresql:///{}?host={folder}&user={}&password={password}", at.name(), self.name),
            None => {
                format!("postgresql://{}:{password}@{}:{}/{}", self.name, at.hosts().join(","), at.port(), at.name())
            }
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let Ok(Ok(mut client)) = server().map(stairwell::postgres::Database::connect) else { return };
        // Templates of migrations, which a command that it ran has kept.
        let owned = format!("SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = '{}'", self.name);
        for row in client.query(&owned, &[]).unwrap_or_default() {
            let _ = client.batch_execute(&format!("DROP DATABASE \"{}\"", row.get::<_, &str>(0)));
        }
        if let Err(error) = client.batch_execute(&format!("DROP ROLE IF EXISTS {}", self.name)) {
            eprintln!("test role {} stays behind: {error}", self.name);
        }
    }
}

/// The folder of the server's socket, if that is how it is reached.
pub(crate) fn socket(database: &TestDatabase) -> Option<String> {
    database.database().hosts().into_iter().find(|host| host.starts_with('/'))
}

/// Makes a command run as a user whom the folder's modes bind: root, whom they do not, becomes `nobody`.
#[cfg(unix)]
pub(crate) fn as_ordinary_user(case: &Workspace, command: &mut Command) -> Result<(), Skip> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    let probe = tempfile::NamedTempFile::new().unwrap();
    if probe.as_file().metadata().unwrap().uid() != 0 {
        return Ok(());
    }
    std::fs::set_permissions(case.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    command.uid(NOBODY).gid(NOBODY);
    // A checkout below /root is closed to everybody else, this binary included.
    let reachable = Command::new(std::env::current_exe().unwrap())
        .arg("--list")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .uid(NOBODY)
        .gid(NOBODY)
        .status();
    match reachable {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Skip("root ignores modes, and `nobody` cannot run the test binary where it is".to_owned())),
    }
}

#[cfg(not(unix))]
pub(crate) fn as_ordinary_user(_: &Workspace, _: &mut Command) -> Result<(), Skip> {
    Err(Skip("modes of folders are a thing of Unix".to_owned()))
}

/// Takes the right to write from the folder, and gives it back when dropped, so that it can be removed.
#[cfg(unix)]
pub(crate) struct ReadOnly(PathBuf);

#[cfg(unix)]
impl ReadOnly {
    pub(crate) fn new(folder: PathBuf) -> Self {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
        Self(folder)
    }
}

#[cfg(unix)]
impl Drop for ReadOnly {
    fn drop(&mut self) {
        use std::os::unix::fs::PermissionsExt;
        drop(std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(0o755)));
    }
}

#[cfg(not(unix))]
pub(crate) struct ReadOnly;

#[cfg(not(unix))]
impl ReadOnly {
    pub(crate) fn new(_: PathBuf) -> Self {
        Self
    }
}
