//! Databases that tests' databases are copies of: made once, by the first that needs one.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::error::TestingError;
use super::fixture::Fixture;
use super::migrations::Migrations;
use super::server::TestServer;
use crate::plan::{History, Target, resolve};
use crate::postgres::{Destructive, Ledger, Migrator, Session};
use crate::schema::quote::{ident, literal};
use crate::set::MigrationSet;

/// What their names begin with; the project's key and a digest of what made them follow.
const PREFIX: &str = "stairwell_tests_of_";

/// What their comments begin with; the project's key and what they are of follow. A database without it is not ours, whatever its name.
const MARK: &str = "stairwell copies this database for tests";

/// How many a project keeps on a server: for each group of fixtures one.
const KEPT: usize = 64;

/// The first key of the advisory lock under which one is made.
const LOCK: i32 = 0x5741_746d;

/// What a test's database has in it.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) migrations: Migrations,
    pub(super) ledger: Ledger,
    /// The newest migration that is applied, as a person names it; all, without.
    pub(super) at: Option<String>,
    pub(super) fixtures: Vec<Fixture>,
}

/// Those that this process has seen, or why there is none.
type Made = HashMap<String, Arc<OnceLock<Result<(), Arc<TestingError>>>>>;
static MADE: Mutex<Option<Made>> = Mutex::new(None);

impl Recipe {
    /// The name of the template, which is there when this returns.
    pub(super) fn template(&self, server: &TestServer) -> Result<String, Arc<TestingError>> {
        let name = self.name(server)?;
        let slot = {
            let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(made.get_or_insert_with(Made::new).entry(name.clone()).or_default())
        };
        // Threads wait for each other here, and processes in the server.
        slot.get_or_init(|| self.find_or_make(server, &name).map_err(Arc::new)).clone().map(|()| name)
    }

    /// The same when another process has removed it.
    pub(super) fn template_again(&self, server: &TestServer) -> Result<String, Arc<TestingError>> {
        let name = self.name(server)?;
        MADE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Made::new).remove(&name);
        self.template(server)
    }

    fn name(&self, server: &TestServer) -> Result<String, TestingError> {
        let mut name = format!("{PREFIX}{}_", server.project);
        for half in 0..2_u8 {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(half);
            // Another release may make another ledger.
            hasher.write(env!("CARGO_PKG_VERSION").as_bytes());
            self.migrations.hash(&mut hasher)?;
            hasher.write(self.ledger.to_string().as_bytes());
            hasher.write(self.at.as_deref().unwrap_or_default().as_bytes());
            for fixture in &self.fixtures {
                fixture.hash(&mut hasher);
            }
            // Together 63 characters and fewer.
            let _ = write!(name, "{:012x}", hasher.finish() >> 16);
        }
        Ok(name)
    }

    fn find_or_make(&self, server: &TestServer, name: &str) -> Result<(), TestingError> {
        let is_there = format!("SELECT FROM pg_database WHERE datname = {}", literal(name));
        if !server.pool.send(&is_there)?.is_empty() {
            return Ok(());
        }
        let digits = name.get(name.len().saturating_sub(8)..).unwrap_or_default();
        let key = u32::from_str_radix(digits, 16).unwrap_or_default().cast_signed();
        server.pool.with(|session| {
            // A process that is killed while it makes one gives the lock back, and what it has made is nobody's.
            session.send(&format!("SELECT pg_advisory_lock({LOCK}, {key})"))?;
            let outcome = match session.send(&is_there)?.as_slice() {
                [] => self.make(server, name),
                _ => Ok(()),
            };
            session.send(&format!("SELECT pg_advisory_unlock({LOCK}, {key})"))?;
            outcome
        })
    }

    fn make(&self, server: &TestServer, name: &str) -> Result<(), TestingError> {
        let raw = server.new_name();
        let set = self.migrations.set()?;
        let database = server.admin.with_name(&raw);
        // What a fixture's template has but for the fixture is a template, too.
        let plain = Self { fixtures: Vec::new(), ..self.clone() };
        if self.fixtures.is_empty() {
            server.pool.send(&format!("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", ident(&raw)))?;
            let made = self.migrate(&set, &database);
            or_drop(server, &raw, made)?;
        } else {
            let base = plain.name(server)?;
            plain.find_or_make(server, &base)?;
            server.pool.send(&server.copy(&raw, &base))?;
            let made = self.fixtures.iter().try_for_each(|fixture| fixture.load(&database));
            or_drop(server, &raw, made)?;
        }
        let what = self.what(&set);
        let comment =
            format!("{MARK} (project {}, {what}); remove it when you like, and it is made again", server.project);
        server.pool.send(&format!("COMMENT ON DATABASE {} IS {}", ident(&raw), literal(&comment)))?;
        // Whoever connects to a database first writes what the next need not look up, and a copy has that as well.
        drop(Session::open(&database)?);
        // Nobody connects to it, so that it can be copied at any time.
        server.pool.send(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", ident(&raw)))?;
        server.pool.send(&format!("ALTER DATABASE {} RENAME TO {}", ident(&raw), ident(name)))?;
        remove_stale(server, name, &what)
    }

    fn migrate(&self, set: &MigrationSet, database: &crate::postgres::Database) -> Result<(), TestingError> {
        let target = match &self.at {
            None => Target::Head,
            Some(at) => Target::Version(resolve(at, set, &History::default())?),
        };
        let mut migrator = Migrator::new(set)
            .ledger(self.ledger.clone())
            .program(super::database::PROGRAM)
            .destructive(Destructive::Allow);
        migrator.up(database, target).map(drop).map_err(|error| TestingError::Migration(Box::new(error)))
    }

    /// What two templates have in common of which one is an older state of the other.
    fn what(&self, set: &MigrationSet) -> String {
        // Two packages of a workspace may have migrations that begin alike.
        let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
        let mut what = format!("{package} from {}", set.migrations().first().map_or("nothing", |first| first.id()));
        if let Some(at) = &self.at {
            let _ = write!(what, " to {at}");
        }
        for fixture in &self.fixtures {
            let _ = write!(what, " with {}", fixture.name);
        }
        what
    }
}

fn or_drop(server: &TestServer, name: &str, made: Result<(), TestingError>) -> Result<(), TestingError> {
    if made.is_err() {
        server.pool.drop_database(name)?;
    }
    made
}

/// Removes what this one takes the place of, and the oldest of too many.
fn remove_stale(server: &TestServer, name: &str, what: &str) -> Result<(), TestingError> {
    let marked = |end: &str| literal(&format!("{MARK} (project {}, {end}", server.project));
    let ours = format!(
        "SELECT datname, starts_with(shobj_description(oid, 'pg_database'), {}) FROM pg_database WHERE datname <> {} AND pg_has_role(datdba, 'USAGE')
         AND starts_with(shobj_description(oid, 'pg_database'), {}) ORDER BY oid DESC",
        marked(&format!("{what})")),
        literal(name),
        marked("")
    );
    let rows = server.pool.send(&ours)?;
    for (n, row) in rows.iter().enumerate() {
        if let Some(old) = row.get(0).filter(|_| row.get(1) == Some("t") || n + 1 >= KEPT) {
            server.pool.drop_database(old)?;
        }
    }
    Ok(())
}
