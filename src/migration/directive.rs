//! Directives: `-- stairwell: <word> …`, one a line, in a script's leading comments.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::checksum::Checksum;
use crate::diagnostic::{Diagnostic, Rule};
use crate::migration::lint_rules::lint_rule;
use crate::migration::{Direction, MOST_FINDINGS};
use crate::sql::{self, Token, TokenKind};

/// What a script's directives say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// `no-transaction`: the script is one statement that cannot run in a transaction.
    pub no_transaction: bool,
    /// `irreversible <reason>`: there is no way back.
    pub irreversible: Option<String>,
    /// `destructive <reason>`: it drops or overwrites data knowingly.
    pub destructive: Option<String>,
    /// `allow <rule> <reason>`, each.
    pub allow: Vec<Allow>,
    /// `lock-timeout <duration>`.
    pub lock_timeout: Option<Duration>,
    /// `squashes <count> <sha256>`, each: a history that the script stands for, see [`crate::plan::squash`].
    pub squashes: Vec<Squashed>,
}

/// One `squashes <count> <sha256>`: a history that a baseline stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Squashed {
    /// How many migrations.
    pub count: usize,
    /// Which, see [`crate::plan::squash::digest`].
    pub digest: Checksum,
}

impl std::fmt::Display for Squashed {
    /// As the directive has it behind its word.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.count, self.digest)
    }
}

/// One `allow <rule> <reason>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The rule's name.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Where the directive stands in the script's text, in bytes.
    pub span: Range<usize>,
}

impl Directives {
    /// What a script without any says.
    pub(crate) const NONE: &Self = &Self {
        no_transaction: false,
        irreversible: None,
        destructive: None,
        allow: Vec::new(),
        lock_timeout: None,
        squashes: Vec::new(),
    };

    /// Whether the script silences this rule.
    pub fn allows(&self, rule: Rule) -> bool {
        self.allow.iter().any(|allow| allow.rule == rule.name())
    }
}

const WORDS: &str = "`no-transaction`, `irreversible <reason>`, `destructive <reason>`, `allow <rule> <reason>`, `lock-timeout <duration>`, and `squashes <count> <sha256>`, which `cargo xtask db squash` writes";

/// The rules that a script may silence. A rule that is not here protects the ledger or the files themselves, or, like
/// [`Rule::Destructive`], has a directive of its own.
const ALLOWABLE: [Rule; 4] = [Rule::Empty, Rule::SessionState, Rule::EnumValueUsed, Rule::OpaqueSql];

/// The directive's text behind `stairwell:` if the comment is one; the word may have any case and spaces around it.
/// Without the colon it is one as well if a directive's word follows, to be refused: prose may begin with "stairwell".
fn body(comment: &str) -> Option<&str> {
    let inner = comment.trim_start_matches(|c: char| matches!(c, '-' | '/' | '*') || c.is_whitespace());
    let rest = inner.get(..9).filter(|word| word.eq_ignore_ascii_case("stairwell")).and(inner.get(9..))?;
    if let Some(body) = rest.trim_start().strip_prefix(':') {
        return Some(body.trim());
    }
    let word = rest.split_whitespace().next().filter(|_| rest.starts_with(char::is_whitespace))?;
    let known = ["no-transaction", "irreversible", "destructive", "allow", "lock-timeout", "squashes"];
    known.iter().any(|known| word.eq_ignore_ascii_case(known)).then(|| inner.trim())
}

/// Reads all directives of a script.
pub(super) fn read(
    path: &str,
    text: &Arc<str>,
    split: &sql::Script,
    direction: Direction,
) -> (Directives, Vec<Diagnostic>) {
    let mut directives = Directives::default();
    let mut findings = Vec::new();
    let first_statement = split.statements.first().map_or(usize::MAX, |s| s.start);
    for comment in &split.comments {
        if findings.len() > MOST_FINDINGS {
            break;
        }
        let source = comment.text(text);
        let wrong = |message: &str, label: &str| {
            Diagnostic::error(Rule::Directive, message).at(path).pointing(text, comment.start..comment.end, label)
        };
        if comment.kind == TokenKind::BlockComment {
            if source.lines().any(|line| body(line).is_some()) {
                findings.push(
                    wrong("a directive in a block comment", "not read here")
                        .help("write it as a line of its own: `-- stairwell: <word> …`"),
                );
            }
            continue;
        }
        let Some(body) = body(source) else { continue };
        if comment.start > first_statement {
            findings.push(
                wrong("a directive behind the first statement", "not read here")
                    .help("move it into the comments at the top of the file, before the first statement"),
            );
        } else if !stands_alone(text, comment) {
            findings.push(
                wrong("a directive needs a line of its own", "not read here").help("put it on a line of its own"),
            );
        } else if let Err((message, help)) = apply(&mut directives, body, direction, comment.start..comment.end) {
            findings.push(wrong(&message, "this directive").help(help));
        }
    }
    (directives, findings)
}

fn stands_alone(text: &str, comment: &Token) -> bool {
    let before: Range<usize> = 0..comment.start;
    text[before].rsplit('\n').next().is_none_or(|line| line.trim().is_empty())
}

/// Reads one directive into `directives`, or says what is wrong and how to mend it.
fn apply(
    directives: &mut Directives,
    body: &str,
    direction: Direction,
    span: Range<usize>,
) -> Result<(), (String, String)> {
    let (word, rest) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
    let rest = rest.trim();
    let word = word.to_ascii_lowercase();
    let needs = |what: &str| (format!("`{word}` needs {what}"), format!("write `-- stairwell: {word} {what}`"));
    let reason = |slot: &mut Option<String>| match (rest, slot.is_some()) {
        ("", _) => Err(needs("<reason>")),
        (_, true) => Err((format!("`{word}` is given twice"), "keep one of the two".to_owned())),
        (reason, false) => {
            *slot = Some(reason.to_owned());
            Ok(())
        }
    };
    match word.as_str() {
        "no-transaction" if rest.is_empty() => directives.no_transaction = true,
        "no-transaction" => {
            return Err((
                format!("`no-transaction` takes nothing behind it, and `{rest}` stands there"),
                "put the reason on a comment line of its own".to_owned(),
            ));
        }
        "irreversible" if direction == Direction::Down => {
            return Err((
                "`irreversible` in a down script".to_owned(),
                "a migration with a down script has a way back: move the line to the up script and delete this file"
                    .to_owned(),
            ));
        }
        "irreversible" => reason(&mut directives.irreversible)?,
        "destructive" => reason(&mut directives.destructive)?,
        "lock-timeout" if directives.lock_timeout.is_some() => {
            return Err(("`lock-timeout` is given twice".to_owned(), "keep one of the two".to_owned()));
        }
        "lock-timeout" => {
            directives.lock_timeout = Some(parse_duration(rest).ok_or_else(|| {
                let message = if rest.is_empty() {
                    needs("<duration>").0
                } else {
                    format!("`{rest}` is no duration for `lock-timeout`")
                };
                (
                    message,
                    "write `-- stairwell: lock-timeout 10s`, or another number of `ms`, `s` or `min` up to a day"
                        .to_owned(),
                )
            })?);
        }
        "squashes" if direction == Direction::Down => {
            return Err((
                "`squashes` in a down script".to_owned(),
                "it stands in the up script, where `cargo xtask db squash` wrote it".to_owned(),
            ));
        }
        "squashes" => {
            let squashed = rest.split_once(char::is_whitespace).and_then(|(count, digest)| {
                let count = count.parse().ok().filter(|count| *count > 0)?;
                Some(Squashed { count, digest: digest.trim().parse().ok()? })
            });
            directives.squashes.push(squashed.ok_or_else(|| {
                (
                    "`squashes` needs a number of migrations and a SHA-256".to_owned(),
                    "`cargo xtask db squash` writes it, and nobody edits it: take it back from git".to_owned(),
                )
            })?);
        }
        "stairwell" => {
            return Err((
                "a directive has a colon behind `stairwell`".to_owned(),
                "write `-- stairwell: <word> …`".to_owned(),
            ));
        }
        "allow" => {
            let (rule, why) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            if rule.is_empty() || why.trim().is_empty() {
                return Err(needs("<rule> <reason>"));
            }
            if rule == Rule::Destructive.name() {
                return Err((
                    "`destructive` is a directive of its own".to_owned(),
                    "write `-- stairwell: destructive <reason>`".to_owned(),
                ));
            }
            if !ALLOWABLE.iter().any(|known| known.name() == rule) && lint_rule(rule).is_none() {
                let known: Vec<_> = ALLOWABLE.iter().map(|rule| format!("`{}`", rule.name())).collect();
                return Err((
                    format!("no rule `{rule}` can be allowed"),
                    format!("a script may allow {}, and what `cargo xtask db lint --rules` lists", known.join(", ")),
                ));
            }
            directives.allow.push(Allow { rule: rule.to_owned(), reason: why.trim().to_owned(), span });
        }
        _ => {
            return Err((format!("unknown directive `{word}`"), format!("the directives are {WORDS}")));
        }
    }
    Ok(())
}

/// `250ms`, `5s`, `2min`; at most a day, at least a millisecond (zero would mean "wait for ever"). `None` for anything else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let milliseconds = match text.get(digits..)?.trim() {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "min" => number.checked_mul(60_000)?,
        _ => return None,
    };
    (1..=86_400_000).contains(&milliseconds).then(|| Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Directives, Vec<String>) {
        let text: Arc<str> = text.into();
        let (directives, findings) = read("f", &text, &sql::split(&text), Direction::Up);
        (directives, findings.into_iter().map(|f| f.message).collect())
    }

    #[test]
    fn they_are_read_behind_blank_lines_and_a_licence_and_in_any_case() {
        let (directives, findings) = parse(
            "/* Copyright\n * us */\n\n-- why\n--Stairwell : NO-TRANSACTION\n-- stairwell: lock-timeout 2min\n-- stairwell: destructive old rows\nvacuum;",
        );
        assert!(findings.is_empty(), "{findings:?}");
        assert!(directives.no_transaction);
        assert_eq!(directives.lock_timeout, Some(Duration::from_secs(120)));
        assert_eq!(directives.destructive.as_deref(), Some("old rows"));
    }

    #[test]
    fn a_baseline_says_what_it_squashes_and_may_do_so_more_than_once() {
        let digest = Checksum::of("");
        let (directives, findings) =
            parse(&format!("-- stairwell: squashes 12 {digest}\n-- stairwell: squashes  3   {digest} \nselect 1;"));
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(directives.squashes, [Squashed { count: 12, digest }, Squashed { count: 3, digest }]);
    }

    #[test]
    fn none_is_ever_ignored() {
        for text in [
            "-- stairwell: no-transactions\nselect 1;",
            "-- stairwell:\nselect 1;",
            "-- stairwell: no-transaction because\nselect 1;",
            "-- stairwell: irreversible\nselect 1;",
            "-- stairwell: destructive a\n-- stairwell: destructive b\nselect 1;",
            "-- stairwell: lock-timeout 0s\nselect 1;",
            "-- stairwell: lock-timeout soon\nselect 1;",
            "-- stairwell: allow empty\nselect 1;",
            "-- stairwell: allow transaction-control I want to\nselect 1;",
            "/* stairwell: no-transaction */ select 1;",
            "/*\n * stairwell: no-transaction\n */ select 1;",
            "select 1;\n-- stairwell: no-transaction",
            "; -- stairwell: no-transaction\nselect 1;",
            "-- stairwell: lock-timeout 1s\n-- stairwell: lock-timeout 2s\nselect 1;",
            "-- stairwell no-transaction\nselect 1;",
            "-- stairwell: squashes 12\nselect 1;",
            "-- stairwell: squashes 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nselect 1;",
            "-- stairwell: squashes 12 e3b0\nselect 1;",
            "--\u{a0}stairwell: no-transactions\nselect 1;",
        ] {
            assert_eq!(parse(text).1.len(), 1, "{text}");
        }
    }

    #[test]
    fn a_body_that_quotes_one_is_no_directive() {
        let (directives, findings) = parse(
            "do $$\n-- stairwell: no-transaction\nbegin end $$; select '-- stairwell: x'; -- stairwells: two\n-- stairwell is ours\n-- stairwell allows it",
        );
        assert_eq!((directives, findings), (Directives::default(), vec![]));
    }
}
