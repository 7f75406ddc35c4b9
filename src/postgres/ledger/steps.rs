//! What a run writes around a script.

use super::{Fence, Ledger, literal};
use crate::migration::{Direction, Mode};
use crate::plan::Step;
use crate::postgres::facts::Stamp;
use crate::version::Version;

/// When a migration began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Started {
    /// When the message arrived that it is the first of.
    WithMessage,
    /// When the one before it in the message was done. (`now()` is of no use: all transactions of a message have the message's.)
    Behind(Version),
    /// When its transaction began, which is its own message.
    WithTransaction,
}

/// A statement that writes a row, and tells in which transaction and when.
pub(in crate::postgres) fn stamped(statement: &str) -> String {
    format!("{statement} RETURNING {};\n", Stamp::COLUMNS)
}

impl Ledger {
    /// The statement before a script in its transaction: the lock, and that the ledger is as the plan found it. It returns a [`Stamp`]
    /// behind an empty value.
    ///
    /// The lock is this transaction's alone. Between two migrations of a message another runner may step in, and the check that the
    /// newest row is the expected one is what notices.
    pub(in crate::postgres) fn begin_step(&self, step: &Step, head: Option<Version>) -> String {
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

    /// The row of a migration whose script is done.
    pub(in crate::postgres) fn applied(&self, step: &Step, program: &str, started: Started) -> String {
        let started = match started {
            Started::Behind(version) => {
                format!("(SELECT applied_at FROM {} WHERE version OPERATOR(pg_catalog.=) {version})", self.quoted())
            }
            Started::WithMessage => "pg_catalog.statement_timestamp()".to_owned(),
            Started::WithTransaction => "pg_catalog.now()".to_owned(),
        };
        let values = format!("'applied', {started}, pg_catalog.clock_timestamp(), false");
        format!(
            "{} progress = 0, started_at = EXCLUDED.started_at, applied_at = EXCLUDED.applied_at",
            self.upsert(step, program, &values),
        )
    }

    /// The row of a migration that begins. One that an interrupted run left keeps its progress and its start.
    pub(in crate::postgres) fn begin_up(&self, step: &Step, program: &str, fence: Fence) -> String {
        let values = format!("'applying', pg_catalog.clock_timestamp(), NULL, {}", fence == Fence::Closed);
        format!("{} progress = {}.progress;\n", self.upsert(step, program, &values), self.quoted())
    }

    /// All but the end of a statement that writes a row, with these values for state, start, end and `unfinished`.
    pub(super) fn upsert(&self, step: &Step, program: &str, values: &str) -> String {
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
    pub(in crate::postgres) fn finish(&self, step: &Step, marked: bool) -> String {
        let (table, version) = (self.quoted(), step.version);
        let same_transaction = if marked && step.script.mode() == Mode::Transaction {
            " AND xmin OPERATOR(pg_catalog.=) (pg_catalog.txid_current() OPERATOR(pg_catalog.%) 4294967296)::pg_catalog.text::pg_catalog.xid"
        } else {
            ""
        };
        let row = format!("WHERE version OPERATOR(pg_catalog.=) {version}{same_transaction}");
        match step.direction {
            Direction::Up => format!(
                "UPDATE {table} SET state = 'applied', progress = 0, unfinished = false, applied_at = pg_catalog.clock_timestamp() {row}"
            ),
            Direction::Down => format!("DELETE FROM {table} {row}"),
        }
    }

    /// Marks a row that a down script in a transaction will remove.
    pub(in crate::postgres) fn mark_down(&self, step: &Step, fence: Fence) -> String {
        format!(
            "UPDATE {} SET unfinished = {} WHERE version OPERATOR(pg_catalog.=) {};\n",
            self.quoted(),
            fence == Fence::Closed,
            step.version
        )
    }

    /// Marks that a down script outside of a transaction begins.
    pub(in crate::postgres) fn begin_down(&self, step: &Step) -> String {
        format!(
            "UPDATE {} SET state = 'reverting', progress = 0 WHERE version OPERATOR(pg_catalog.=) {};\n",
            self.quoted(),
            step.version
        )
    }

    /// Takes back what the beginning of a script outside of a transaction marked, when its first statement was refused.
    pub(in crate::postgres) fn unbegin(&self, step: &Step) -> String {
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

    /// The row of this step, to be named in a FROM as `l`.
    pub(in crate::postgres) fn row(&self, step: &Step) -> String {
        format!("{} l WHERE l.version OPERATOR(pg_catalog.=) {}", self.quoted(), step.version)
    }

    /// Records how many statements of a script outside of a transaction are done.
    pub(in crate::postgres) fn progress(&self, step: &Step, done: usize) -> String {
        format!(
            "UPDATE {} SET progress = {done} WHERE version OPERATOR(pg_catalog.=) {};\n",
            self.quoted(),
            step.version
        )
    }
}
