//! `db drop`: the database with all its data.

use postgres::Client;
use postgres::error::SqlState;
use stairwell::postgres::Database;

use crate::context::Context;
use crate::db::backup::Backup;
use crate::db::guard::{self, Deed};
use crate::db::recreate::{identifier, maintenance, message, refuse_servers_own, unseen};
use crate::failure::{Code, Failure};
use crate::options::Confirm;
use crate::terminal::say;

const HELP: &str = "\
Sessions that are connected are ended. A database on this machine that is not marked (`db protect`) and that nobody calls production is dropped \
without a question; `db reset` makes a new one at once. The private server of this project makes its database again when a command needs it.

Exit codes: 0 dropped, or not there and `--if-exists` was given; 1 not there, or the server refused; 4 no connection to the server; \
5 not confirmed, and nothing was done.";

/// Drop the database with all its data
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Succeed where there is no such database
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    backup: Backup,
    #[command(flatten)]
    confirm: Confirm,
}

/// Its own setting `stairwell.environment`, in a row if it exists.
const LOOK: &str = "SELECT (SELECT pg_catalog.split_part(setting, '=', 2) \
     FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) AS setting \
     WHERE s.setdatabase OPERATOR(pg_catalog.=) d.oid AND s.setrole OPERATOR(pg_catalog.=) 0 \
     AND pg_catalog.lower(pg_catalog.split_part(setting, '=', 1)) OPERATOR(pg_catalog.=) 'stairwell.environment') \
     FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) $1";

/// What `server_version_num` is where `WITH (FORCE)` is known.
const FORCE: i32 = 130_000;

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let database = context.database()?;
    refuse_servers_own(&database)?;
    let mut looked = None;
    let look = || {
        let found = looked.insert(Found::look(&database)?);
        Ok(found.setting.clone())
    };
    guard::pass(Deed::Drop, &database, args.confirm.name(), || guard::mark(&database), look)?;
    let mut found = match looked {
        Some(found) => found,
        None => Found::look(&database)?,
    };
    if found.exists {
        args.backup.make(&database)?;
        return drop(&mut found.client, &database);
    }
    if args.if_exists {
        say(&format!("there is no {database}"));
        return Ok(());
    }
    Err(Failure::new(Code::Failed, format!("there is no {database}\n  = help: `--if-exists` takes that for success")))
}

/// The server, and what it has of the database.
struct Found {
    client: Client,
    exists: bool,
    /// Its own setting `stairwell.environment`.
    setting: Option<String>,
}

impl Found {
    fn look(database: &Database) -> Result<Self, Failure> {
        let mut client = maintenance(database)?;
        let row = client.query_opt(LOOK, &[&database.name()]).map_err(|error| unseen(&error))?;
        Ok(Self { client, exists: row.is_some(), setting: row.and_then(|row| row.get(0)) })
    }
}

fn drop(client: &mut Client, database: &Database) -> Result<(), Failure> {
    let refused = |error: postgres::Error| {
        let help = match error.code().map(SqlState::code) {
            Some("42501") => "\n  = help: connect as the owner of the database",
            Some("55006") => {
                "\n  = help: stop what is connected to it, or reads from it (a replication slot, a prepared transaction)"
            }
            _ => "",
        };
        let what = message(&error);
        Failure::new(Code::Failed, format!("dropping {database} failed, and nothing was dropped: {what}{help}"))
    };
    let name = identifier(database.name());
    let version = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4";
    let version: i32 = client.query_one(version, &[]).map_err(|error| unseen(&error))?.get(0);
    let statement = if version >= FORCE {
        format!("DROP DATABASE {name} WITH (FORCE)")
    } else {
        let end = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
             WHERE datname OPERATOR(pg_catalog.=) $1";
        client.execute(end, &[&database.name()]).map_err(refused)?;
        format!("DROP DATABASE {name}")
    };
    client.batch_execute(&statement).map_err(refused)?;
    say(&format!("dropped {database}"));
    Ok(())
}
