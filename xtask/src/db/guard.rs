//! What keeps `reset`, `drop`, `down` and `redo` from a database whose data matters.
//!
//! Where it is not on this machine, or someone calls it production, they want its name: as `--confirm <name>`, or typed by a person. Only a
//! person is asked. Variables that say otherwise are no proof of anything, so they can only take the question away, and never give leave.

use std::io::{BufRead, IsTerminal, stdin};

use postgres::SimpleQueryMessage;
use stairwell::build::is_ci;
use stairwell::postgres::Database;

use crate::failure::{Code, Failure};
use crate::terminal::say;

/// What a command is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Reset,
    Drop,
    Down,
    Redo,
    Stamp,
}

impl Deed {
    /// `down would …`, in words for a person.
    fn would(self, database: &Database) -> String {
        match self {
            Self::Reset => format!("reset would drop {database} with all its data"),
            Self::Drop => format!("drop would drop {database} with all its data"),
            Self::Down => format!("down would undo migrations of {database}, with the data in what they made"),
            Self::Stamp => {
                format!("stamp would take rows out of the ledger of {database}, with the scripts that it kept in them")
            }
            Self::Redo => format!("redo would undo migrations of {database}, with the data in what they made"),
        }
    }
}

/// Why that needs a word, if there is a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Danger {
    /// It is on another machine.
    Remote(String),
    /// Someone said that it is production; the words say where.
    Production(&'static str),
}

/// The mark that `ALTER DATABASE … SET stairwell.environment = '…'` leaves. Read from the catalog: a session can set it to anything.
const MARK: &str = "SELECT pg_catalog.split_part(setting, '=', 2) \
     FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, \
     pg_catalog.unnest(s.setconfig) AS setting \
     WHERE d.datname = pg_catalog.current_database() AND s.setrole = 0 \
     AND pg_catalog.lower(pg_catalog.split_part(setting, '=', 1)) = 'stairwell.environment'";

/// What coding agents set for the commands that they run: the names that several of them agree on, then one each. Whoever is missing has no
/// terminal on its standard input, as a rule, and is not asked for that reason.
const AGENTS: [&str; 8] =
    ["AI_AGENT", "AGENT", "CLAUDECODE", "CODEX_THREAD_ID", "COPILOT_CLI", "CURSOR_AGENT", "GEMINI_CLI", "OPENCODE"];

/// Names of an environment in which data matters.
fn is_production(environment: &str) -> bool {
    matches!(environment.trim().to_ascii_lowercase().as_str(), "production" | "prod" | "live")
}

/// What is known about the database; the marks are the values of `STAIRWELL_ENV` and of the database's own setting, which is asked for
/// only where it decides.
fn danger(
    database: &Database,
    variable: Option<&str>,
    mark: impl FnOnce() -> Result<Option<String>, Failure>,
) -> Result<Option<Danger>, Failure> {
    if variable.is_some_and(is_production) {
        return Ok(Some(Danger::Production("`STAIRWELL_ENV` says so")));
    }
    if !database.is_loopback() {
        return Ok(Some(Danger::Remote(database.hosts().join(", "))));
    }
    let is_marked = mark()?.as_deref().is_some_and(is_production);
    Ok(is_marked.then_some(Danger::Production("its setting `stairwell.environment` says so")))
}

/// Why there is no person to ask, if there is none.
fn nobody_to_ask(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is_set = |name: &&str| variable(name).is_some_and(|value| is_ci(&value));
    if is_set(&"CI") {
        Some("`CI` is set".to_owned())
    } else if let Some(agent) = AGENTS.iter().find(|name| is_set(name)) {
        Some(format!("`{agent}` is set, so an agent runs this"))
    } else {
        (!is_terminal).then(|| "there is no terminal".to_owned())
    }
}

/// Refuses what is dangerous and not confirmed. `mark` gives the database's own setting, see [`mark`].
pub(super) fn pass(
    deed: Deed,
    database: &Database,
    confirm: Option<&str>,
    mark: impl FnOnce() -> Result<Option<String>, Failure>,
) -> Result<(), Failure> {
    match confirm {
        Some(name) if name == database.name() => return Ok(()),
        Some(_) => return Err(wrong_name(database)),
        None => {}
    }
    let variable = |name: &str| std::env::var(name).ok();
    let Some(danger) = danger(database, variable("STAIRWELL_ENV").as_deref(), mark)? else { return Ok(()) };
    let (would, why) = (deed.would(database), reason(&danger));
    if let Some(silence) = nobody_to_ask(stdin().is_terminal(), variable) {
        return Err(refused(&would, &why, &silence, database.name()));
    }
    if read(&format!("{would}, and {why}.\nType its name to go on:")) == database.name() {
        Ok(())
    } else {
        Err(wrong_name(database))
    }
}

/// What came of a question.
pub(super) enum Answer {
    /// What was typed, without white space around it.
    Said(String),
    /// There is no person, and why.
    NobodyToAsk(String),
}

/// Asks a person.
pub(super) fn ask(question: &str) -> Answer {
    match nobody_to_ask(stdin().is_terminal(), |name| std::env::var(name).ok()) {
        Some(why) => Answer::NobodyToAsk(why),
        None => Answer::Said(read(question)),
    }
}

fn read(question: &str) -> String {
    say(question);
    let mut typed = String::new();
    // Nothing read is the answer of one who said nothing.
    let _ = stdin().lock().read_line(&mut typed);
    typed.trim().to_owned()
}

fn reason(danger: &Danger) -> String {
    match danger {
        Danger::Remote(host) => format!("it is not on this machine, but on {host}"),
        Danger::Production(who) => format!("it is production: {who}"),
    }
}

fn refused(would: &str, why: &str, silence: &str, name: &str) -> Failure {
    Failure::new(
        Code::Refused,
        format!(
            "{would}, and {why}; nothing was done\n  = note: nobody was asked for its name, because {silence}\n  = help: if that is what you want: the same command with `--confirm {name}`"
        ),
    )
}

fn wrong_name(database: &Database) -> Failure {
    Failure::new(Code::Refused, format!("the name given is not that of {database}; nothing was done"))
}

/// The database's own mark, read from itself: in one message, so that it works through a pooler, whose next client sees nothing of the
/// search path, and with nothing named that another schema could have.
pub(super) fn mark(database: &Database) -> Result<Option<String>, Failure> {
    let question = format!("BEGIN; SET LOCAL search_path = pg_catalog, pg_temp; {MARK}; COMMIT");
    let replies = database.connect()?.simple_query(&question).map_err(|error| {
        let what = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        Failure::new(Code::Failed, format!("looking at the database failed, and nothing was done: {what}"))
    })?;
    Ok(replies.iter().find_map(|reply| match reply {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(url: &str) -> Database {
        Database::parse(url).unwrap()
    }

    #[test]
    fn only_a_database_of_this_machine_that_nobody_calls_production_loses_data_without_a_word() {
        let (here, there) = (database("postgresql://localhost/shop"), database("postgresql://db.example/shop"));
        let danger = |database, variable, mark: Option<&str>| {
            danger(database, variable, || Ok(mark.map(str::to_owned))).unwrap()
        };
        assert_eq!(danger(&here, None, None), None);
        assert_eq!(danger(&here, Some("development"), Some("staging")), None);
        assert_eq!(danger(&there, None, None), Some(Danger::Remote("db.example".into())));
        assert!(matches!(danger(&here, Some("Production"), None), Some(Danger::Production(_))));
        assert!(matches!(danger(&here, None, Some("prod")), Some(Danger::Production(_))));
    }

    #[test]
    fn a_mark_that_cannot_be_read_gives_no_leave() {
        let here = database("postgresql://localhost/shop");
        let unread = || Err(Failure::new(Code::NoDatabase, "gone"));
        assert_eq!(pass(Deed::Down, &here, None, unread).unwrap_err().code, Code::NoDatabase);
    }

    #[test]
    fn a_wrong_name_is_refused_and_the_right_one_needs_nothing_else() {
        for url in ["postgresql://db.example/shop", "postgresql://localhost/shop"] {
            let pass = |name| pass(Deed::Reset, &database(url), Some(name), || Ok(None));
            assert!(pass("shop").is_ok());
            for wrong in ["Shop", "", "shop "] {
                assert_eq!(pass(wrong).unwrap_err().code, Code::Refused);
            }
        }
    }

    #[test]
    fn only_a_person_at_a_terminal_is_asked() {
        let with =
            |name: &'static str, value: &'static str| move |asked: &str| (asked == name).then(|| value.to_owned());
        assert_eq!(nobody_to_ask(true, |_| None), None);
        assert_eq!(nobody_to_ask(true, with("CI", "false")), None);
        assert_eq!(nobody_to_ask(true, with("CLAUDECODE", "")), None);
        assert_eq!(nobody_to_ask(false, |_| None).as_deref(), Some("there is no terminal"));
        assert_eq!(nobody_to_ask(true, with("CI", "true")).as_deref(), Some("`CI` is set"));
        for agent in AGENTS {
            assert!(nobody_to_ask(true, with(agent, "1")).is_some_and(|why| why.contains(agent)), "{agent}");
        }
    }
}
