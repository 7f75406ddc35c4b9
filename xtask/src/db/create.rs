//! `db create`: an empty database.

use postgres::error::SqlState;
use stairwell::postgres::Database;

use crate::context::Context;
use crate::db::recreate::{identifier, literal, maintenance, message, unseen};
use crate::failure::{Code, Failure};
use crate::terminal::say;

const HELP: &str = "\
The database is the one that the URL or PGDATABASE names. A server makes it when another of its databases is asked, so the role has to be \
able to connect to `postgres` or `template1`, and to have CREATEDB. The private server of this project makes its database by itself.

Exit codes: 0 created, or there already; 1 the server refused; 4 no connection to the server.

Examples:
  cargo xtask db create && cargo xtask db up
  cargo xtask db create --owner app --template template0 --encoding UTF8";

/// Create the database, if it does not exist
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// The role that owns it [default: the one that connects]
    #[arg(long, value_name = "ROLE")]
    owner: Option<String>,
    /// The database that it is a copy of [default: the server's, `template1`]
    #[arg(long, value_name = "DATABASE")]
    template: Option<String>,
    /// Its encoding, such as UTF8; another than the template's wants `--template template0` [default: the template's]
    #[arg(long)]
    encoding: Option<String>,
}

impl Args {
    fn statement(&self, name: &str) -> String {
        let clauses = [
            self.owner.as_deref().map(|owner| format!(" OWNER {}", identifier(owner))),
            self.template.as_deref().map(|template| format!(" TEMPLATE {}", identifier(template))),
            self.encoding.as_deref().map(|encoding| format!(" ENCODING {}", literal(encoding))),
        ];
        format!("CREATE DATABASE {}{}", identifier(name), clauses.into_iter().flatten().collect::<String>())
    }

    fn says_how(&self) -> bool {
        self.owner.is_some() || self.template.is_some() || self.encoding.is_some()
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let database = context.database()?;
    let mut client = maintenance(&database)?;
    let exists = "SELECT FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1";
    if client.query_opt(exists, &[&database.name()]).map_err(|error| unseen(&error))?.is_some() {
        say_it_exists(&database, args);
        return Ok(());
    }
    match client.batch_execute(&args.statement(database.name())) {
        Ok(()) => say(&format!("created {database}")),
        // Someone was quicker: between two that try at once, the server may also see only the key of its catalog.
        Err(error) if matches!(error.code().map(SqlState::code), Some("42P04" | "23505")) => {
            say_it_exists(&database, args);
        }
        Err(error) => {
            let help = match error.code().map(SqlState::code) {
                Some("42501") => {
                    "\n  = help: the role needs CREATEDB, and to be a member of the owner: as a superuser `ALTER ROLE … CREATEDB`"
                }
                Some("22023") => "\n  = help: another encoding than that of the template wants `--template template0`",
                Some("55006") => {
                    "\n  = help: someone is connected to the template; `--template template0` lets no one in"
                }
                _ => "",
            };
            return Err(Failure::new(Code::Failed, format!("{database} cannot be created: {}{help}", message(&error))));
        }
    }
    Ok(())
}

fn say_it_exists(database: &Database, args: &Args) {
    let as_it_is = if args.says_how() { "; it stays as it is" } else { "" };
    say(&format!("{database} exists already{as_it_is}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let args =
            Args { owner: Some("a\"b".into()), template: Some("template0".into()), encoding: Some("UTF'8".into()) };
        assert_eq!(
            args.statement("my shop"),
            r#"CREATE DATABASE "my shop" OWNER "a""b" TEMPLATE "template0" ENCODING 'UTF''8'"#
        );
    }
}
