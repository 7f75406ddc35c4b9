//! What the ledger is made of.

use super::{BEGIN, ENDED_EARLY, HELD, LEDGER_MOVED, LOCK_IS_HELD, Ledger};

impl Ledger {
    /// Creates the ledger, in one transaction under the lock: `IF NOT EXISTS` alone fails when many do it at once (23505). One that was made
    /// before it had functions gets them.
    ///
    /// Types, functions and operators are named with their schema, here as in all of the runner's SQL: with another `search_path`, or
    /// with a temporary type of that name, `text` and `=` may be anybody's.
    ///
    /// Two functions belong to it. One is what every migration begins with; as a function it is parsed once in a session, which makes it
    /// six times as quick as a `DO` block. The other keeps a script from committing before its end, see [`Fence`]: at the commit it looks
    /// whether the row that the runner marked still is unfinished.
    pub(in crate::postgres) fn create(&self) -> String {
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
             IF {no_unfinished} THEN ALTER TABLE {table} ADD COLUMN unfinished pg_catalog.bool NOT NULL DEFAULT false; END IF;\n\
             IF {no_remarks} THEN ALTER TABLE {table} ADD COLUMN remarks pg_catalog.text; END IF;\n\
             IF pg_catalog.to_regprocedure('{signature}') IS NOT NULL THEN RETURN; END IF;\n\
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
            no_unfinished = self.lacks("unfinished"),
            no_remarks = self.lacks("remarks"),
            begin_step = self.function("begin"),
            signature = self.begin_signature(),
            fence = self.function("fence"),
            lock = self.try_lock(),
        )
    }

    /// The condition that it was made before it had this column. (`ADD COLUMN IF NOT EXISTS` would say something.)
    fn lacks(&self, column: &str) -> String {
        format!(
            "NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('{}') \
             AND a.attname OPERATOR(pg_catalog.=) '{column}')",
            self.quoted()
        )
    }
}
