//! `enum-value-used`: a value that is added to an enum, and used before the transaction that adds it has committed.
//!
//! Postgres refuses that with 55P04 ("unsafe use of new value"), unless the type was created in the same transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::lexer::TokenKind;
use super::super::statement::Statement;
use super::tokens::{Piece, Tokens, literal};

/// A literal that is equal to a value which an earlier statement of the same script added to an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValueUse {
    /// The place in the script of the statement that uses it, from 0.
    pub statement: usize,
    /// The literal, in bytes of the text.
    pub span: Range<usize>,
    /// The value.
    pub value: String,
    /// The type, as the `ALTER TYPE` writes it.
    pub of: String,
}

/// The first use of each such value, in order.
pub fn enum_values_used(text: &str, statements: &[Statement]) -> Vec<EnumValueUse> {
    let mut created = BTreeSet::new();
    let mut added: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for (n, statement) in statements.iter().enumerate() {
        let first = statement.head.first().map(|token| token.text(text)).unwrap_or_default();
        let is_alter = first.eq_ignore_ascii_case("ALTER");
        let is_create = first.eq_ignore_ascii_case("CREATE");
        if !is_alter && !is_create && added.is_empty() {
            continue;
        }
        if is_create && added.is_empty() && !statement.is(text, 1, "TYPE") {
            continue;
        }
        let tokens = Tokens::of(text, statement.start..statement.end);
        let tokens = tokens.all();
        if tokens.starts_with(&["CREATE", "TYPE"]) {
            created.extend(tokens.name(2).map(|(name, _)| name.key));
        } else if tokens.starts_with(&["ALTER", "TYPE"]) {
            // `ADD VALUE 'b' AFTER 'a'` and `RENAME VALUE` name values, and do not use them.
            added.extend(added_value(tokens, &created));
        } else if !tokens.is_any(0, &["COMMENT", "DO"]) && !compares_as_text(tokens) {
            for at in 0..tokens.len() {
                let Some(value) = literal_at(tokens, at) else { continue };
                if let Some((value, of)) = added.remove_entry(&value) {
                    found.push(EnumValueUse { statement: n, span: tokens.span(at), value, of });
                }
            }
        }
    }
    found
}

/// The value and the type of `ALTER TYPE t ADD VALUE [IF NOT EXISTS] 'v' …`.
fn added_value(tokens: Piece<'_>, created: &BTreeSet<String>) -> Option<(String, String)> {
    let (name, at) = tokens.name(2)?;
    if !tokens.from(at).starts_with(&["ADD", "VALUE"]) || created.contains(&name.key) {
        return None;
    }
    let at = tokens.skip(at + 2, &["IF", "NOT", "EXISTS"]);
    Some((literal_at(tokens, at)?, name.shown.to_owned()))
}

fn literal_at(tokens: Piece<'_>, at: usize) -> Option<String> {
    let is_text = tokens.kind(at) == Some(TokenKind::Text);
    is_text.then(|| literal(tokens.text(at))).flatten()
}

/// `status::text = 'v'` is the known way round the error, and which literal a cast is about the lexer cannot tell.
fn compares_as_text(tokens: Piece<'_>) -> bool {
    (1..tokens.len()).any(|at| {
        let is_cast = tokens.text(at - 1) == ":" || tokens.is(at - 1, "AS");
        is_cast && tokens.is_any(at, &["TEXT", "VARCHAR"])
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::split;
    use super::*;

    fn used(text: &str) -> Vec<(usize, String)> {
        let found = enum_values_used(text, &split(text).statements);
        found.into_iter().map(|found| (found.statement, found.value)).collect()
    }

    #[test]
    fn a_value_that_is_used_where_it_is_added_is_seen() {
        for text in [
            "alter type mood add value 'new'; update t set mood = 'new' where true",
            "ALTER TYPE app.\"Mood\" ADD VALUE IF NOT EXISTS 'new' BEFORE 'old';\n insert into t values ('new')",
            "alter type mood add value 'new'; alter table t alter mood set default 'new'",
            "alter type mood add value 'new'; create view v as select * from t where mood = 'new'::mood",
            "alter type mood add value 'new'; create index i on t (a) where mood = E'new'",
        ] {
            assert_eq!(used(text), [(1, "new".to_owned())], "{text}");
        }
        assert_eq!(
            used("alter type m add value 'it''s'; select 1; insert into t values ('it''s'), ('it''s')"),
            [(2, "it's".to_owned())]
        );
    }

    #[test]
    fn a_value_that_postgres_would_take_is_left_alone() {
        for text in [
            "alter type mood add value 'new'",
            "insert into t values ('new'); alter type mood add value 'new'",
            "alter type mood add value 'a'; alter type mood add value 'b' after 'a'",
            "alter type mood add value 'a'; alter type mood rename value 'a' to 'b'",
            "create type mood as enum ('old'); alter type mood add value 'new'; insert into t values ('new')",
            "alter type mood add value 'new'; comment on type mood is 'new'",
            "alter type mood add value 'new'; insert into t values ('New'), ('new ')",
            "alter type mood add value 'new'; select \"new\", new, 1 -- 'new'\n /* 'new' */",
            "alter type mood add value 'new'; select * from t where mood::text = 'new'",
            "alter type mood add value 'new'; select * from t where cast(mood as text) = 'new'",
            "alter type mood add value 'new'; do $$ begin perform 'new'; end $$",
            "alter type mood add value 'new'; create function f() returns text language plpgsql as $$ begin return 'new'; end $$",
            "alter type mood add attribute a text; insert into t values ('a')",
        ] {
            assert_eq!(used(text), [], "{text}");
        }
    }
}
