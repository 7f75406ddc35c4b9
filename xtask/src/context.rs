//! What a command works on: the project, its migrations, its database.

use std::env;
use std::path::{Path, PathBuf};

use stairwell::Inspection;
use stairwell::build::is_ci;
use stairwell::local::Project;
use stairwell::lock::LOCK_FILE;
use stairwell::postgres::Database;
use stairwell::schema::Source;

use crate::cli::Global;
use crate::failure::{Code, Failure};
use crate::git;
use crate::options::Locked;
use crate::schema::desired;
#[cfg(feature = "lint")]
use crate::settings::Settings;
use crate::terminal::say;
use stairwell::server::Server;

/// The project that the command was started in.
pub(crate) struct Context {
    project: Option<Project>,
    folder: PathBuf,
    database_url: Option<String>,
}

/// Whether a command may change the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockPolicy {
    /// It may.
    Update,
    /// It fails where it would have to; the words say who asked for that.
    Frozen(&'static str),
}

impl Context {
    /// From the arguments and where the command was started.
    pub(crate) fn new(global: Global) -> Result<Self, Failure> {
        let here = env::current_dir()
            .map_err(|error| Failure::new(Code::Usage, format!("cannot tell the current folder: {error}")))?;
        let project = Project::discover(&here);
        let root = project.as_ref().map_or(here.as_path(), |project| project.root());
        load_dotenv(&here, root)?;
        // Shown as a person would type it where they stand.
        let standard = if same_folder(root, &here) { PathBuf::from("migrations") } else { root.join("migrations") };
        Ok(Self { folder: global.dir.unwrap_or(standard), database_url: global.database_url, project })
    }

    /// The migrations folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads and checks the folder.
    pub(crate) fn inspect(&self) -> Result<Inspection, Failure> {
        Ok(stairwell::inspect(&self.folder)?)
    }

    /// The private server's manager, where there is a project.
    pub(crate) fn server(&self) -> Result<Server, Failure> {
        match &self.project {
            Some(project) => Ok(Server::of(project.clone(), |name| env::var(name).ok())),
            None => Err(Failure::new(
                Code::Usage,
                "no database is configured, and there is no Cargo workspace here that could have a private one\n  \
                 = help: run it inside the workspace, or set DATABASE_URL",
            )),
        }
    }

    /// The configured database, or the project's private one, which is started if it does not run.
    pub(crate) fn database(&self) -> Result<Database, Failure> {
        match self.configured()? {
            Some(database) => Ok(database),
            None => Ok(Database::parse(&self.server()?.ensure(&mut |line| say(line))?)?),
        }
    }

    /// The database that arguments, variables or `.env` name.
    pub(crate) fn configured(&self) -> Result<Option<Database>, Failure> {
        let variable = |name: &str| env::var(name).ok();
        match &self.database_url {
            Some(url) => Ok(Some(Database::parse(url)?.with_defaults(variable)?)),
            None => Ok(Database::for_migrations(variable)?),
        }
    }

    /// What the workspace's Cargo.toml says.
    #[cfg(feature = "lint")]
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        self.project.as_ref().map_or_else(|| Ok(Settings::default()), |project| Settings::of(project.root()))
    }

    /// The workspace's folder, or the current one.
    #[cfg(feature = "lint")]
    pub(crate) fn root(&self) -> &Path {
        self.project.as_ref().map_or(Path::new("."), Project::root)
    }

    /// The SQL of the desired state.
    pub(crate) fn schema(&self) -> Result<Vec<Source>, Failure> {
        desired::sources(self.project.as_ref().map(Project::root), &self.folder)
    }

    /// Where the desired state is.
    pub(crate) fn desired(&self) -> Result<desired::Place, Failure> {
        desired::place(self.project.as_ref().map(Project::root), &self.folder)
    }

    /// A file of this name under the target directory, for what can be found out again; `None` outside of a workspace.
    pub(crate) fn cache(&self, name: &str) -> Option<PathBuf> {
        let project = self.project.as_ref()?;
        Some(project.target().join("stairwell").join(format!("{}.{name}", project.key())))
    }

    /// A file as git has it at HEAD.
    pub(crate) fn committed(path: &Path) -> Option<Vec<u8>> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        git::ask(folder, &["show", &format!("HEAD:./{}", path.file_name()?.to_str()?)])
    }

    /// Eight hexadecimal digits that tell this project from others.
    pub(crate) fn key(&self) -> String {
        let of_folder = || Project::new(&self.folder, &self.folder).key();
        self.project.as_ref().map_or_else(of_folder, Project::key)
    }

    /// Whether the lock may be changed.
    pub(crate) fn lock_policy(&self, asked: Locked) -> LockPolicy {
        if asked.locked {
            LockPolicy::Frozen("`--locked` was given")
        } else if env::var("CI").is_ok_and(|ci| is_ci(&ci)) {
            LockPolicy::Frozen("`CI` is set, which implies `--locked`")
        } else if !is_writable(&self.folder) {
            LockPolicy::Frozen("the migrations folder cannot be written to, which implies `--locked`")
        } else {
            LockPolicy::Update
        }
    }

    /// The lock as git has it at HEAD; `None` where there is no git, no commit, or no lock in it. Where git fails in a repository
    /// (it refuses one of another owner, say), the lock as it is here: what might be committed counts as committed.
    pub(crate) fn committed_lock(&self) -> Option<String> {
        let shell = git::shell(&self.folder)?;
        let object = format!("HEAD:./{LOCK_FILE}");
        let output = git::command(&shell, &["show", &object]).output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let nothing = ["does not exist", "exists on disk, but not in", "invalid object name", "not a git repository"];
        if output.status.success() {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        } else if nothing.iter().any(|words| said.contains(words)) {
            None
        } else {
            std::fs::read_to_string(self.folder.join(LOCK_FILE)).ok()
        }
    }
}

/// ` by ann`, if the system says who runs this: the role in the database is often one for all. Empty where it does not.
pub(crate) fn by_whom() -> String {
    let named = |name: &&str| env::var(name).ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(named).map(|name| format!(" by {name}")).unwrap_or_default()
}

/// Reads `.env` of the current folder or, where that has none, of the workspace. What is set already stays.
fn load_dotenv(here: &Path, root: &Path) -> Result<(), Failure> {
    let Some(path) = [here, root].into_iter().map(|folder| folder.join(".env")).find(|path| path.is_file()) else {
        return Ok(());
    };
    dotenvy::from_path(&path).map_err(|error| {
        // dotenvy quotes what it could not read, which may hold a password; here it only tells the line's number.
        let (line, what) = match &error {
            dotenvy::Error::LineParse(unread, _) => (line_of(&path, unread), "the line cannot be read".to_owned()),
            other => (None, other.to_string()),
        };
        let place = line.map_or_else(|| path.display().to_string(), |line| format!("{}:{line}", path.display()));
        Failure::new(
            Code::Usage,
            format!("{what}\n --> {place}\n  = help: one `NAME=value` a line; quote a value with spaces or `#` in it"),
        )
    })
}

/// The number of the line, from 1, with which the text begins that could not be read.
fn line_of(path: &Path, unread: &str) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    let first = unread.lines().find(|line| !line.trim().is_empty())?.trim();
    // Of a value that cannot be read dotenvy gives what stands behind the `=`.
    Some(text.lines().position(|line| line.contains(first))? + 1)
}

fn same_folder(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Asked of the system: permission bits do not bind root and know nothing of a read-only mount, and a file written to try it would
/// make Cargo build the app again.
#[cfg(unix)]
fn is_writable(folder: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    accessat(CWD, folder, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

#[cfg(not(unix))]
fn is_writable(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|data| !data.permissions().readonly())
}
