//! The one server of a test run: found, or started by the first process that needs it.
//!
//! Each process of the run holds a [`Lease`]; while none does, the server's [`watch`] ends it. So nothing depends on how a run ends: Ctrl-C, a
//! panic and `kill -9` all close the connection of the lease.

#[cfg(feature = "testcontainers")]
mod container;
pub(super) mod lease;
mod left_over;
mod local;
mod rendezvous;
mod watch;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use self::lease::Lease;
use self::rendezvous::Rendezvous;
use super::environment::{Environment, Keep, Way};
use super::error::TestingError;
use super::pool::Pool;
use super::spare::Spares;
use super::template::Recipe;
use crate::local::Project;
use crate::postgres::{Database, Password};
use crate::schema::quote::ident;
use crate::schema::strategy;

/// How often a template is made again that somebody else removes.
const AGAIN: usize = 5;

/// The server, and what this process knows of it.
pub(super) struct TestServer {
    /// The database that everyone is in who works on databases.
    pub(super) admin: Database,
    pub(super) keep: Keep,
    /// Tells this project's templates from those of others on a server that several have.
    pub(super) project: String,
    pub(super) pool: Arc<Pool>,
    /// How databases are copied, as the end of the statement.
    strategy: &'static str,
    /// On a server that ends with the tests. On somebody's own they would stay until the next run.
    spares: Option<Spares>,
    /// The number of this process' next database.
    next: AtomicU32,
    /// Given back when the process ends.
    lease: Lease,
}

impl TestServer {
    /// A name that no other database has: if this process is killed, the next one knows it for nobody's.
    pub(super) fn new_name(&self) -> String {
        format!("{}{}_{}", left_over::PREFIX, self.lease.token, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// A new database made by this recipe.
    pub(super) fn clone_of(&self, recipe: &Recipe) -> Result<Database, Arc<TestingError>> {
        let template = recipe.template(self)?;
        let name = match self.spares.as_ref().and_then(|spares| spares.take(&template, &self.pool)) {
            Some(name) => name,
            None => self.copy_now(recipe, &template)?,
        };
        if let Some(spares) = &self.spares {
            let copy = || {
                let name = self.new_name();
                let statement = self.copy(&name, &template);
                (name, statement)
            };
            spares.top_up(&template, &self.pool, copy).map_err(Arc::new)?;
        }
        Ok(self.admin.with_name(&name))
    }

    fn copy_now(&self, recipe: &Recipe, template: &str) -> Result<String, Arc<TestingError>> {
        let name = self.new_name();
        let clone = |template: &str| self.pool.send(&self.copy(&name, template));
        let mut outcome = clone(template);
        for _ in 0..AGAIN {
            match &outcome {
                // A process with newer migrations has removed the template of these.
                Err(TestingError::Refused { code, .. }) if code == "3D000" => {
                    outcome = clone(&recipe.template_again(self)?);
                }
                _ => break,
            }
        }
        outcome.map(|_| name).map_err(Arc::new)
    }

    /// The statement that makes a copy.
    pub(super) fn copy(&self, name: &str, template: &str) -> String {
        format!("CREATE DATABASE {} TEMPLATE {}{}", ident(name), ident(template), self.strategy)
    }

    /// The URL of a database of its.
    pub(super) fn url_of(&self, name: &str) -> String {
        self.admin.with_name(name).to_url(Password::Show)
    }
}

/// A server that runs.
struct Found {
    admin: Database,
    lease: Lease,
    /// Whether it ends when nobody uses it any more.
    ends: bool,
    /// What it is, for a person.
    what: String,
}

static SERVER: OnceLock<Result<TestServer, Arc<TestingError>>> = OnceLock::new();

/// The server of this process' tests.
pub(super) fn server() -> Result<&'static TestServer, Arc<TestingError>> {
    SERVER.get_or_init(|| open().map_err(Arc::new)).as_ref().map_err(Arc::clone)
}

fn open() -> Result<TestServer, TestingError> {
    let environment = Environment::read(|name| std::env::var(name).ok())?;
    let here = std::env::current_dir().unwrap_or_default();
    let project = Project::discover(&here).unwrap_or_else(|| Project::new(&here, &std::env::temp_dir())).for_tests();
    let found = find(&environment, &project)?;
    // Under nextest every test is a process, and each would say it.
    if std::env::var_os("NEXTEST").is_none() {
        eprintln!("test server: {}", found.what);
    }
    let pool = Arc::new(Pool::new(found.admin.clone()));
    left_over::remove_meanwhile(&pool)?;
    let strategy = pool.with(|session| Ok(strategy(session)?))?;
    Ok(TestServer {
        spares: found.ends.then(Spares::default),
        strategy,
        admin: found.admin,
        keep: environment.keep,
        project: project.key(),
        next: AtomicU32::new(1),
        pool,
        lease: found.lease,
    })
}

fn find(environment: &Environment, project: &Project) -> Result<Found, TestingError> {
    let mut tried = Vec::new();
    for way in environment.ways() {
        let found = match way {
            // Whoever names a server means it: no other takes its place.
            Way::Url => match &environment.url {
                Some(url) => return by_url(url),
                None => Err("TEST_DATABASE_URL is not set".to_owned()),
            },
            Way::Docker => by_docker(environment, project)?,
            Way::Local => by_local(project)?,
        };
        match found {
            Ok(found) => return Ok(found),
            Err(why) => tried.push((way.name(), why)),
        }
    }
    Err(TestingError::NoServer { tried })
}

fn by_url(url: &str) -> Result<Found, TestingError> {
    let admin = Database::parse(url)?.with_defaults(|name| std::env::var(name).ok())?;
    // It is nobody's to end here, so that nobody watches it.
    let lease = Lease::take(&admin)?.ok_or_else(|| TestingError::Ending(admin.to_string()))?;
    let what = format!("TEST_DATABASE_URL, {admin}");
    Ok(Found { admin, lease, ends: false, what })
}

#[cfg(feature = "testcontainers")]
fn by_docker(environment: &Environment, project: &Project) -> Result<Result<Found, String>, TestingError> {
    let image = &environment.image;
    let rendezvous = Rendezvous::at(project, format!("docker {image}"))?;
    rendezvous
        .meet(|| container::start(image, project.root()), format!("a container of {image}, through testcontainers"))
}

#[cfg(not(feature = "testcontainers"))]
fn by_docker(_: &Environment, _: &Project) -> Result<Result<Found, String>, TestingError> {
    Ok(
        Err("this build has no containers; the feature `testcontainers` of the crate `stairwell` brings them"
            .to_owned()),
    )
}

fn by_local(project: &Project) -> Result<Result<Found, String>, TestingError> {
    let rendezvous = Rendezvous::at(project, "local".to_owned())?;
    rendezvous.meet(|| local::start(project), "the Postgres that is installed here, a private server".to_owned())
}

/// What a program said, for a list of reasons.
#[cfg(feature = "testcontainers")]
fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.truncate(line.char_indices().nth(300).map_or(line.len(), |(at, _)| at));
    line
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TestingError {
    let path = path.display().to_string();
    move |source| TestingError::File { action, path, source }
}
