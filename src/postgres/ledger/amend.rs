//! Changes of the ledger that run no script.

use super::{BEGIN, HELD, LEDGER_MOVED, LOCK_IS_HELD, Ledger, literal};
use crate::checksum::Checksum;
use crate::plan::{Applied, History, State, Step};
use crate::version::Version;

/// One of them.
#[derive(Debug, Clone)]
pub(in crate::postgres) enum Amendment {
    /// A migration counts as applied that was not run.
    Record(Step),
    /// A migration counts as not applied that was not undone.
    Forget(Version),
    /// The scripts of today stand for those that were run.
    Accept(Step),
}

impl Ledger {
    /// One message, in one transaction under the lock, which fails if the ledger is not the one of this history any more. `why` ends up in
    /// the remarks of each row, behind when and who; `guard` is a statement under the lock, or nothing.
    pub(in crate::postgres) fn amend(
        &self,
        history: &History,
        amendments: &[Amendment],
        program: &str,
        why: &str,
        guard: &str,
    ) -> String {
        let moved = format!("{} OPERATOR(pg_catalog.<>) '{}'", self.digest(), digest(history));
        let mut message = [
            BEGIN,
            &Self::guard(&format!("NOT {}", self.try_lock()), LOCK_IS_HELD, HELD),
            &Self::guard(&moved, LEDGER_MOVED, "the ledger has changed since it was read"),
            guard,
        ]
        .concat();
        for amendment in amendments {
            message += &match amendment {
                Amendment::Record(step) => self.record(step, program) + &self.remark(step.version, why),
                Amendment::Forget(version) => self.forget(*version),
                Amendment::Accept(step) => self.accept(step) + &self.remark(step.version, why),
            };
        }
        message + "COMMIT"
    }

    fn record(&self, step: &Step, program: &str) -> String {
        let now = "pg_catalog.clock_timestamp()";
        format!(
            "{} progress = 0, started_at = EXCLUDED.started_at, applied_at = EXCLUDED.applied_at;\n",
            self.upsert(step, program, &format!("'applied', {now}, {now}, false"))
        )
    }

    fn forget(&self, version: Version) -> String {
        format!("DELETE FROM {} WHERE version OPERATOR(pg_catalog.=) {version};\n", self.quoted())
    }

    fn accept(&self, step: &Step) -> String {
        format!(
            "UPDATE {} SET name = {}, checksum = '{}', fingerprint = '{}', up_script = {}, down_script = {} \
             WHERE version OPERATOR(pg_catalog.=) {};\n",
            self.quoted(),
            literal(step.name()),
            step.script.checksum(),
            step.script.fingerprint(),
            literal(step.script.text()),
            step.down.as_ref().map_or_else(|| "NULL".to_owned(), |script| literal(script.text())),
            step.version
        )
    }

    /// Adds a line to a row's remarks: when, who, and what.
    fn remark(&self, version: Version, what: &str) -> String {
        let concat = "OPERATOR(pg_catalog.||)";
        format!(
            "UPDATE {} SET remarks = COALESCE(remarks {concat} E'\\n', '') \
             {concat} pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
             {concat} ' ' {concat} session_user {concat} ': ' {concat} {} WHERE version OPERATOR(pg_catalog.=) {version};\n",
            self.quoted(),
            literal(what)
        )
    }

    /// The expression for what of the ledger decides an amendment.
    fn digest(&self) -> String {
        let concat = "OPERATOR(pg_catalog.||)";
        format!(
            "(SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(COALESCE(pg_catalog.string_agg(\
             l.version::pg_catalog.text {concat} l.state {concat} l.checksum, ',' ORDER BY l.version), ''), 'UTF8')), 'hex') FROM {} l)",
            self.quoted()
        )
    }
}

/// The same of a history that was read.
fn digest(history: &History) -> Checksum {
    let row = |row: &Applied| format!("{}{}{}", row.version, state(row.state), row.checksum);
    Checksum::of(history.rows.iter().map(row).collect::<Vec<_>>().join(","))
}

/// As the ledger has it.
fn state(state: State) -> &'static str {
    match state {
        State::Applied => "applied",
        State::Applying => "applying",
        State::Reverting => "reverting",
    }
}
