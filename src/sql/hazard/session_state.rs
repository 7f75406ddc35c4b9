//! `session-state`: what outlives the transaction that it stands in.
//!
//! A session's settings reach every script that comes after on the same connection, and behind a pooler other clients. What a function
//! or a `DO` block does is not seen here; the runner puts the session back after each script.

use super::super::lexer::TokenKind;
use super::super::statement::Statement;
use super::tokens::{Tokens, literal};

/// A statement that changes the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// `SET` without `LOCAL`, of a setting, the role or the session's user.
    Set,
    /// `SET SESSION CHARACTERISTICS`
    Characteristics,
    /// `RESET`
    Reset,
    /// `SELECT set_config(…, …, false)`
    SetConfig,
    /// `DISCARD`
    Discard,
    /// `LISTEN`, `UNLISTEN`
    Listen,
}

/// How the statement changes the session; `None` if it does not, or only until its transaction ends.
pub fn session_state(text: &str, statement: &Statement) -> Option<SessionState> {
    let first = statement.head.first()?.text(text);
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    if is("SELECT") {
        return sets_config(text, statement).then_some(SessionState::SetConfig);
    } else if is("SET") {
        return set(text, statement);
    }
    let table = [
        ("RESET", SessionState::Reset),
        ("DISCARD", SessionState::Discard),
        ("LISTEN", SessionState::Listen),
        ("UNLISTEN", SessionState::Listen),
    ];
    table.into_iter().find(|(word, _)| is(word)).map(|(_, state)| state)
}

fn set(text: &str, statement: &Statement) -> Option<SessionState> {
    // The last three are settings that Postgres itself ends with the transaction.
    let of_transaction = [
        "LOCAL",
        "CONSTRAINTS",
        "TRANSACTION",
        "TRANSACTION_ISOLATION",
        "TRANSACTION_READ_ONLY",
        "TRANSACTION_DEFERRABLE",
    ];
    if of_transaction.iter().any(|word| statement.is(text, 1, word)) {
        None
    } else if statement.is(text, 1, "SESSION") && statement.is(text, 2, "CHARACTERISTICS") {
        Some(SessionState::Characteristics)
    } else {
        Some(SessionState::Set)
    }
}

/// `set_config` whose third argument is plainly false; whether it is called at all is plain only at the top of a query.
fn sets_config(text: &str, statement: &Statement) -> bool {
    let calls = statement.head.iter().filter(|token| token.text(text).eq_ignore_ascii_case("set_config"));
    calls.into_iter().any(|call| {
        let tokens = Tokens::of(text, call.end..statement.end);
        let call = tokens.all();
        if call.kind(0) != Some(TokenKind::Open) {
            return false;
        }
        let arguments = call.part(1..call.behind_parenthesis(0).saturating_sub(1));
        let commas: Vec<usize> =
            (0..arguments.len()).filter(|at| arguments.is_outside(*at) && arguments.text(*at) == ",").collect();
        let [_, second] = commas.as_slice() else { return false };
        let third = arguments.from(second + 1);
        let last = third.len().saturating_sub(1);
        let is_false = third.is(last, "FALSE")
            || literal(third.text(last)).is_some_and(|value| {
                matches!(value.trim().to_ascii_lowercase().as_str(), "f" | "false" | "off" | "no" | "0")
            });
        is_false && (third.len() == 1 || third.is(0, "IS_LOCAL"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::split;
    use super::SessionState::{Characteristics, Discard, Listen, Reset, Set, SetConfig};
    use super::*;

    fn found(text: &str) -> Vec<Option<SessionState>> {
        split(text).statements.iter().map(|statement| session_state(text, statement)).collect()
    }

    #[test]
    fn what_outlives_the_transaction_is_seen() {
        for (text, state) in [
            ("SET search_path = ''", Set),
            ("set session search_path to app, public", Set),
            ("/* a */ Set\n-- b\nrole app", Set),
            ("set session authorization default", Set),
            ("set \"search_path\" = app", Set),
            ("set time zone 'UTC'", Set),
            ("set my.flag = 'x'", Set),
            ("set localx = 1", Set),
            ("set session characteristics as transaction read only", Characteristics),
            ("reset all", Reset),
            ("RESET search_path", Reset),
            ("reset role", Reset),
            ("discard temp", Discard),
            ("listen changes", Listen),
            ("select pg_catalog.set_config('search_path', '', false)", SetConfig),
            ("SELECT Set_Config('a.b', coalesce('(,)', x(1, 2)), FALSE) AS a", SetConfig),
            ("select 1, set_config('a.b', 'c', 'f')", SetConfig),
            ("select set_config('a', 'b', is_local => false)", SetConfig),
        ] {
            assert_eq!(found(text), [Some(state)], "{text}");
        }
    }

    #[test]
    fn what_ends_with_the_transaction_or_is_no_set_is_left_alone() {
        for text in [
            "set local search_path = ''",
            "SET LOCAL ROLE app",
            "set constraints all deferred",
            "set transaction isolation level serializable",
            "set transaction_read_only = on",
            "select set_config('search_path', '', true)",
            "select set_config('search_path', '', $1)",
            "select set_config('search_path', '', not false)",
            "select 'set_config(''a'', ''b'', false)'",
            "select set_config from t",
            "select set_config_of('a', 'b', false)",
            "alter role app set search_path = app",
            "alter database d reset all",
            "alter table t reset (fillfactor)",
            "alter table t alter c set default 1",
            "create function f() returns int language sql set search_path = app as 'select 1'",
            "create function f() returns int begin atomic update t set a = 1; select 1; end",
            "do $$ begin set search_path = app; end $$",
            "select '; set role x;'; -- set role x;",
            "/* set role x; */ select $a$; reset all; $a$",
            "update t set a = 1 where b",
            "insert into t values (1) on conflict do update set a = 2",
            "\"set\" role",
            "notify changes",
        ] {
            assert!(found(text).iter().all(Option::is_none), "{text}");
        }
    }
}
