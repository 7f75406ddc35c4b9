//! The table that records what was applied. The one place that knows its SQL.

use std::fmt;
use std::str::FromStr;

use super::error::Holder;
use super::facts::{Facts, Stamp};
use super::session::{Failed, Row, Session};
use crate::checksum::Checksum;
use crate::migration::{Direction, Mode, is_name};
use crate::plan::{Applied, History, State, Step};
use crate::version::Version;

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
    Scripts,
    /// With the times.
    Times,
}

impl From<Direction> for Columns {
    /// A way back is planned with the down scripts of the ledger.
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Plan,
            Direction::Down => Self::Scripts,
        }
    }
}

/// What a session learns when it reads the ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    pub(super) history: History,
    pub(super) facts: Facts,
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

    /// `"schema"."table"`: quoted, since a name like `user` is a key word.
    fn quoted(&self) -> String {
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
        Answer { read: Self::parse(&rows), outcome }
    }

    /// One message: what the session is like, and every row.
    fn question(&self, columns: Columns) -> String {
        let more = match columns {
            Columns::Plan => "NULL, NULL",
            Columns::Scripts => "NULL, down_script",
            Columns::Times => "pg_catalog.to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), NULL",
        };
        format!(
            "SELECT {}, pg_catalog.to_regprocedure('{}') IS NOT NULL;\n\
             SELECT version, name, checksum, fingerprint, state, progress, {more} FROM {} ORDER BY version",
            Facts::COLUMNS,
            self.begin_signature(),
            self.quoted()
        )
    }

    /// Reads what the question returned. `Err` names what does not look like this ledger's.
    fn parse(rows: &[Row]) -> Result<Read, String> {
        let Some((first, rows)) = rows.split_first() else {
            return Ok(Read::default());
        };
        let history = rows.iter().map(parse_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Read { history: History { rows: history }, facts: Facts::of_row(first) })
    }

    /// Creates the ledger, in one transaction under the lock: `IF NOT EXISTS` alone fails when many do it at once (23505). One that was made
    /// before it had functions gets them.
    ///
    /// Types, functions and operators are named with their schema, here as in all of the runner's SQL: with another `search_path`, or
    /// with a temporary type of that name, `text` and `=` may be anybody's.
    ///
    /// Two functions belong to it. One is what every migration begins with; as a function it is parsed once in a session, which makes it
    /// six times as quick as a `DO` block. The other keeps a script from committing before its end, see [`Fence`]: at the commit it looks
    /// whether the row that the runner marked still is unfinished.
    pub(super) fn create(&self) -> String {
        format!(
            "{BEGIN}{guard}DO $stairwell$ BEGIN\n\
             IF pg_catalog.to_regnamespace('\"{schema}\"') IS NULL THEN CREATE SCHEMA \"{schema}\"; END IF;\n\
             IF pg_catalog.to_regclass('{table}') IS NULL THEN\n\
             CREATE TABLE {table} (\
             version pg_catalog.int8 PRIMARY KEY CHECK (version OPERATOR(pg_catalog.>) 0), \
             name pg_catalog.text NOT NULL, \
             checksum pg_catalog.text NOT NULL, \
             fingerprint pg_catalog.text NOT NULL, \
             up_script pg_catalog.text NOT NULL, \
             down_script pg_catalog.text, \
             state pg_catalog.text NOT NULL CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['applying', 'applied', 'reverting']::pg_catalog.text[])), \
             progress pg_catalog.int4 NOT NULL DEFAULT 0, \
             started_at pg_catalog.timestamptz NOT NULL, \
             applied_at pg_catalog.timestamptz, \
             applied_by pg_catalog.text NOT NULL, \
             applied_with pg_catalog.text NOT NULL);\n\
             COMMENT ON TABLE {table} IS 'What stairwell applied to this database, a row a migration. Written by stairwell only.';\n\
             END IF;\n\
             IF pg_catalog.to_regprocedure('{signature}') IS NOT NULL THEN RETURN; END IF;\n\
             ALTER TABLE {table} ADD COLUMN unfinished pg_catalog.bool NOT NULL DEFAULT false;\n\
             CREATE FUNCTION {begin_step}(step pg_catalog.int8, head pg_catalog.int8, states pg_catalog.text[], expected pg_catalog.bool) \
             RETURNS pg_catalog.void LANGUAGE plpgsql AS $begin$ BEGIN\n\
             IF NOT {lock} THEN RAISE EXCEPTION USING ERRCODE = '{LOCK_IS_HELD}', MESSAGE = '{HELD}'; END IF;\n\
             IF COALESCE((SELECT pg_catalog.max(l.version) FROM {table} l), 0) OPERATOR(pg_catalog.<>) head \
             OR EXISTS (SELECT FROM {table} l WHERE l.version OPERATOR(pg_catalog.=) step AND l.state OPERATOR(pg_catalog.=) ANY (states)) \
             OPERATOR(pg_catalog.<>) expected \
             THEN RAISE EXCEPTION USING ERRCODE = '{LEDGER_MOVED}', MESSAGE = 'the ledger has changed since it was read'; END IF;\n\
             END $begin$;\n\
             CREATE FUNCTION {fence}() RETURNS trigger LANGUAGE plpgsql AS $fence$ BEGIN\n\
             IF EXISTS (SELECT FROM {table} l WHERE l.version OPERATOR(pg_catalog.=) NEW.version AND l.unfinished) \
             THEN RAISE EXCEPTION USING ERRCODE = '{ENDED_EARLY}', MESSAGE = 'a migration ended its transaction before its end'; END IF;\n\
             RETURN NULL; END $fence$;\n\
             CREATE CONSTRAINT TRIGGER a_script_keeps_its_transaction AFTER INSERT OR UPDATE ON {table} \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.unfinished) EXECUTE FUNCTION {fence}();\n\
             END $stairwell$;\n\
             COMMIT;",
            guard = Self::guard(&format!("NOT {}", self.try_lock()), LOCK_IS_HELD, HELD),
            schema = self.schema,
            table = self.quoted(),
            begin_step = self.function("begin"),
            signature = self.begin_signature(),
            fence = self.function("fence"),
            lock = self.try_lock(),
        )
    }

    fn begin_signature(&self) -> String {
        format!("{}(pg_catalog.int8,pg_catalog.int8,pg_catalog.text[],pg_catalog.bool)", self.function("begin"))
    }

    /// The name of a function that belongs to it.
    fn function(&self, what: &str) -> String {
        format!("\"{}\".\"{:.57}_{what}\"", self.schema, self.table)
    }

    /// The expression that takes the lock until the transaction's end, and is false if another session has it.
    pub(super) fn try_lock(&self) -> String {
        format!("pg_catalog.pg_try_advisory_xact_lock({})", self.lock_key())
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

    /// The statement before a script in its transaction: the lock, and that the ledger is as the plan found it. It returns a [`Stamp`]
    /// behind an empty value.
    ///
    /// The lock is this transaction's alone. Between two migrations of a message another runner may step in, and the check that the
    /// newest row is the expected one is what notices.
    pub(super) fn begin_step(&self, step: &Step, head: Option<Version>) -> String {
        let head = head.map_or_else(|| "0".to_owned(), |head| head.to_string());
        // A row of an interrupted run stands for work that goes on here.
        let (states, expected) = match step.direction {
            Direction::Up => ("{applied}", false),
            Direction::Down => ("{applied,reverting}", true),
        };
        format!(
            "SELECT {}({}, {head}, '{states}', {expected}), {};\n",
            self.function("begin"),
            step.version,
            Stamp::COLUMNS
        )
    }

    /// The row of a migration whose script is done. It began when the message arrived, or the one `after` which it comes in the message was
    /// done. (`now()` is of no use: all transactions of a message have the message's.)
    pub(super) fn applied(&self, step: &Step, program: &str, after: Option<Version>) -> String {
        let started = match after {
            Some(version) => {
                format!("(SELECT applied_at FROM {} WHERE version OPERATOR(pg_catalog.=) {version})", self.quoted())
            }
            None => "pg_catalog.statement_timestamp()".to_owned(),
        };
        let values = format!("'applied', {started}, pg_catalog.clock_timestamp(), false");
        format!(
            "{} progress = 0, started_at = EXCLUDED.started_at, applied_at = EXCLUDED.applied_at RETURNING {};\n",
            self.upsert(step, program, &values),
            Stamp::COLUMNS
        )
    }

    /// The row of a migration that begins. One that an interrupted run left keeps its progress and its start.
    pub(super) fn begin_up(&self, step: &Step, program: &str, fence: Fence) -> String {
        let values = format!("'applying', pg_catalog.clock_timestamp(), NULL, {}", fence == Fence::Closed);
        format!("{} progress = {}.progress;\n", self.upsert(step, program, &values), self.quoted())
    }

    /// All but the end of a statement that writes a row, with these values for state, start, end and `unfinished`.
    fn upsert(&self, step: &Step, program: &str, values: &str) -> String {
        let down = step.down.as_ref().map_or_else(|| "NULL".to_owned(), |script| literal(script.text()));
        format!(
            "INSERT INTO {table} (version, name, checksum, fingerprint, up_script, down_script, applied_by, applied_with, state, started_at, applied_at, unfinished) \
             VALUES ({version}, {name}, '{checksum}', '{fingerprint}', {up}, {down}, session_user, {program}, {values}) \
             ON CONFLICT (version) DO UPDATE SET name = EXCLUDED.name, checksum = EXCLUDED.checksum, fingerprint = EXCLUDED.fingerprint, \
             up_script = EXCLUDED.up_script, down_script = EXCLUDED.down_script, applied_by = EXCLUDED.applied_by, \
             applied_with = EXCLUDED.applied_with, state = EXCLUDED.state, unfinished = EXCLUDED.unfinished,",
            table = self.quoted(),
            version = step.version,
            name = literal(step.name()),
            checksum = step.script.checksum(),
            fingerprint = step.script.fingerprint(),
            up = literal(step.script.text()),
            program = literal(program),
        )
    }

    /// The end of a row that was marked before, or of a migration that is undone. Exactly one row must be touched; of one behind a fence
    /// none is if the script rolled its transaction back, since the mark was another transaction's.
    pub(super) fn finish(&self, step: &Step, marked: bool) -> String {
        let (table, version) = (self.quoted(), step.version);
        let same_transaction = if marked && step.script.mode() == Mode::Transaction {
            " AND xmin OPERATOR(pg_catalog.=) (pg_catalog.txid_current() OPERATOR(pg_catalog.%) 4294967296)::pg_catalog.text::pg_catalog.xid"
        } else {
            ""
        };
        let row =
            format!("WHERE version OPERATOR(pg_catalog.=) {version}{same_transaction} RETURNING {};\n", Stamp::COLUMNS);
        match step.direction {
            Direction::Up => format!(
                "UPDATE {table} SET state = 'applied', progress = 0, unfinished = false, applied_at = pg_catalog.clock_timestamp() {row}"
            ),
            Direction::Down => format!("DELETE FROM {table} {row}"),
        }
    }

    /// Marks a row that a down script in a transaction will remove.
    pub(super) fn mark_down(&self, step: &Step, fence: Fence) -> String {
        format!(
            "UPDATE {} SET unfinished = {} WHERE version OPERATOR(pg_catalog.=) {};\n",
            self.quoted(),
            fence == Fence::Closed,
            step.version
        )
    }

    /// Marks that a down script outside of a transaction begins.
    pub(super) fn begin_down(&self, step: &Step) -> String {
        format!(
            "UPDATE {} SET state = 'reverting', progress = 0 WHERE version OPERATOR(pg_catalog.=) {};\n",
            self.quoted(),
            step.version
        )
    }

    /// Takes back what the beginning of a script outside of a transaction marked, when its first statement was refused.
    pub(super) fn unbegin(&self, step: &Step) -> String {
        let (table, version) = (self.quoted(), step.version);
        match step.direction {
            Direction::Up => {
                format!("DELETE FROM {table} WHERE version OPERATOR(pg_catalog.=) {version};\n")
            }
            Direction::Down => {
                format!("UPDATE {table} SET state = 'applied' WHERE version OPERATOR(pg_catalog.=) {version};\n")
            }
        }
    }

    /// Records how many statements of a script outside of a transaction are done.
    pub(super) fn progress(&self, step: &Step, done: usize) -> String {
        format!(
            "UPDATE {} SET progress = {done} WHERE version OPERATOR(pg_catalog.=) {};\n",
            self.quoted(),
            step.version
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
            applied_at: row.get(6).map(str::to_owned),
            down: row.get(7).map(str::to_owned),
        })
    };
    parse().map_err(|column| format!("its column `{column}` has a value that stairwell did not write"))
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
