//! The mark that says which environment a database is of.
//!
//! It is a function beside the ledger's own, `stairwell.ledger_environment()`, whose text is the mark. The catalog has that text, so it is
//! read in the question what the ledger has, whether there is a mark or not; it takes no privilege beyond those for the ledger; and a role
//! that may write to every table cannot write to it. `SELECT stairwell.ledger_environment()` tells it to a person.

use super::{BEGIN, HELD, LEDGER_MOVED, LOCK_IS_HELD, Ledger, function_of, literal};
use crate::postgres::mark::{Environment, Mark};
use crate::postgres::session::{Failed, Session};

impl Ledger {
    /// The expression for the mark as the catalog has it; NULL if there is none. Looked up by name: `to_regprocedure` would want USAGE on the
    /// schema, which the owner of a database need not have who may drop it.
    pub(super) fn mark(&self) -> String {
        format!(
            "(SELECT p.prosrc FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace \
             WHERE n.nspname OPERATOR(pg_catalog.=) '{}' AND p.proname OPERATOR(pg_catalog.=) '{}' AND p.pronargs OPERATOR(pg_catalog.=) 0)",
            self.schema,
            function_of(&self.table, "environment")
        )
    }

    /// Asks for the mark alone, which takes no privilege. `Ok(Err)` says what is wrong with it.
    pub(in crate::postgres) fn ask_mark(&self, session: &mut Session) -> Result<Result<Option<Mark>, String>, Failed> {
        let rows = session.send(&format!("SELECT {}", self.mark()))?;
        let text = rows.first().and_then(|row| row.get(0));
        Ok(text.map(|text| self.parse_mark(text)).transpose())
    }

    /// A statement that fails as if the ledger had moved unless this is what the database is marked with.
    pub(in crate::postgres) fn keeps_environment(&self, environment: Option<&Environment>) -> String {
        let condition = format!(
            "COALESCE(pg_catalog.split_part({}, '''', 2), '') OPERATOR(pg_catalog.<>) '{}'",
            self.mark(),
            environment.map_or("", Environment::as_str)
        );
        Self::guard(&condition, LEDGER_MOVED, "the mark of the database has changed since it was read")
    }

    /// One message, in one transaction under the lock, which marks the database, or takes the mark away; it fails if the mark is another
    /// than `from` by now. Where the lock is given back, no runner that has read the old mark has a script under way.
    pub(in crate::postgres) fn change_mark(&self, from: Option<&Environment>, to: Option<&Environment>) -> String {
        let function = self.function("environment");
        let change = match to {
            None => format!("DROP FUNCTION {function}();\n"),
            Some(environment) => {
                let concat = "OPERATOR(pg_catalog.||)";
                // A role may be called anything, and must not end the comment that it is named in.
                format!(
                    "DO $stairwell$ BEGIN EXECUTE pg_catalog.format(\
                     'CREATE OR REPLACE FUNCTION {function}() RETURNS pg_catalog.text LANGUAGE sql IMMUTABLE AS %L', \
                     {select} {concat} E'\\n-- since ' \
                     {concat} pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
                     {concat} ', by ' {concat} pg_catalog.translate(session_user::pg_catalog.text, E'\\r\\n', '  ')); END $stairwell$;\n\
                     COMMENT ON FUNCTION {function}() IS 'Which environment this database is of. Written by `cargo xtask db protect`.';\n",
                    select = literal(&format!("SELECT '{environment}'")),
                )
            }
        };
        [
            BEGIN,
            &Self::guard(&format!("NOT {}", self.try_lock()), LOCK_IS_HELD, HELD),
            &self.keeps_environment(from),
            &change,
            "COMMIT",
        ]
        .concat()
    }

    /// Reads the text of the mark. `Err` says what is wrong with it.
    pub(super) fn parse_mark(&self, text: &str) -> Result<Mark, String> {
        let parse = || {
            let (select, comment) = text.split_once('\n')?;
            let environment = select.strip_prefix("SELECT '")?.strip_suffix('\'')?.parse().ok()?;
            let (since, by) = comment.strip_prefix("-- since ")?.split_once(", by ")?;
            Some(Mark { environment, since: since.to_owned(), by: by.to_owned() })
        };
        parse().ok_or_else(|| {
            format!(
                "its function {}, which marks the database, is not as stairwell wrote it",
                self.function("environment")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_as_it_was_written() {
        let mark =
            Ledger::default().parse_mark("SELECT 'production'\n-- since 2026-11-22T19:30:00Z, by ann, of ops").unwrap();
        assert_eq!(
            (mark.environment.as_str(), mark.since.as_str(), mark.by.as_str()),
            ("production", "2026-11-22T19:30:00Z", "ann, of ops")
        );
    }

    #[test]
    fn a_mark_that_someone_else_wrote_is_none_and_gives_no_leave() {
        for text in [
            "",
            "SELECT 'production'",
            "SELECT 'Production'\n-- since x, by y",
            "SELECT ''\n-- since x, by y",
            "SELECT 1\n-- since x, by y",
        ] {
            let why = Ledger::default().parse_mark(text).unwrap_err();
            assert!(why.contains(r#""stairwell"."ledger_environment""#), "{why}");
        }
    }

    #[test]
    fn each_ledger_has_a_mark_of_its_own_and_a_name_that_the_server_does_not_cut() {
        let long = Ledger::new("s", &"x".repeat(63)).unwrap();
        let name = long.function("environment");
        assert_eq!(name.trim_start_matches("\"s\".").trim_matches('"').len(), 63, "{name}");
        assert_ne!(Ledger::new("s", "a").unwrap().mark(), Ledger::new("s", "b").unwrap().mark());
    }
}
