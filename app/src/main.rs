//! The example backend. It brings its database up to date from the migrations in the binary, and says what it does.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use stairwell::include_dir::{self, Dir, include_dir};
use stairwell::postgres::{Database, Migrator};
use stairwell::{MigrationSet, Target};

static MIGRATIONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../migrations");

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ERROR {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), Box<dyn std::error::Error>> {
    eprintln!("INFO Starting up; this build has migrations up to {}", env!("STAIRWELL_HEAD"));
    let set = MigrationSet::from_embedded(&MIGRATIONS)?;
    let database = database()?;
    eprintln!("INFO Running database migrations on {database}");
    let report = Migrator::new(&set)
        .program(concat!("app ", env!("CARGO_PKG_VERSION")))
        .on_event(|event| eprintln!("INFO {event}"))
        .up(&database, Target::Head)?;
    let head = report.head.unwrap_or_else(|| "no migration".to_owned());
    eprintln!("INFO Database migrations completed: {} applied, at {head}", report.done.len());
    Ok(())
}

/// `DATABASE_URL`, or libpq's variables; in debug builds the database that `cargo xtask db up` started, if neither is set.
fn database() -> Result<Database, Box<dyn std::error::Error>> {
    let variable = |name: &str| env::var(name).ok();
    if let Some(url) = variable("DATABASE_URL").filter(|url| !url.is_empty()) {
        return Ok(Database::parse(&url)?.with_defaults(variable)?);
    }
    if let Some(database) = Database::from_variables(variable)? {
        return Ok(database);
    }
    match stairwell::local::database_url(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        Some(url) => Ok(Database::parse(&url)?),
        None => Err("no database is configured\n  = help: set DATABASE_URL, or run `cargo xtask db up` first, which starts a private one".into()),
    }
}
