//! What a test holds.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::environment::Keep;
use super::error::TestingError;
use super::fixture::Fixture;
use super::kept;
use super::migrations::Migrations;
use super::server::{TestServer, server};
use super::template::Recipe;
use super::thread::{blocking, off_the_runtime};
use crate::plan::Target;
use crate::postgres::{Database, Destructive, Ledger, Migrator, Report, RunError};

/// What the ledger names as the program.
pub(super) const PROGRAM: &str = concat!("stairwell tests ", env!("CARGO_PKG_VERSION"));

/// A database of a test's own, with the migrations applied. It goes when this is dropped.
///
/// ```no_run
/// use stairwell::testing::TestDatabase;
///
/// #[test]
/// # fn hidden() {}
/// fn a_user_can_join() {
///     let db = TestDatabase::new("migrations");
///     db.client().execute("INSERT INTO users (email) VALUES ('ann@example.org')", &[]).unwrap();
/// }
/// ```
///
/// Dropping it does not wait for the server. Where the thread panics at that moment, which is how a test fails, it stays, and its URL is
/// printed ([`Keep`]).
pub struct TestDatabase(Arc<Held>);

/// What [`TestDatabase`] shares with [`run`](super::run), which outlives it to know how the test ended.
pub(super) struct Held {
    server: &'static TestServer,
    database: Database,
    recipe: Recipe,
    test: String,
    failed: AtomicBool,
    keep: Keep,
}

/// How a [`TestDatabase`] is made.
#[derive(Debug, Clone)]
#[must_use = "nothing is made before `create`"]
pub struct Builder {
    recipe: Recipe,
    keep: Option<Keep>,
}

impl TestDatabase {
    /// A database with all of these migrations: `&MIGRATIONS` of `include_dir!`, a set, or a folder.
    ///
    /// # Panics
    ///
    /// With what is wrong and what to do: it is for tests. [`Builder::try_create`] returns it.
    #[track_caller]
    pub fn new(migrations: impl Into<Migrations>) -> Self {
        Self::builder(migrations).create()
    }

    /// The same for async tests: it waits without holding up the thread.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub async fn new_async(migrations: impl Into<Migrations>) -> Self {
        Self::builder(migrations).create_async().await
    }

    /// A database as it was when this migration was the newest: a version, the beginning of one, or a name. With rows of that time in it,
    /// [`up`](Self::up) shows what becomes of them.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[track_caller]
    pub fn at(migrations: impl Into<Migrations>, migration: impl Into<String>) -> Self {
        Self::builder(migrations).at(migration).create()
    }

    /// One that differs from the usual.
    pub fn builder(migrations: impl Into<Migrations>) -> Builder {
        let recipe =
            Recipe { migrations: migrations.into(), ledger: Ledger::default(), at: None, fixtures: Vec::new() };
        Builder { recipe, keep: None }
    }

    /// Where it is: for `Migrator`, `Startup`, and `pool_parts`.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// Its URL, with the password.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// A connection to it.
    ///
    /// # Panics
    ///
    /// Where there is none to be had.
    #[track_caller]
    pub fn client(&self) -> postgres::Client {
        match self.0.database.connect() {
            Ok(client) => client,
            Err(error) => panic!("{error}"),
        }
    }

    /// Applies pending migrations, for a database that was made [`at`](Builder::at) an earlier one and has rows by now.
    ///
    /// Fails with what went wrong, as `cargo xtask db up` prints it.
    pub fn up(&self, target: Target) -> Result<Report, TestingError> {
        self.0.run(|migrator, database| migrator.up(database, target))
    }

    /// Undoes migrations.
    pub fn down(&self, target: Target) -> Result<Report, TestingError> {
        self.0.run(|migrator, database| migrator.down(database, target))
    }

    pub(super) fn held(&self) -> &Arc<Held> {
        &self.0
    }
}

impl Builder {
    /// Another schema and table for the ledger.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.recipe.ledger = ledger;
        self
    }

    /// The schema as it was when this migration was the newest: a version, the beginning of one, or a name.
    pub fn at(mut self, migration: impl Into<String>) -> Self {
        self.recipe.at = Some(migration.into());
        self
    }

    /// Statements that are run when the schema stands, once for all tests that begin with the same ones.
    pub fn fixture(mut self, name: impl Into<String>, sql: impl Into<String>) -> Self {
        self.recipe.fixtures.push(Fixture::sql(name.into(), sql.into()));
        self
    }

    /// The same from a file, as seen from the package's own folder, where Cargo runs tests.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    #[track_caller]
    pub fn fixture_file(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        match std::fs::read_to_string(path) {
            Ok(sql) => self.fixture(path.display().to_string(), sql),
            Err(error) => panic!("the fixture cannot be read\n  --> {}\n   = {error}", path.display()),
        }
    }

    /// The same from code. Its name tells it from others; it is run again after every build of the test.
    pub fn fixture_with(
        mut self,
        name: impl Into<String>,
        code: impl Fn(&mut postgres::Client) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.recipe.fixtures.push(Fixture::code(name.into(), Arc::new(code)));
        self
    }

    /// Whether it stays when the test has ended, whatever `STAIRWELL_TEST_KEEP` says.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Makes it.
    ///
    /// # Panics
    ///
    /// With what is wrong and what to do.
    #[track_caller]
    pub fn create(self) -> TestDatabase {
        match self.try_create() {
            Ok(database) => database,
            Err(error) => panic!("{error}"),
        }
    }

    /// Makes it, or says what is wrong.
    pub fn try_create(self) -> Result<TestDatabase, Arc<TestingError>> {
        let test = test_name();
        blocking(|| self.make(test))
    }

    /// Makes it without holding up the thread.
    ///
    /// # Panics
    ///
    /// With what is wrong and what to do.
    pub async fn create_async(self) -> TestDatabase {
        let test = test_name();
        match off_the_runtime(move || self.make(test)).await {
            Ok(database) => database,
            Err(error) => panic!("{error}"),
        }
    }

    fn make(self, test: String) -> Result<TestDatabase, Arc<TestingError>> {
        let server = server()?;
        let database = server.clone_of(&self.recipe)?;
        let keep = self.keep.unwrap_or(server.keep);
        let held = Held { server, database, recipe: self.recipe, test, failed: AtomicBool::new(false), keep };
        Ok(TestDatabase(Arc::new(held)))
    }
}

impl Held {
    fn url(&self) -> String {
        self.server.url_of(self.database.name())
    }

    /// Notes that the test failed without a panic.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    fn run(
        &self,
        work: impl FnOnce(&mut Migrator<'_>, &Database) -> Result<Report, RunError> + Send,
    ) -> Result<Report, TestingError> {
        blocking(|| {
            let set = self.recipe.migrations.set()?;
            // A test that loses data means to.
            let mut migrator =
                Migrator::new(&set).ledger(self.recipe.ledger.clone()).program(PROGRAM).destructive(Destructive::Allow);
            work(&mut migrator, &self.database).map_err(|error| TestingError::Migration(Box::new(error)))
        })
    }

    fn stays(&self) -> bool {
        match self.keep {
            Keep::Always => true,
            Keep::Failed => std::thread::panicking() || self.failed.load(Ordering::Relaxed),
            Keep::Never => false,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let stays = self.stays();
        let name = self.database.name();
        let pool = &self.server.pool;
        let outcome = blocking(|| if stays { kept::keep(pool, name, &self.test) } else { pool.drop_database(name) });
        match outcome {
            Ok(()) if stays => eprintln!("stairwell: the database of {} stays for an hour: {}", self.test, self.url()),
            Ok(()) => {}
            Err(error) => eprintln!("stairwell: the database {} of {} stays behind: {error}", name, self.test),
        }
    }
}

/// The test that runs: its thread is named after it. One that has a thread of another name says so with the package's.
fn test_name() -> String {
    let thread = std::thread::current();
    match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        // Under nextest a test may run on the main thread.
        _ => std::env::var("NEXTEST_TEST_NAME").unwrap_or_else(|_| "a test".to_owned()),
    }
}

impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestDatabase({})", self.0.database)
    }
}
