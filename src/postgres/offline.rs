//! A plan as a script for psql: what the runner would send, with what psql has to know around it.

use std::fmt::Write as _;
use std::time::Duration;

use super::ledger::{Fence, Ledger, Started, literal};
use super::message::{RESET_REST, RESET_ROLE};
use crate::migration::{Direction, Mode, Script};
use crate::plan::{History, Plan, Step};
use crate::sql::{Lexer, TokenKind};
use crate::version::Version;

/// What its user may have in `.psqlrc` or on the command line, and must not hold here.
const PROLOGUE: &str = r"\set ON_ERROR_STOP on
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT on
\set SINGLELINE off
\set QUIET on
\encoding UTF8
";

/// What the steps of a script have in common.
pub(super) struct Offline<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) program: &'a str,
    pub(super) lock_timeout: Duration,
}

impl Offline<'_> {
    /// The script that does this plan in a database with this history.
    pub(super) fn script(&self, plan: &Plan, mut history: History) -> String {
        let (from, last) = (history.head(), plan.steps.last().map(Step::id));
        let mut out = String::new();
        let at = |version: Option<Version>| version.map_or_else(|| "base".to_owned(), |version| version.to_string());
        let (Some(last), direction) = (last, plan.direction) else {
            return format!("-- nothing to do: it begins and ends at {}\n", at(from));
        };
        let count = plan.steps.len();
        let what = match (count, direction) {
            (1, Direction::Up) => "applies 1 migration".to_owned(),
            (1, Direction::Down) => "undoes 1 migration".to_owned(),
            (count, Direction::Up) => format!("applies {count} migrations"),
            (count, Direction::Down) => format!("undoes {count} migrations"),
        };
        let _ = write!(
            out,
            "-- This {what}, the last of them {last}, in a database that is at {at}.\n\
             -- Run it as the role that owns the tables:  psql --no-psqlrc --file <this file> <database>\n\
             -- It stops at the first error, and what was done before that stays. Elsewhere than at {at} it does nothing.\n\
             {PROLOGUE}\n",
            at = at(from)
        );
        if direction == Direction::Up {
            out.push_str(&self.ledger.create());
            out.push('\n');
        }
        for (n, step) in plan.steps.iter().enumerate() {
            let verb = if direction == Direction::Up { "applying" } else { "undoing" };
            let _ = write!(out, "\n-- {id}\n\\echo '  {verb} [{}/{count}] {id}'\n", n + 1, id = step.id());
            for name in substituted(step.script.text()) {
                let _ = writeln!(out, "\\unset {name}");
            }
            match step.script.mode() {
                Mode::Transaction => self.transaction(&mut out, step, history.head()),
                Mode::Statements => self.statements(&mut out, step, history.head()),
            }
            history.record(step);
        }
        let _ = write!(out, "\n\\echo '{count} done: the database is at {}'\n", at(history.head()));
        out
    }

    fn transaction(&self, out: &mut String, step: &Step, head: Option<Version>) {
        let timeout = step.script.lock_timeout().unwrap_or(self.lock_timeout).as_millis();
        let marked = step.script.controls_transaction();
        out.push_str(super::ledger::BEGIN);
        let _ = write!(out, "SET LOCAL lock_timeout = {timeout};\n{}", settings("LOCAL "));
        out.push_str(&self.ledger.begin_offline(step, head, self.ledger.try_lock()));
        if marked {
            out.push_str(&match step.direction {
                Direction::Up => self.ledger.begin_up(step, self.program, Fence::Open),
                Direction::Down => self.ledger.mark_down(step, Fence::Open),
            });
        }
        out.push_str(&step.script.to_send());
        end_statement(out, &step.script);
        out.extend(RESET_ROLE.iter().copied());
        out.push_str(&match step.direction {
            Direction::Up if !marked => self.ledger.applied(step, self.program, Started::WithTransaction),
            _ => self.ledger.finish(step, false),
        });
        out.push_str(";\n");
        out.extend(RESET_REST.iter().copied());
        out.push_str("SET CONSTRAINTS ALL IMMEDIATE;\nCOMMIT;\n");
    }

    fn statements(&self, out: &mut String, step: &Step, head: Option<Version>) {
        out.push_str(
            "-- Outside of a transaction. If it is interrupted, `cargo xtask db up` (or `down`) goes on with it.\n",
        );
        out.push_str(&self.ledger.begin_offline(step, head, self.ledger.try_session_lock()));
        out.push_str(&match step.direction {
            Direction::Up => self.ledger.begin_up(step, self.program, Fence::Open),
            Direction::Down => self.ledger.begin_down(step),
        });
        let _ = write!(out, "SET lock_timeout = 0;\n{}", settings(""));
        for n in 0..step.script.statements().len() {
            let _ = write!(out, "{};\n{}", step.script.statement(n).0, self.ledger.progress(step, n + 1));
        }
        out.extend(RESET_ROLE.iter().copied());
        let _ = writeln!(out, "{};", self.ledger.finish(step, false));
        out.extend(RESET_REST.iter().copied());
        out.push_str(&self.ledger.session_unlock());
    }
}

/// What a script relies on, whatever the role's defaults are. After each script all settings are reset.
fn settings(local: &str) -> String {
    format!(
        "SET {local}client_encoding = 'UTF8';\nSET {local}standard_conforming_strings = on;\nSET {local}statement_timeout = 0;\n"
    )
}

/// A script may end without a semicolon, and in a comment.
fn end_statement(out: &mut String, script: &Script) {
    let tokens = Lexer::new(script.text()).filter(|token| !token.is_comment());
    let ended = tokens.last().is_none_or(|token| token.kind == TokenKind::Semicolon);
    out.push_str(if ended { "\n" } else { "\n;\n" });
}

/// Names that psql would replace if it had a variable of that name: `:name`, as in the slice `a[1:name]`.
fn substituted(text: &str) -> Vec<String> {
    let tokens: Vec<_> = Lexer::new(text).filter(|token| !token.is_comment()).collect();
    let is_colon = |n: usize| tokens.get(n).is_some_and(|token| token.text(text) == ":");
    let name = |n: usize| {
        let token = tokens.get(n).filter(|token| tokens[n - 1].end == token.start)?;
        let name = token.text(text).trim_matches(['\'', '"']);
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        plain.then(|| name.to_owned())
    };
    // `::` is a cast.
    let cast = |n: usize| n > 0 && is_colon(n - 1) && tokens[n - 1].end == tokens[n].start;
    let mut names: Vec<String> =
        (0..tokens.len()).filter(|n| is_colon(*n) && !cast(*n)).filter_map(|n| name(n + 1)).collect();
    names.sort();
    names.dedup();
    names
}

impl Ledger {
    /// The statement before a script: the lock, and that the ledger is where the script for psql was made for.
    fn begin_offline(&self, step: &Step, head: Option<Version>, lock: String) -> String {
        let head = head.map_or_else(|| "base".to_owned(), |head| head.to_string());
        format!(
            "DO $stairwell$ DECLARE at pg_catalog.text; BEGIN\n\
             IF NOT {lock} THEN RAISE EXCEPTION USING MESSAGE = 'another runner holds the migration lock', HINT = 'let it finish, and run this again'; END IF;\n\
             SELECT COALESCE(pg_catalog.max(l.version)::pg_catalog.text, 'base') INTO at FROM {} l;\n\
             IF at OPERATOR(pg_catalog.<>) '{head}' THEN RAISE EXCEPTION USING MESSAGE = pg_catalog.concat({}, at), \
             HINT = pg_catalog.concat('this was not run; for where it is: cargo xtask db sql ', at); END IF;\n\
             END $stairwell$;\n",
            self.quoted(),
            literal(&format!("{} is for a database at {head}, and this one is at ", step.id())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_psql_would_replace_is_found() {
        assert_eq!(substituted("select a[1:n], b[2:USER], c::text, ':x' -- :y\n, $$ :z $$, a[1 : m]"), ["USER", "n"]);
        assert_eq!(substituted("select x::text, y :: int, :'quoted'"), ["quoted"]);
    }
}
