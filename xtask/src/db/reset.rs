//! `db reset`: drops the database, creates it, and applies everything.

use std::io::{BufRead, IsTerminal, stdin};

use stairwell::postgres::Database;
use stairwell::{OutOfOrder, Target};

use crate::cli::Reset;
use crate::context::Context;
use crate::db::recreate::{Existing, recreate};
use crate::db::up;
use crate::failure::{Code, Failure};
use crate::terminal::say;

/// Why a database must not be dropped without a word, if there is a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Danger {
    /// It is on another machine.
    Remote(String),
    /// Someone said that it is production; the words say where.
    Production(&'static str),
}

/// Names of an environment in which data matters.
fn is_production(environment: &str) -> bool {
    matches!(environment.trim().to_ascii_lowercase().as_str(), "production" | "prod" | "live")
}

/// What is known about the database; the marks are the values of `STAIRWELL_ENV` and of the database's own setting.
fn danger(database: &Database, variable: Option<&str>, setting: Option<&str>) -> Option<Danger> {
    if variable.is_some_and(is_production) {
        Some(Danger::Production("`STAIRWELL_ENV` says so"))
    } else if setting.is_some_and(is_production) {
        Some(Danger::Production("its setting `stairwell.environment` says so"))
    } else if database.is_loopback() {
        None
    } else {
        Some(Danger::Remote(database.hosts().join(", ")))
    }
}

pub(super) fn run(context: &Context, args: &Reset) -> Result<(), Failure> {
    let policy = context.lock_policy(args.locked);
    // First of all: a set that cannot be applied must not cost anyone a database.
    let inspection = up::checked(context, policy, OutOfOrder::Refuse)?;
    let database = context.database()?;
    let existing = Existing::look(&database)?;
    let setting = existing.as_ref().and_then(Existing::environment);
    let variable = std::env::var("STAIRWELL_ENV").ok();
    if let Some(danger) = danger(&database, variable.as_deref(), setting) {
        confirm(&database, &danger, args.confirm.as_deref())?;
    } else if args.confirm.as_deref().is_some_and(|name| name != database.name()) {
        return Err(wrong_name(&database));
    }
    recreate(&database, existing.as_ref())?;
    up::apply(context, &inspection, &database, policy, up::migrator(&inspection), Target::Head)
}

fn wrong_name(database: &Database) -> Failure {
    Failure::new(Code::Refused, format!("the name given is not that of {database}; nothing was done"))
}

fn confirm(database: &Database, danger: &Danger, given: Option<&str>) -> Result<(), Failure> {
    let why = match danger {
        Danger::Remote(host) => format!("it is not on this machine, but on {host}"),
        Danger::Production(who) => format!("it is production: {who}"),
    };
    let name = database.name();
    match given {
        Some(given) if given == name => Ok(()),
        Some(_) => Err(wrong_name(database)),
        None if stdin().is_terminal() => {
            say(&format!("{database} would be dropped with all its data, and {why}.\nType its name to go on:"));
            let mut typed = String::new();
            // Nothing read is a wrong name.
            let _ = stdin().lock().read_line(&mut typed);
            if typed.trim() == name { Ok(()) } else { Err(wrong_name(database)) }
        }
        None => Err(Failure::new(
            Code::Refused,
            format!(
                "reset would drop {database} with all its data, and {why}; nothing was done\n  = help: if that is what you want: `cargo xtask db reset --confirm {name}`"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(url: &str) -> Database {
        Database::parse(url).unwrap()
    }

    #[test]
    fn only_a_database_of_this_machine_that_nobody_calls_production_is_dropped_without_a_word() {
        let (here, there) = (database("postgresql://localhost/shop"), database("postgresql://db.example/shop"));
        assert_eq!(danger(&here, None, None), None);
        assert_eq!(danger(&here, Some("development"), Some("staging")), None);
        assert_eq!(danger(&there, None, None), Some(Danger::Remote("db.example".into())));
        assert!(matches!(danger(&here, Some("Production"), None), Some(Danger::Production(_))));
        assert!(matches!(danger(&here, None, Some("prod")), Some(Danger::Production(_))));
    }

    #[test]
    fn a_wrong_name_is_refused() {
        let there = database("postgresql://db.example/shop");
        let danger = Danger::Remote("db.example".into());
        assert!(confirm(&there, &danger, Some("shop")).is_ok());
        assert_eq!(confirm(&there, &danger, Some("Shop")).unwrap_err().code, Code::Refused);
    }
}
