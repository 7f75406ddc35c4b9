//! What a statement does to the transaction it stands in.

use super::lexer::{Lexer, TokenKind};
use super::statement::Statement;

/// A statement that begins or ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionControl {
    /// `BEGIN`, `START TRANSACTION`
    Begin,
    /// `COMMIT`, `END`, with or without `AND CHAIN`
    Commit,
    /// `ROLLBACK`, `ABORT`, but not `ROLLBACK TO` a savepoint
    Rollback,
    /// `PREPARE TRANSACTION`, `COMMIT PREPARED`, `ROLLBACK PREPARED`
    TwoPhase,
}

/// What the statement does to its transaction; `None` for all that leaves it as it is.
pub fn transaction_control(text: &str, statement: &Statement) -> Option<TransactionControl> {
    // The first words that decide, from the longest on.
    let table: [(&[&str], Option<TransactionControl>); 12] = [
        (&["BEGIN"], Some(TransactionControl::Begin)),
        (&["START", "TRANSACTION"], Some(TransactionControl::Begin)),
        (&["PREPARE", "TRANSACTION"], Some(TransactionControl::TwoPhase)),
        (&["COMMIT", "PREPARED"], Some(TransactionControl::TwoPhase)),
        (&["ROLLBACK", "PREPARED"], Some(TransactionControl::TwoPhase)),
        (&["COMMIT"], Some(TransactionControl::Commit)),
        (&["END"], Some(TransactionControl::Commit)),
        (&["ROLLBACK", "TO"], None),
        (&["ROLLBACK", "WORK", "TO"], None),
        (&["ROLLBACK", "TRANSACTION", "TO"], None),
        (&["ROLLBACK"], Some(TransactionControl::Rollback)),
        (&["ABORT"], Some(TransactionControl::Rollback)),
    ];
    // Most statements are none of these, and each is asked.
    let first = statement.word(text, 0)?;
    let is = |words: &[&str]| first.eq_ignore_ascii_case(words[0]) && statement.starts_with(text, words);
    table.into_iter().find(|(words, _)| is(words)).and_then(|(_, control)| control)
}

/// The name of the command if Postgres refuses it inside a transaction block (SQLSTATE 25001).
///
/// These are the callers of `PreventInTransactionBlock` that a statement's first words tell; `CREATE SUBSCRIPTION` depends on
/// options and is left to the server.
pub fn in_transaction_refused(text: &str, statement: &Statement) -> Option<&'static str> {
    let table: [(&[&str], &'static str); 13] = [
        (&["CREATE", "INDEX", "CONCURRENTLY"], CREATE_INDEX),
        (&["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"], CREATE_INDEX),
        (&["DROP", "INDEX", "CONCURRENTLY"], DROP_INDEX),
        (&["REINDEX", "DATABASE"], "REINDEX of a whole schema or database"),
        (&["REINDEX", "SYSTEM"], "REINDEX of a whole schema or database"),
        (&["REINDEX", "SCHEMA"], "REINDEX of a whole schema or database"),
        (&["VACUUM"], "VACUUM"),
        (&["CREATE", "DATABASE"], "CREATE DATABASE"),
        (&["DROP", "DATABASE"], "DROP DATABASE"),
        (&["CREATE", "TABLESPACE"], "CREATE TABLESPACE"),
        (&["DROP", "TABLESPACE"], "DROP TABLESPACE"),
        (&["ALTER", "SYSTEM"], "ALTER SYSTEM"),
        (&["DISCARD", "ALL"], "DISCARD ALL"),
    ];
    let first = statement.word(text, 0)?;
    let is = |words: &[&str]| first.eq_ignore_ascii_case(words[0]) && statement.starts_with(text, words);
    if let Some((_, command)) = table.into_iter().find(|(words, _)| is(words)) {
        return Some(command);
    }
    // Outside of parentheses, so neither a column nor a name in quotes.
    let concurrently = || (0..statement.head.len()).any(|n| statement.is(text, n, "CONCURRENTLY"));
    let set_tablespace = |n: usize| statement.is(text, n, "SET") && statement.is(text, n + 1, "TABLESPACE");
    if is(&["REINDEX"]) && (concurrently() || reindex_option(text, statement)) {
        Some("REINDEX CONCURRENTLY")
    } else if is(&["ALTER", "TABLE"]) && concurrently() {
        Some("ALTER TABLE … DETACH PARTITION … CONCURRENTLY")
    } else if (is(&["CLUSTER"]) && statement.words() == 1) || (is(&["CLUSTER", "VERBOSE"]) && statement.words() == 2) {
        Some("CLUSTER of the whole database")
    } else if is(&["ALTER", "DATABASE"]) && (0..statement.words()).any(set_tablespace) {
        Some("ALTER DATABASE … SET TABLESPACE")
    } else {
        None
    }
}

/// Whether the statement does the same in a transaction as by itself, as far as a lexer can tell.
///
/// That is not so for what Postgres refuses there, for `CALL` and a `DO` that may commit by themselves, and for a subscription, whose options
/// decide. All that is no change of schema or data counts as not so, too.
pub fn joins_transaction(text: &str, statement: &Statement) -> bool {
    const CHANGES: [&str; 15] = [
        "ALTER", "COMMENT", "CREATE", "DELETE", "DROP", "GRANT", "INSERT", "MERGE", "REFRESH", "REVOKE", "SECURITY",
        "SELECT", "TRUNCATE", "UPDATE", "WITH",
    ];
    let is = |n, word| statement.is(text, n, word);
    if is(0, "DO") {
        // In text that is put together while it runs, the words stand as well.
        let body = text.get(statement.start..statement.end).unwrap_or_default().to_ascii_uppercase();
        return !["COMMIT", "ROLLBACK", "CALL"].iter().any(|word| body.contains(word));
    }
    CHANGES.iter().any(|word| is(0, word))
        && !is(1, "SUBSCRIPTION")
        && in_transaction_refused(text, statement).is_none()
}

const CREATE_INDEX: &str = "CREATE INDEX CONCURRENTLY";
const DROP_INDEX: &str = "DROP INDEX CONCURRENTLY";

/// `REINDEX (CONCURRENTLY) TABLE …`, whose option stands in parentheses.
fn reindex_option(text: &str, statement: &Statement) -> bool {
    let source = text.get(statement.start..statement.end).unwrap_or_default();
    let mut tokens = Lexer::new(source).filter(|t| !t.is_comment()).skip(1).peekable();
    tokens.next_if(|t| t.kind == TokenKind::Open).is_some()
        && tokens
            .take_while(|t| t.kind != TokenKind::Close)
            .any(|t| t.text(source).eq_ignore_ascii_case("CONCURRENTLY"))
}

/// What `CREATE INDEX CONCURRENTLY` and `DROP INDEX CONCURRENTLY` name, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrentIndex<'a> {
    /// The index; `None` where the statement leaves its name to the server.
    pub name: Option<&'a str>,
    /// The table that it is created on, in whose schema it will be; `None` for `DROP`.
    pub table: Option<&'a str>,
}

/// For `CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] [name] ON [ONLY] table …` and
/// `DROP INDEX CONCURRENTLY [IF EXISTS] name` what they name; `None` for any other statement.
pub fn concurrent_index<'a>(text: &'a str, statement: &Statement) -> Option<ConcurrentIndex<'a>> {
    let is = |n: usize, word: &str| statement.is(text, n, word);
    let mut at = match in_transaction_refused(text, statement)? {
        CREATE_INDEX if is(1, "UNIQUE") => 4,
        CREATE_INDEX | DROP_INDEX => 3,
        _ => return None,
    };
    if is(at, "IF") && is(at + 1, "NOT") {
        at += 3;
    } else if is(at, "IF") && is(at + 1, "EXISTS") {
        at += 2;
    }
    if is(0, "DROP") {
        return Some(ConcurrentIndex { name: qualified_name(text, statement, at).map(|(name, _)| name), table: None });
    }
    let name = if is(at, "ON") {
        None
    } else {
        let (name, next) = qualified_name(text, statement, at)?;
        at = next;
        Some(name)
    };
    // `at` is at ON now.
    at += if is(at + 1, "ONLY") { 2 } else { 1 };
    Some(ConcurrentIndex { name, table: qualified_name(text, statement, at).map(|(table, _)| table) })
}

/// The name that begins at this token (a word, or words with dots between them), and the token behind it.
fn qualified_name<'a>(text: &'a str, statement: &Statement, at: usize) -> Option<(&'a str, usize)> {
    let first = statement.head.get(at)?;
    let (mut last, mut next) = (first, at + 1);
    while let [dot, name, ..] = statement.head.get(next..)?
        && dot.text(text) == "."
    {
        (last, next) = (name, next + 2);
    }
    Some((text.get(first.start..last.end)?, next))
}

#[cfg(test)]
mod tests {
    use super::super::split;
    use super::*;

    fn first<T>(text: &str, f: impl Fn(&str, &Statement) -> T) -> T {
        f(text, &split(text).statements[0])
    }

    #[test]
    fn transaction_control_is_seen_whatever_its_spelling() {
        use TransactionControl::{Begin, Commit, Rollback, TwoPhase};
        let table = [
            ("begin", Some(Begin)),
            ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", Some(Begin)),
            ("/* a */ Commit and chain", Some(Commit)),
            ("end work", Some(Commit)),
            ("rollback", Some(Rollback)),
            ("abort", Some(Rollback)),
            ("prepare transaction 'x'", Some(TwoPhase)),
            ("commit prepared 'x'", Some(TwoPhase)),
            ("rollback to savepoint a", None),
            ("rollback work to a", None),
            ("savepoint a", None),
            ("prepare q as select 1", None),
            ("\"commit\"", None),
            ("select 'commit'", None),
        ];
        for (text, expected) in table {
            assert_eq!(first(text, transaction_control), expected, "{text}");
        }
    }

    #[test]
    fn what_postgres_refuses_in_a_transaction_is_seen() {
        for text in [
            "create unique index concurrently i on t (a)",
            "drop index concurrently if exists i",
            "reindex (verbose, concurrently) table t",
            "reindex table concurrently t",
            "alter table t detach partition p concurrently",
            "vacuum (full) t",
            "cluster",
            "cluster verbose",
            "alter database d set tablespace t",
            "create database d",
            "alter system set work_mem = '1GB'",
        ] {
            assert!(first(text, in_transaction_refused).is_some(), "{text}");
        }
        for text in [
            "create index i on t (concurrently)",
            "cluster t",
            "cluster verbose t using i",
            "refresh materialized view concurrently v",
            "create table \"concurrently\" (i int)",
            "reindex index built_concurrently",
            "reindex (verbose) table /* not concurrently */ t",
        ] {
            assert_eq!(first(text, in_transaction_refused), None, "{text}");
        }
    }

    #[test]
    fn what_does_the_same_in_a_transaction_is_seen() {
        for text in [
            "alter type mood add value 'new'",
            "insert into t values (1)",
            "with a as (delete from t returning *) insert into u select * from a",
            "create index i on t (a)",
            "refresh materialized view concurrently v",
            "do $$ begin insert into t values (1); end $$",
        ] {
            assert!(first(text, joins_transaction), "{text}");
        }
        for text in [
            "create index concurrently i on t (a)",
            "vacuum t",
            "call p()",
            "create subscription s connection '' publication p with (connect = false)",
            "do $$ begin commit; end $$",
            "do $$ begin execute 'call p()'; end $$",
            "set role r",
            "lock table t",
            "begin",
        ] {
            assert!(!first(text, joins_transaction), "{text}");
        }
    }

    #[test]
    fn index_and_table_are_named_as_they_are_written() {
        let table = [
            (
                "create index concurrently if not exists \"My i\" on s.\"T\" (a)",
                Some((Some("\"My i\""), Some("s.\"T\""))),
            ),
            ("create unique index concurrently i on only t using btree (a)", Some((Some("i"), Some("t")))),
            ("create index concurrently on t (a)", Some((None, Some("t")))),
            ("create index concurrently i", Some((Some("i"), None))),
            ("drop index concurrently if exists s.i cascade", Some((Some("s.i"), None))),
            ("vacuum t", None),
        ];
        for (text, expected) in table {
            let split = split(text);
            let found = concurrent_index(text, &split.statements[0]);
            assert_eq!(found.map(|index| (index.name, index.table)), expected, "{text}");
        }
    }
}
