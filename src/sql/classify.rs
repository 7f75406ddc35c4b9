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
    let words = statement.words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["BEGIN", ..] | ["START", "TRANSACTION", ..] => Some(TransactionControl::Begin),
        ["PREPARE", "TRANSACTION", ..] | ["COMMIT" | "ROLLBACK", "PREPARED", ..] => Some(TransactionControl::TwoPhase),
        ["COMMIT" | "END", ..] => Some(TransactionControl::Commit),
        ["ROLLBACK", "TO", ..] | ["ROLLBACK", "WORK" | "TRANSACTION", "TO", ..] => None,
        ["ROLLBACK" | "ABORT", ..] => Some(TransactionControl::Rollback),
        _ => None,
    }
}

/// The name of the command if Postgres refuses it inside a transaction block (SQLSTATE 25001).
///
/// These are the callers of `PreventInTransactionBlock` that a statement's first words tell; `CREATE SUBSCRIPTION` depends on
/// options and is left to the server.
pub fn in_transaction_refused(text: &str, statement: &Statement) -> Option<&'static str> {
    let words = statement.words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let concurrently = || {
        // Outside of parentheses, so neither a column nor a name in quotes.
        statement.head.iter().any(|t| t.kind == TokenKind::Word && t.text(text).eq_ignore_ascii_case("CONCURRENTLY"))
    };
    match words.as_slice() {
        ["CREATE", "INDEX", "CONCURRENTLY", ..] | ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..] => {
            Some("CREATE INDEX CONCURRENTLY")
        }
        ["DROP", "INDEX", "CONCURRENTLY", ..] => Some("DROP INDEX CONCURRENTLY"),
        ["REINDEX", "DATABASE" | "SYSTEM" | "SCHEMA", ..] => Some("REINDEX of a whole schema or database"),
        ["REINDEX", ..] if concurrently() || reindex_option(text, statement) => Some("REINDEX CONCURRENTLY"),
        ["ALTER", "TABLE", ..] if concurrently() => Some("ALTER TABLE … DETACH PARTITION … CONCURRENTLY"),
        ["VACUUM", ..] => Some("VACUUM"),
        ["CREATE", "DATABASE", ..] => Some("CREATE DATABASE"),
        ["DROP", "DATABASE", ..] => Some("DROP DATABASE"),
        ["CREATE", "TABLESPACE", ..] => Some("CREATE TABLESPACE"),
        ["DROP", "TABLESPACE", ..] => Some("DROP TABLESPACE"),
        ["ALTER", "SYSTEM", ..] => Some("ALTER SYSTEM"),
        ["DISCARD", "ALL", ..] => Some("DISCARD ALL"),
        ["CLUSTER"] | ["CLUSTER", "VERBOSE"] => Some("CLUSTER of the whole database"),
        ["ALTER", "DATABASE", ..] if words.windows(2).any(|pair| pair == ["SET", "TABLESPACE"]) => {
            Some("ALTER DATABASE … SET TABLESPACE")
        }
        _ => None,
    }
}

/// `REINDEX (CONCURRENTLY) TABLE …`, whose option stands in parentheses.
fn reindex_option(text: &str, statement: &Statement) -> bool {
    let source = text.get(statement.start..statement.end).unwrap_or_default();
    let mut tokens = Lexer::new(source).filter(|t| !t.is_comment()).skip(1).peekable();
    tokens.next_if(|t| t.kind == TokenKind::Open).is_some()
        && tokens
            .take_while(|t| t.kind != TokenKind::Close)
            .any(|t| t.text(source).eq_ignore_ascii_case("CONCURRENTLY"))
}

/// For `CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] [name] ON …` the index's name as written, and for
/// `DROP INDEX CONCURRENTLY [IF EXISTS] name` too: `Some(None)` where the statement leaves the name to the server.
pub fn concurrent_index<'a>(text: &'a str, statement: &Statement) -> Option<Option<&'a str>> {
    let at = match in_transaction_refused(text, statement)? {
        "CREATE INDEX CONCURRENTLY" if statement.word(text, 1).as_deref() == Some("UNIQUE") => 4,
        "CREATE INDEX CONCURRENTLY" | "DROP INDEX CONCURRENTLY" => 3,
        _ => return None,
    };
    let at = match (statement.word(text, at).as_deref(), statement.word(text, at + 1).as_deref()) {
        (Some("IF"), Some("NOT")) => at + 3,
        (Some("IF"), Some("EXISTS")) => at + 2,
        (Some("ON"), _) => return Some(None),
        _ => at,
    };
    let first = statement.head.get(at)?;
    // A qualified name is a word, a dot and a word, which stand together.
    let mut last = first;
    for pair in statement.head.get(at + 1..)?.chunks(2) {
        match pair {
            [dot, name] if dot.text(text) == "." => last = name,
            _ => break,
        }
    }
    Some(text.get(first.start..last.end))
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
            "alter database d set tablespace t",
            "create database d",
            "alter system set work_mem = '1GB'",
        ] {
            assert!(first(text, in_transaction_refused).is_some(), "{text}");
        }
        for text in [
            "create index i on t (concurrently)",
            "refresh materialized view concurrently v",
            "create table \"concurrently\" (i int)",
            "reindex index built_concurrently",
            "reindex (verbose) table /* not concurrently */ t",
        ] {
            assert_eq!(first(text, in_transaction_refused), None, "{text}");
        }
    }

    #[test]
    fn the_index_is_named_as_it_is_written() {
        let table = [
            ("create index concurrently if not exists s.\"My i\" on t (a)", Some(Some("s.\"My i\""))),
            ("create unique index concurrently i on t (a)", Some(Some("i"))),
            ("create index concurrently on t (a)", Some(None)),
            ("drop index concurrently if exists i", Some(Some("i"))),
            ("vacuum t", None),
        ];
        for (text, expected) in table {
            let split = split(text);
            assert_eq!(concurrent_index(text, &split.statements[0]), expected, "{text}");
        }
    }
}
