//! What is in a script: its encoding, and what a light lexer can tell.

use std::ops::Range;
use std::sync::Arc;

use crate::checksum::Checksum;
use crate::diagnostic::{Diagnostic, Rule};
use crate::migration::{Directives, MOST_FINDINGS};
use crate::sql::{self, Lexer, TransactionControl};

/// The text of a file, with LF line ends and no byte order mark, or what is wrong with its encoding.
pub(super) fn decode(path: &str, bytes: &[u8]) -> Result<Arc<str>, Diagnostic> {
    let wrong = |message: String| {
        Diagnostic::error(Rule::Encoding, message)
            .at(path)
            .help("save the file as UTF-8; `iconv -f <encoding> -t UTF-8` converts it")
    };
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes {
        return Err(wrong("the file is UTF-16 (byte order mark at byte 0), and Postgres takes UTF-8".to_owned()));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map_or((0, bytes), |rest| (3, rest));
    let (skipped, bytes) = bytes;
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        wrong(format!("byte 0x{byte:02x} at offset {} (line {}) is not valid UTF-8", at + skipped, line_of(bytes, at)))
    })?;
    if let Some(at) = text.find('\0') {
        return Err(wrong(format!(
            "a NUL byte at offset {} (line {}), which no Postgres text can hold",
            at + skipped,
            line_of(bytes, at)
        ))
        .note("UTF-16 without a byte order mark looks like this, too"));
    }
    Ok(if text.contains("\r\n") { text.replace("\r\n", "\n").into() } else { text.into() })
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|&&b| b == b'\n').count() + 1
}

/// A digest that comments and white space don't change.
pub(super) fn fingerprint(text: &str) -> Checksum {
    Checksum::of_parts(Lexer::new(text).filter(|token| !token.is_comment()).map(|token| token.text(text)))
}

/// A script that is one transaction of its own: `BEGIN` is its first statement, `COMMIT` its last, and none stands between.
pub(super) fn wrapper(text: &str, split: &sql::Script) -> Option<[Range<usize>; 2]> {
    let control: Vec<_> = split
        .statements
        .iter()
        .enumerate()
        .filter_map(|(n, s)| Some((n, sql::transaction_control(text, s)?)))
        .collect();
    let last = split.statements.len().checked_sub(1)?;
    let [(0, TransactionControl::Begin), (at, TransactionControl::Commit)] = control.as_slice() else {
        return None;
    };
    let (begin, commit) = (split.statements.first()?, split.statements.get(*at)?);
    // `BEGIN ISOLATION LEVEL …` and `COMMIT AND CHAIN` ask for more than a transaction.
    (*at == last && begin.words() <= 2 && commit.words() <= 2)
        .then_some([begin.start..begin.end, commit.start..commit.end])
}

/// All that the lexer can tell is wrong.
pub(super) fn check(path: &str, text: &Arc<str>, split: &sql::Script, directives: &Directives) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut found = |rule, message: String, span: Range<usize>, label: &str, help: String| {
        if findings.len() <= MOST_FINDINGS {
            findings.push(Diagnostic::error(rule, message).at(path).pointing(text, span, label).help(help));
        }
    };
    if let Some(open) = split.unterminated {
        found(
            Rule::Unterminated,
            "a quote or comment is never closed".to_owned(),
            open.start..open.start + 1,
            "opened here",
            "close it; what stands behind it is swallowed as text".to_owned(),
        );
    }
    for meta in &split.meta_commands {
        let command = meta.text(text).split_whitespace().next().unwrap_or("\\");
        found(
            Rule::MetaCommand,
            format!("`{command}` is a command of psql, and Postgres does not know it"),
            meta.start..meta.end,
            "a psql meta-command",
            meta_command_help(command),
        );
    }
    for copy in &split.copies {
        found(
            Rule::CopyFromStdin,
            "COPY … FROM STDIN reads data from psql's input, and a migration has none".to_owned(),
            copy.start..copy.end,
            "no data can follow",
            "write the rows as INSERT … VALUES; `pg_dump --inserts` does so".to_owned(),
        );
    }
    if split.statements.is_empty()
        && split.unterminated.is_none()
        && split.meta_commands.is_empty()
        && !directives.allows(Rule::Empty)
    {
        let end = text.find('\n').unwrap_or(text.len());
        found(
            Rule::Empty,
            "the script has no statement".to_owned(),
            0..end,
            "",
            "write its SQL, or `-- stairwell: allow empty <reason>` if doing nothing is right".to_owned(),
        );
    }
    if directives.no_transaction
        && let Some(second) = split.statements.get(1)
    {
        found(
            Rule::SeveralStatements,
            format!("a `no-transaction` script is one statement, and this one has {}", split.statements.len()),
            second.start..second.end,
            "the second statement",
            "give each statement a migration of its own: were the second to fail, the first could not be rolled back"
                .to_owned(),
        );
    }
    for statement in &split.statements {
        let span = statement.start..statement.end;
        if let Some(control) = sql::transaction_control(text, statement) {
            let (does, help) = match control {
                TransactionControl::Begin => {
                    ("begins a transaction", "remove it: the script already runs in a transaction, with its ledger row")
                }
                TransactionControl::Commit => (
                    "ends the transaction",
                    "remove it: the transaction commits by itself when the script has succeeded",
                ),
                TransactionControl::Rollback => {
                    ("rolls the transaction back", "remove it: a script that fails is rolled back by itself")
                }
                TransactionControl::TwoPhase => {
                    ("is two-phase commit", "remove it: a migration is one transaction of its own")
                }
            };
            found(
                Rule::TransactionControl,
                "a script cannot control its own transaction".to_owned(),
                span,
                does,
                help.to_owned(),
            );
        } else if let Some(command) = sql::in_transaction_refused(text, statement) {
            if !directives.no_transaction {
                let help = if split.statements.len() > 1 {
                    "move this statement to a migration of its own, and begin that script with `-- stairwell: no-transaction`"
                } else {
                    "begin the script with `-- stairwell: no-transaction`"
                };
                found(
                    Rule::InTransaction,
                    format!("{command} cannot run in a transaction"),
                    span,
                    "Postgres refuses it there",
                    help.to_owned(),
                );
            } else if sql::concurrent_index(text, statement).is_some_and(|index| index.name.is_none()) {
                found(
                    Rule::UnnamedIndex,
                    "an index that is built concurrently needs a name".to_owned(),
                    span,
                    "Postgres would make one up",
                    "name it: after a crash, that is how it is found to be finished or not".to_owned(),
                );
            }
        }
    }
    findings
}

fn meta_command_help(command: &str) -> String {
    match command {
        "\\restrict" | "\\unrestrict" => {
            "newer versions of pg_dump write this line; delete it and its counterpart at the end of the file".to_owned()
        }
        "\\i" | "\\ir" | "\\include" | "\\include_relative" => "put the other file's SQL here".to_owned(),
        "\\copy" => "write the rows as INSERT … VALUES".to_owned(),
        "\\connect" | "\\c" => "delete the line; the migration runs in the database that it is applied to".to_owned(),
        _ => "delete the line, or write it as SQL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Direction, Script};
    use super::*;

    fn rules(text: &[u8]) -> Vec<Rule> {
        let (_, findings) = Script::parse("1_a.up.sql".into(), text, Direction::Up);
        findings.into_iter().map(|f| f.rule).collect()
    }

    #[test]
    fn each_defect_has_its_rule() {
        let table: &[(&[u8], &[Rule])] = &[
            (b"select 1;", &[]),
            (b"\xef\xbb\xbfselect 1;", &[]),
            ("select '\u{fffd}';".as_bytes(), &[]),
            (b"\xff\xfes\0", &[Rule::Encoding]),
            (b"s\0e\0", &[Rule::Encoding]),
            (b"select '\xe9';", &[Rule::Encoding]),
            (b"", &[Rule::Empty]),
            (b"-- nothing\n;;", &[Rule::Empty]),
            (b"-- stairwell: allow empty a marker\n", &[]),
            (b"select 'open;", &[Rule::Unterminated]),
            (b"begin; select 1; commit;", &[Rule::TransactionControl, Rule::TransactionControl]),
            (b"create index concurrently i on t (a);", &[Rule::InTransaction]),
            (b"-- stairwell: no-transaction\ncreate index concurrently i on t (a);", &[]),
            (b"-- stairwell: no-transaction\ncreate index concurrently on t (a);", &[Rule::UnnamedIndex]),
            (b"-- stairwell: no-transaction\nvacuum; select 1", &[Rule::SeveralStatements]),
            (b"\\i other.sql\nselect 1;", &[Rule::MetaCommand]),
            (b"copy t from stdin;\n1\tit's\n\\.\n", &[Rule::CopyFromStdin]),
            (b"copy t from stdin", &[Rule::CopyFromStdin]),
        ];
        for (text, expected) in table {
            assert_eq!(&rules(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_do_not_change_the_checksum() {
        let of = |bytes: &[u8]| Script::parse("f".into(), bytes, Direction::Up).0.unwrap().checksum();
        assert_eq!(of(b"select 1;\nselect 2;\n"), of(b"\xef\xbb\xbfselect 1;\r\nselect 2;\r\n"));
    }

    #[test]
    fn the_fingerprint_sees_code_and_not_comments() {
        assert_eq!(fingerprint("select 1 ;"), fingerprint("-- a\nselect/* b */1;\n"));
        assert_ne!(fingerprint("select 'a b'"), fingerprint("select 'a  b'"));
        assert_ne!(fingerprint("select ab"), fingerprint("select a b"));
    }

    #[test]
    fn a_wrapper_is_blanked_and_nothing_moves() {
        let (script, _) = Script::parse("f".into(), "-- é\nBEGIN;\nselect 1;\nCOMMIT;\n".as_bytes(), Direction::Up);
        let script = script.unwrap();
        assert_eq!(script.to_send(), "-- é\n     ;\nselect 1;\n      ;\n");
        let commented = Script::stored("f", "BEGIN /* é */ WORK; select 'ü'; COMMIT /* é */ WORK;", Direction::Up);
        assert_eq!(commented.to_send().find("'ü'"), commented.text().find("'ü'"));
        assert_eq!(commented.to_send().split_whitespace().collect::<Vec<_>>(), [";", "select", "'ü';", ";"]);
        let (two, _) = Script::parse("f".into(), b"begin; commit; begin; commit;", Direction::Up);
        assert_eq!(two.unwrap().0.wrapper, None);
    }
}
