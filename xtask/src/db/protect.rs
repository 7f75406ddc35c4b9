//! `db protect`: marks the database with its environment.

use stairwell::MigrationSet;
use stairwell::postgres::{Database, Environment, Mark, Migrator, RunError};

use crate::context::Context;
use crate::db::guard::{self, Deed};
use crate::db::view::readable;
use crate::failure::Failure;
use crate::options::ConfirmMark;
use crate::terminal::say;

const HELP: &str = "\
The mark is kept in the database, in the ledger's schema: `db status` tells it, and so does `SELECT stairwell.ledger_environment()`. \
From then on `reset`, `drop`, `down`, `redo`, `repair`, `unprotect` and a `stamp` that takes rows out of the ledger want the environment's \
name, typed or as `--confirm <ENVIRONMENT>`, wherever the database is. And where STAIRWELL_ENV names another environment, nothing is run on \
it, by these commands or by the app. A `reset` keeps the mark. Only the role that owns the ledger can set it.

Exit codes: 0 marked, or it was so already; 1 the server refused; 4 no connection to the server; 5 it is marked as another environment, \
whose name was not given.

Examples:
  cargo xtask db protect production
  cargo xtask db protect staging --confirm production   what was a copy of production is staging now";

/// Mark the database with its environment, to be named before data is lost
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// What the database is, such as `production`: a to z, 0 to 9, `_` and `-`
    environment: Environment,
    #[command(flatten)]
    confirm: ConfirmMark,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let (database, environment) = (context.database()?, &args.environment);
    let mark = guard::mark(&database)?;
    match &mark {
        Some(mark) if mark.environment == *environment => {
            say(&format!("{database} is marked already: {}", in_words(mark)));
        }
        Some(old) => {
            let known = mark.clone();
            let was = guard::pass(Deed::Protect, &database, args.confirm.name(), || Ok(known), || Ok(None))?;
            write(&database, environment, was.as_ref())?;
            say(&format!("marked: {database} is `{environment}` now, and was `{}`", old.environment));
        }
        None => {
            write(&database, environment, None)?;
            say(&format!("marked: {database} is `{environment}`"));
        }
    }
    if let Some(here) = std::env::var("STAIRWELL_ENV").ok().filter(|here| !here.trim().is_empty())
        && !environment.is_named_by(&here)
    {
        say(&format!("note: STAIRWELL_ENV is `{}` here, so nothing is run on it from here", here.trim()));
    }
    Ok(())
}

fn write(database: &Database, environment: &Environment, instead_of: Option<&Environment>) -> Result<(), RunError> {
    Migrator::new(&MigrationSet::default()).protect(database, environment, instead_of)
}

/// Marks a database again that was dropped and created.
pub(super) fn again(database: &Database, environment: &Environment) -> Result<(), Failure> {
    write(database, environment, None).map_err(|error| {
        let why = Failure::from(error);
        let first =
            format!("{database} was created, and could not be marked as `{environment}` again: {}", why.message());
        let help = format!("`cargo xtask db protect {environment}`, then `cargo xtask db up`");
        Failure::new(why.code, format!("{first}\n  = help: {help}"))
    })?;
    say(&format!("marked {database} as `{environment}`, as it was"));
    Ok(())
}

/// `production, since 2026-11-22 19:30:00 UTC, by ann`.
pub(super) fn in_words(mark: &Mark) -> String {
    format!("{}, since {}, by {}", mark.environment, readable(&mark.since), mark.by)
}
