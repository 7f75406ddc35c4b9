//! The table that records what was applied. This and what is below it is the one place that knows its SQL.

mod amend;
mod create;
mod environment;
mod steps;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub(super) use amend::Amendment;
pub(super) use steps::{Started, stamped};

use super::error::Holder;
use super::facts::Facts;
use super::mark::Mark;
use super::session::{Failed, Row, Session};
use crate::checksum::Checksum;
use crate::migration::{Direction, is_name};
use crate::plan::{Applied, History, Record, Scripts, State};

/// Where the ledger is: schema and table, `stairwell.ledger` by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    schema: String,
    table: String,
}

/// The name of a ledger is `[a-z0-9_]+`, at most 63 bytes, for schema and table each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name the ledger: schema and table may have the characters a to z, 0 to 9 and `_`, at most 63 of them"
)]
pub struct LedgerNameError(String);

impl Default for Ledger {
    fn default() -> Self {
        Self { schema: "stairwell".to_owned(), table: "ledger".to_owned() }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// SQLSTATEs that the guard raises; class `SW` is no one's in Postgres.
pub(super) const LOCK_IS_HELD: &str = "SW001";
pub(super) const LEDGER_MOVED: &str = "SW002";

pub(super) const ENDED_EARLY: &str = "SW003";

/// Whether the row of a migration that begins keeps its transaction from being committed before it is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    Closed,
    Open,
}

/// What of each row is read: what planning needs, and beside it what only some can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    Plan,
    /// With the down scripts.
    Down,
    /// With when, by whom and how.
    Records,
    /// With all of it.
    All,
}

impl From<Direction> for Columns {
    /// A way back is planned with the down scripts of the ledger.
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Plan,
            Direction::Down => Self::Down,
        }
    }
}

/// What a session learns when it reads the ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    pub(super) history: History,
    pub(super) facts: Facts,
    /// What the database is marked with.
    pub(super) mark: Option<Mark>,
}

/// What came back for the question what the ledger has.
#[derive(Debug)]
pub(super) struct Answer {
    /// What could be read; `Err` names what does not look like this ledger's.
    pub(super) read: Result<Read, String>,
    /// Whether that is all.
    pub(super) outcome: Result<(), Failed>,
}

impl Ledger {
    /// Another schema and table.
    pub fn new(schema: &str, table: &str) -> Result<Self, LedgerNameError> {
        match [schema, table].into_iter().find(|name| !is_name(name) || name.len() > 63) {
            Some(wrong) => Err(LedgerNameError(wrong.to_owned())),
            None => Ok(Self { schema: schema.to_owned(), table: table.to_owned() }),
        }
    }

    /// The names of its schema and its table.
    #[cfg(feature = "schema")]
    pub(crate) fn names(&self) -> (String, String) {
        (self.schema.clone(), self.table.clone())
    }

    /// `"schema"."table"`: quoted, since a name like `user` is a key word.
    pub(super) fn quoted(&self) -> String {
        format!("\"{}\".\"{}\"", self.schema, self.table)
    }

    /// The key of the advisory lock: the same for everyone who uses this ledger, in each database its own.
    fn lock_key(&self) -> i64 {
        self.key("lock")
    }

    /// The key of the lock that the session has which runs a script outside of a transaction.
    fn script_key(&self) -> i64 {
        self.key("script")
    }

    fn key(&self, of: &str) -> i64 {
        let digest = Checksum::of(format!("stairwell {of} {self}")).to_string();
        digest.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).map_or(0, u64::cast_signed)
    }

    /// Asks what it has. It needs no more than SELECT and creates nothing.
    pub(super) fn ask(&self, session: &mut Session, columns: Columns) -> Answer {
        let (rows, outcome) = session.ask(&self.question(columns));
        Answer { read: self.parse(&rows), outcome }
    }

    /// One message: what the session is like, and every row.
    fn question(&self, columns: Columns) -> String {
        // One that an earlier build made has no remarks, and as JSON that is no error.
        let record = format!(
            "{}, {}, (extract(epoch FROM applied_at OPERATOR(pg_catalog.-) started_at) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8, \
             applied_by, applied_with, pg_catalog.to_jsonb(l) OPERATOR(pg_catalog.->>) 'remarks'",
            rfc3339("started_at"),
            rfc3339("applied_at")
        );
        let none = "NULL, NULL, NULL, NULL, NULL, NULL";
        let (record, scripts) = match columns {
            Columns::Plan => (none, "NULL, NULL"),
            Columns::Down => (none, "NULL, down_script"),
            Columns::Records => (record.as_str(), "NULL, NULL"),
            Columns::All => (record.as_str(), "up_script, down_script"),
        };
        format!(
            "SELECT {}, pg_catalog.to_regprocedure('{}') IS NOT NULL, {};\n\
             SELECT version, name, checksum, fingerprint, state, progress, {scripts}, {record} FROM {} l ORDER BY version",
            Facts::COLUMNS,
            self.begin_signature(),
            self.mark(),
            self.quoted()
        )
    }

    /// Reads what the question returned. `Err` names what does not look like this ledger's.
    fn parse(&self, rows: &[Row]) -> Result<Read, String> {
        let Some((first, rows)) = rows.split_first() else {
            return Ok(Read::default());
        };
        let history = rows.iter().map(parse_row).collect::<Result<Vec<_>, _>>()?;
        // Behind the session's facts.
        let mark = first.get(Facts::COUNT).map(|text| self.parse_mark(text)).transpose()?;
        Ok(Read { history: History { rows: history }, facts: Facts::of_row(first), mark })
    }

    fn begin_signature(&self) -> String {
        format!("{}(pg_catalog.int8,pg_catalog.int8,pg_catalog.text[],pg_catalog.bool)", self.function("begin"))
    }

    /// The name of a function that belongs to it.
    fn function(&self, what: &str) -> String {
        format!("\"{}\".\"{}\"", self.schema, function_of(&self.table, what))
    }

    /// Whether a function of this name beside a ledger's table belongs to that ledger.
    #[cfg(feature = "schema")]
    pub(crate) fn has_function(table: &str, name: &str) -> bool {
        ["begin", "fence", "environment"].iter().any(|what| function_of(table, what) == name)
    }

    /// The expression that takes the lock until the transaction's end, and is false if another session has it.
    pub(super) fn try_lock(&self) -> String {
        format!("pg_catalog.pg_try_advisory_xact_lock({})", self.lock_key())
    }

    /// The same until the session's end, or [`session_unlock`](Self::session_unlock).
    pub(super) fn try_session_lock(&self) -> String {
        format!("pg_catalog.pg_try_advisory_lock({})", self.lock_key())
    }

    /// A statement that gives it back, without a result.
    pub(super) fn session_unlock(&self) -> String {
        format!("DO $stairwell$ BEGIN PERFORM pg_catalog.pg_advisory_unlock({}); END $stairwell$;\n", self.lock_key())
    }

    /// Takes the lock of the session that runs a script outside of a transaction; false if another session has it.
    pub(super) fn try_script_lock(&self) -> String {
        format!("SELECT pg_catalog.pg_try_advisory_lock({})", self.script_key())
    }

    /// Gives it back.
    pub(super) fn script_unlock(&self) -> String {
        format!("SELECT pg_catalog.pg_advisory_unlock({})", self.script_key())
    }

    /// A statement that fails with this SQLSTATE if the condition holds. It runs in its transaction and so takes it along.
    fn guard(condition: &str, code: &str, message: &str) -> String {
        format!(
            "DO $stairwell$ BEGIN IF {condition} THEN RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = '{message}'; END IF; END $stairwell$;\n"
        )
    }

    /// Who has one of the two locks.
    pub(super) fn holder(&self) -> String {
        let [key, script] = [self.lock_key(), self.script_key()].map(|key| {
            let key = key.cast_unsigned();
            format!(
                "(l.classid OPERATOR(pg_catalog.=) {}::pg_catalog.oid AND l.objid OPERATOR(pg_catalog.=) {}::pg_catalog.oid)",
                key >> 32,
                key & 0xffff_ffff
            )
        });
        format!(
            "SELECT {} FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid \
             WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted AND l.objsubid OPERATOR(pg_catalog.=) 1 AND ({key} OR {script}) \
             AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
             AND l.database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())",
            Holder::COLUMNS,
        )
    }
}

/// In the 63 bytes that a name may have.
fn function_of(table: &str, what: &str) -> String {
    format!("{table:.*}_{what}", 62 - what.len())
}

const HELD: &str = "another runner holds the migration lock";

/// Makes durable what this session committed asynchronously: WAL is written in order, so a commit that waits covers those before it.
/// A transaction that writes nothing would not wait, so this writes a message into the WAL that nobody reads.
pub(super) const FLUSH: &str = "SELECT pg_catalog.pg_logical_emit_message(true, 'stairwell', 'flush')";

/// Whatever the role's defaults are, a migration reads what is committed and may write.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n";

/// A text as a literal. `standard_conforming_strings` is known to be on.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn parse_row(row: &Row) -> Result<Applied, String> {
    let parse = || -> Result<Applied, &'static str> {
        Ok(Applied {
            version: value(row, 0, "version")?,
            name: value(row, 1, "name")?,
            checksum: value(row, 2, "checksum")?,
            fingerprint: value(row, 3, "fingerprint")?,
            state: match row.get(4) {
                Some("applied") => State::Applied,
                Some("applying") => State::Applying,
                Some("reverting") => State::Reverting,
                _ => return Err("state"),
            },
            progress: value(row, 5, "progress")?,
            scripts: Scripts { up: row.get(6).map(str::to_owned), down: row.get(7).map(str::to_owned) },
            record: record(row),
        })
    };
    parse().map_err(|column| format!("its column `{column}` has a value that stairwell did not write"))
}

/// When and by whom, if that was asked for.
fn record(row: &Row) -> Option<Record> {
    let text = |n| row.get(n).map(str::to_owned);
    Some(Record {
        started_at: text(8)?,
        applied_at: text(9),
        elapsed: value(row, 10, "applied_at").ok().map(Duration::from_micros),
        by: text(11).unwrap_or_default(),
        with: text(12).unwrap_or_default(),
        remarks: text(13),
    })
}

/// A time as RFC 3339 has it, in UTC and whole seconds.
fn rfc3339(column: &str) -> String {
    format!("pg_catalog.to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
}

fn value<T: FromStr>(row: &Row, n: usize, column: &'static str) -> Result<T, &'static str> {
    row.get(n).and_then(|text| text.parse().ok()).ok_or(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_taken() {
        assert!(Ledger::new("ops", "migrations").is_ok());
        for (schema, table) in [("", "t"), ("s", "a\"b"), ("s", "Ledger"), ("s", &"x".repeat(64))] {
            assert!(Ledger::new(schema, table).is_err());
        }
    }

    #[test]
    fn each_ledger_has_its_own_lock() {
        assert_ne!(Ledger::default().lock_key(), Ledger::new("ops", "ledger").unwrap().lock_key());
    }

    #[test]
    fn quotes_in_scripts_stay_inside_the_literal() {
        assert_eq!(literal(r"it's \ so"), r"'it''s \ so'");
    }
}
