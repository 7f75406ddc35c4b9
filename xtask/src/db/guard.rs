//! What keeps `reset`, `drop`, `down`, `redo`, `stamp` and `repair` from a database whose data matters.
//!
//! One that `db protect` marked wants the name of its environment; where one that is not marked is not on this machine, or someone calls it
//! production, it wants its own name: as `--confirm <name>`, or typed by a person. Only a person is asked. Variables that say otherwise are
//! no proof of anything, so they can only take the question away, and never give leave.

use std::io::{BufRead, IsTerminal, stdin};

use postgres::SimpleQueryMessage;
use stairwell::MigrationSet;
use stairwell::build::is_ci;
use stairwell::postgres::{Database, Environment, Mark, Migrator, RunErrorKind};

use crate::db::recreate::is_invalid;
use crate::failure::{Code, Failure};
use crate::options::Confirm;
use crate::terminal::say;

/// What a command is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Reset,
    Drop,
    Down,
    Redo,
    Stamp,
    Repair,
    /// Another mark.
    Protect,
    Unprotect,
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
            Self::Repair => {
                format!("repair would write over scripts that the ledger of {database} kept of what was applied")
            }
            Self::Protect => format!("protect would mark {database} as another environment than it is marked as"),
            Self::Unprotect => format!("unprotect would take the mark from {database}"),
        }
    }
}

/// Why that needs a word, if there is a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Danger {
    /// `db protect` marked it.
    Marked(Environment),
    /// It is on another machine.
    Remote(String),
    /// Someone said that it is production; the words say where.
    Production(&'static str),
}

impl Danger {
    /// The name that is the word. Databases are called the same in every environment, so where it is known it is the environment's.
    fn word<'a>(&'a self, database: &'a Database) -> &'a str {
        match self {
            Self::Marked(environment) => environment.as_str(),
            Self::Remote(_) | Self::Production(_) => database.name(),
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::Marked(environment) => format!("it is marked as `{environment}`"),
            Self::Remote(host) => format!("it is not on this machine, but on {host}"),
            Self::Production(who) => format!("it is production: {who}"),
        }
    }

    /// Whose name the word is.
    fn whose(&self) -> &'static str {
        match self {
            Self::Marked(_) => "the environment's",
            Self::Remote(_) | Self::Production(_) => "its",
        }
    }
}

/// The setting that `ALTER DATABASE … SET stairwell.environment = '…'` leaves. Read from the catalog: a session can set it to anything.
const SETTING: &str = "SELECT pg_catalog.split_part(setting, '=', 2) \
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

/// Why a database that is not marked needs a word: by the value of `STAIRWELL_ENV`, its place, and its own setting, which is asked for only
/// where it decides.
fn danger(
    database: &Database,
    variable: Option<&str>,
    setting: impl FnOnce() -> Result<Option<String>, Failure>,
) -> Result<Option<Danger>, Failure> {
    if variable.is_some_and(is_production) {
        return Ok(Some(Danger::Production("`STAIRWELL_ENV` says so")));
    }
    if !database.is_loopback() {
        return Ok(Some(Danger::Remote(database.hosts().join(", "))));
    }
    let is_production = setting()?.as_deref().is_some_and(is_production);
    Ok(is_production.then_some(Danger::Production("its setting `stairwell.environment` says so")))
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

/// Refuses what is dangerous and not confirmed, and all that is for another environment than the database's. It gives the environment whose
/// name was the word, which the deed is to be held to. `mark` and `setting` read the database's own, see [`mark`] and [`setting`].
pub(super) fn pass(
    deed: Deed,
    database: &Database,
    confirm: Option<&str>,
    mark: impl FnOnce() -> Result<Option<Mark>, Failure>,
    setting: impl FnOnce() -> Result<Option<String>, Failure>,
) -> Result<Option<Environment>, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let configured = variable("STAIRWELL_ENV");
    let silence = || nobody_to_ask(stdin().is_terminal(), variable);
    let would = deed.would(database);
    let danger = match mark() {
        Ok(Some(mark)) => {
            agree(database, &mark.environment, configured.as_deref())?;
            Some(Danger::Marked(mark.environment))
        }
        // Then nothing else has to be known.
        Ok(None) if confirm == Some(database.name()) => return Ok(None),
        Ok(None) => danger(database, configured.as_deref(), setting)?,
        // Nobody can be asked either, so it makes no difference that it cannot be reached.
        Err(unread) => match (danger(database, configured.as_deref(), || Ok(None))?, silence()) {
            (Some(danger), Some(silence)) if confirm.is_none() && unread.code == Code::NoDatabase => {
                return Err(refused(&would, &danger, &silence, database));
            }
            _ => return Err(unread),
        },
    };
    let word = danger.as_ref().map_or(database.name(), |danger| danger.word(database));
    match (confirm, &danger) {
        (Some(name), _) if name == word => {}
        (Some(_), _) => return Err(wrong_name(danger.as_ref(), database)),
        (None, None) => {}
        (None, Some(danger)) => {
            if let Some(silence) = silence() {
                return Err(refused(&would, danger, &silence, database));
            }
            let question = format!("{would}, and {}.\nType {} name to go on:", danger.reason(), danger.whose());
            if read(&question) != word {
                return Err(wrong_name(Some(danger), database));
            }
        }
    }
    Ok(danger.and_then(|danger| match danger {
        Danger::Marked(environment) => Some(environment),
        Danger::Remote(_) | Danger::Production(_) => None,
    }))
}

/// The same where nothing is known of the database yet: it is asked.
pub(super) fn look_and_pass(
    deed: Deed,
    database: &Database,
    confirm: &Confirm,
) -> Result<Option<Environment>, Failure> {
    pass(deed, database, confirm.name(), || mark(database), || setting(database))
}

/// Refuses where `STAIRWELL_ENV` names another environment than the database is marked with, in the words of a run.
fn agree(database: &Database, marked: &Environment, configured: Option<&str>) -> Result<(), Failure> {
    match configured.map(str::trim).filter(|name| !name.is_empty()) {
        Some(configured) if !marked.is_named_by(configured) => {
            let kind = RunErrorKind::Environment {
                database: database.to_string(),
                marked: marked.to_string(),
                configured: configured.to_owned(),
            };
            Err(Failure::new(Code::Refused, kind.to_string()))
        }
        _ => Ok(()),
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

/// Whether there is a person who could be asked.
pub(super) fn is_attended() -> bool {
    nobody_to_ask(stdin().is_terminal(), |name| std::env::var(name).ok()).is_none()
}

fn read(question: &str) -> String {
    say(question);
    let mut typed = String::new();
    // Nothing read is the answer of one who said nothing.
    let _ = stdin().lock().read_line(&mut typed);
    typed.trim().to_owned()
}

fn refused(would: &str, danger: &Danger, silence: &str, database: &Database) -> Failure {
    let (why, whose, word) = (danger.reason(), danger.whose(), danger.word(database));
    Failure::new(
        Code::Refused,
        format!(
            "{would}, and {why}; nothing was done\n  = note: nobody was asked for {whose} name, because {silence}\n  = help: if that is what you want: the same command with `--confirm {word}`"
        ),
    )
}

fn wrong_name(danger: Option<&Danger>, database: &Database) -> Failure {
    let text = match danger {
        Some(Danger::Marked(environment)) => format!(
            "the name given is not `{environment}`, which {database} is marked as; nothing was done\n  = note: databases are called the same in every environment, so it is the environment's name that is wanted"
        ),
        _ => format!("the name given is not that of {database}; nothing was done"),
    };
    Failure::new(Code::Refused, text)
}

/// What `db protect` left in the database; nothing where there is no such database, or one that was dropped half-way, which nobody can
/// connect to.
pub(super) fn mark(database: &Database) -> Result<Option<Mark>, Failure> {
    let error = match Migrator::new(&MigrationSet::default()).mark(database) {
        Ok(mark) => return Ok(mark),
        Err(error) => error,
    };
    match &error.kind {
        RunErrorKind::Connect(refused) if refused.sqlstate() == Some("3D000") => Ok(None),
        RunErrorKind::Connect(refused) if refused.sqlstate() == Some("55000") && is_invalid(database)? => Ok(None),
        _ => Err(error.into()),
    }
}

/// The database's own setting, read from itself: in one message, so that it works through a pooler, whose next client sees nothing of the
/// search path, and with nothing named that another schema could have.
pub(super) fn setting(database: &Database) -> Result<Option<String>, Failure> {
    let question = format!("BEGIN; SET LOCAL search_path = pg_catalog, pg_temp; {SETTING}; COMMIT");
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

    fn marked(environment: &str) -> Mark {
        let (since, by) = ("2026-11-22T19:30:00Z".to_owned(), "ann".to_owned());
        Mark { environment: environment.parse().unwrap(), since, by }
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
        assert_eq!(pass(Deed::Down, &here, None, unread, || Ok(None)).unwrap_err().code, Code::NoDatabase);
        let unread = || Err(Failure::new(Code::NoDatabase, "gone"));
        assert_eq!(pass(Deed::Down, &here, None, || Ok(None), unread).unwrap_err().code, Code::NoDatabase);
        // Nor does the name of a database that may be marked.
        let unread = || Err(Failure::new(Code::NoDatabase, "gone"));
        assert_eq!(pass(Deed::Down, &here, Some("shop"), unread, || Ok(None)).unwrap_err().code, Code::NoDatabase);
    }

    #[test]
    fn a_wrong_name_is_refused_and_the_right_one_needs_nothing_else() {
        for url in ["postgresql://db.example/shop", "postgresql://localhost/shop"] {
            let pass = |name| pass(Deed::Reset, &database(url), Some(name), || Ok(None), || Ok(None));
            assert!(pass("shop").is_ok());
            for wrong in ["Shop", "", "shop "] {
                assert_eq!(pass(wrong).unwrap_err().code, Code::Refused);
            }
        }
    }

    #[test]
    fn one_that_is_marked_wants_its_environments_name_wherever_it_is() {
        for url in ["postgresql://db.example/shop", "postgresql://localhost/shop"] {
            let pass = |name| pass(Deed::Drop, &database(url), Some(name), || Ok(Some(marked("staging"))), || Ok(None));
            assert_eq!(pass("staging").unwrap(), Some("staging".parse().unwrap()));
            let refused = pass("shop").unwrap_err();
            assert_eq!(refused.code, Code::Refused);
            assert!(refused.message().contains("`staging`"), "{}", refused.message());
        }
    }

    #[test]
    fn what_is_for_another_environment_is_refused_whatever_is_confirmed() {
        let (shop, staging) = (database("postgresql://localhost/shop"), marked("staging").environment);
        for fits in [None, Some(""), Some("staging"), Some("Staging ")] {
            assert!(agree(&shop, &staging, fits).is_ok(), "{fits:?}");
        }
        let refused = agree(&shop, &staging, Some("production")).unwrap_err();
        assert_eq!(refused.code, Code::Refused);
        insta::assert_snapshot!(refused.message(), @r"
        `shop` on localhost is marked as `staging`, and this runs for `production`, so nothing is run on it
          = note: the mark is the database's own (`cargo xtask db protect`); STAIRWELL_ENV says what this runs for
          = help: connect to the database of `production`; if this one is meant: STAIRWELL_ENV=staging
        ");
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
