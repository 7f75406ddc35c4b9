//! `db url`: where the database is, for other programs.

use serde::Serialize;
use stairwell::postgres::{Database, Password};

use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::json;
use crate::options::{Format, Output};
use crate::terminal::print;
use stairwell::server::Status;

const HELP: &str = "\
As libpq, and so psql, pg_dump, psycopg and most other programs read it, whatever the words were in which the database is configured. \
Nothing is connected to. With nothing configured it is the private server's, if that runs.

Exit codes: 0 printed; 4 nothing is configured, and the private server does not run.

Examples:
  pg_dump --schema-only \"$(cargo xtask db url)\"
  export DATABASE_URL=\"$(cargo xtask db url --with-password)\"";

/// Print the database's URL, for other programs
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// With the password, which is left out otherwise
    #[arg(long)]
    with_password: bool,
    #[command(flatten)]
    output: Output,
}

/// The document of `--json`.
#[derive(Serialize)]
struct Place {
    url: String,
    /// The first, where there are several; a socket's folder begins with `/`.
    host: Option<String>,
    port: u16,
    user: Option<String>,
    database: String,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let database = match context.configured()? {
        Some(database) => database,
        None => running(context)?.ok_or_else(|| {
            Failure::new(
                Code::NoDatabase,
                "no database is configured, and the private server does not run\n  \
                 = help: `cargo xtask db server start` starts it, and so does `cargo xtask db up`",
            )
        })?,
    };
    let password = if args.with_password { Password::Show } else { Password::Hide };
    let url = database.to_url(password);
    match args.output.format() {
        Format::Text => print(format_args!("{url}\n")),
        Format::Json => json::print(
            "url",
            &Place {
                url,
                host: database.hosts().into_iter().next(),
                port: database.port(),
                user: database.user().map(str::to_owned),
                database: database.name().to_owned(),
            },
        ),
    }
}

/// The private server's database, if that runs; nothing is started.
pub(super) fn running(context: &Context) -> Result<Option<Database>, Failure> {
    match context.server()?.status()? {
        Status::Running { url, .. } => Ok(Some(Database::parse(&url)?)),
        _ => Ok(None),
    }
}
