//! Where statements begin and end.

use super::lexer::{Lexer, Token, TokenKind};

/// How many significant tokens of a statement are kept to tell what it is.
const HEAD: usize = 24;

/// One statement of a script: `start..end` are bytes, without the semicolon that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The first byte of its first token that is not a comment.
    pub start: usize,
    /// The byte behind its last token.
    pub end: usize,
    /// Its first tokens outside of parentheses, comments left out; at most 24 of them.
    pub head: Vec<Token>,
}

/// `COPY … FROM STDIN`: its data would follow in the client's stream, which only psql does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// The first byte of the `COPY`.
    pub start: usize,
    /// The byte behind the statement.
    pub end: usize,
}

/// What a text falls into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// The statements in order. Empty ones (`;;`) are none, as for the server.
    pub statements: Vec<Statement>,
    /// Every comment.
    pub comments: Vec<Token>,
    /// Every psql meta-command.
    pub meta_commands: Vec<Token>,
    /// Every `COPY … FROM STDIN`.
    pub copies: Vec<Copy>,
    /// The quote or comment that is open at the end of the text.
    pub unterminated: Option<Token>,
}

impl Statement {
    /// The `n`th token of the head as it is written, if it is an unquoted word.
    pub fn word<'a>(&self, text: &'a str, n: usize) -> Option<&'a str> {
        let token = self.head.get(n).filter(|token| token.kind == TokenKind::Word)?;
        Some(token.text(text))
    }

    /// How many words the head begins with, up to the first token that is none.
    pub fn words(&self) -> usize {
        self.head.iter().take_while(|token| token.kind == TokenKind::Word).count()
    }

    /// Whether the `n`th token of the head is this word, in whatever case and unquoted.
    pub fn is(&self, text: &str, n: usize, word: &str) -> bool {
        self.word(text, n).is_some_and(|here| here.eq_ignore_ascii_case(word))
    }

    /// Whether the head begins with these words, in whatever case.
    pub fn starts_with(&self, text: &str, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(n, word)| self.is(text, n, word))
    }
}

/// Follows one statement from token to token.
#[derive(Default)]
struct Open {
    statement: Option<Statement>,
    parentheses: usize,
    /// Depth of `BEGIN ATOMIC … END` and the `CASE … END` in it, where semicolons do not end the statement (PostgreSQL 14+).
    atomic: usize,
    last_was_begin: bool,
}

impl Open {
    fn creates_routine(&self, text: &str) -> bool {
        self.statement.as_ref().is_some_and(|statement| {
            let skip = if statement.starts_with(text, &["CREATE", "OR", "REPLACE"]) { 3 } else { 1 };
            statement.is(text, 0, "CREATE")
                && ["FUNCTION", "PROCEDURE"].iter().any(|word| statement.is(text, skip, word))
        })
    }

    fn push(&mut self, text: &str, token: Token) {
        match token.kind {
            TokenKind::Open => self.parentheses += 1,
            TokenKind::Close => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        let statement =
            self.statement.get_or_insert(Statement { start: token.start, end: token.end, head: Vec::new() });
        statement.end = token.end;
        let outside = self.parentheses == 0 && token.kind != TokenKind::Close;
        if outside && statement.head.len() < HEAD {
            statement.head.push(token);
        }
        if token.kind == TokenKind::Word && self.parentheses == 0 {
            let word = token.text(text);
            if self.atomic > 0 && word.eq_ignore_ascii_case("CASE") {
                self.atomic += 1;
            } else if self.atomic > 0 && word.eq_ignore_ascii_case("END") {
                self.atomic -= 1;
            } else if self.atomic == 0
                && self.last_was_begin
                && word.eq_ignore_ascii_case("ATOMIC")
                && self.creates_routine(text)
            {
                self.atomic = 1;
            }
            self.last_was_begin = word.eq_ignore_ascii_case("BEGIN");
        } else if token.kind != TokenKind::Word {
            self.last_was_begin = false;
        }
    }

    /// A semicolon ends a statement unless it stands in parentheses (`CREATE RULE … DO (…; …)`) or in an atomic body.
    fn ends_at_semicolon(&self) -> bool {
        self.parentheses == 0 && self.atomic == 0
    }

    fn is_copy_from_stdin(&self, text: &str) -> bool {
        self.statement.as_ref().is_some_and(|statement| {
            let is = |token: &Token, word: &str| token.text(text).eq_ignore_ascii_case(word);
            statement.starts_with(text, &["COPY"])
                && statement.head.windows(2).any(|pair| is(&pair[0], "FROM") && is(&pair[1], "STDIN"))
        })
    }

    fn take(&mut self) -> Option<Statement> {
        std::mem::take(self).statement
    }
}

/// Splits a text as psql does. It takes any text.
pub fn split(text: &str) -> Script {
    let mut script = Script::default();
    let mut open = Open::default();
    let mut lexer = Lexer::new(text);
    while let Some(token) = lexer.next() {
        match token.kind {
            TokenKind::LineComment | TokenKind::BlockComment => script.comments.push(token),
            TokenKind::Meta => script.meta_commands.push(token),
            TokenKind::Unterminated => {
                script.unterminated = Some(token);
                open.push(text, token);
            }
            TokenKind::Semicolon if open.ends_at_semicolon() => {
                let copies = open.is_copy_from_stdin(text);
                let Some(statement) = open.take() else {
                    continue;
                };
                if copies {
                    script.copies.push(Copy { start: statement.start, end: statement.end });
                    lexer.skip_to(end_of_copy_data(text, token.end));
                }
                script.statements.push(statement);
            }
            _ => open.push(text, token),
        }
    }
    if open.is_copy_from_stdin(text)
        && let Some(statement) = &open.statement
    {
        script.copies.push(Copy { start: statement.start, end: statement.end });
    }
    script.statements.extend(open.take());
    script
}

/// Behind the line `\.` that ends the data, or at the end of the text.
fn end_of_copy_data(text: &str, from: usize) -> usize {
    let mut at = from;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        at += line.len();
        if line.trim_end_matches(['\n', '\r']) == "\\." {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statements(text: &str) -> Vec<&str> {
        split(text).statements.iter().map(|s| &text[s.start..s.end]).collect()
    }

    #[test]
    fn semicolons_inside_bodies_do_not_split() {
        let function = "create or replace function f(i int) returns int begin atomic select case when i = 1 then 1 end; select 2; end";
        let rule = "create rule r as on insert to t do also (insert into u values (1); insert into u values (2);)";
        let dollar = "do $o$ begin execute $$select 1;$$; end $o$";
        for one in [function, rule, dollar] {
            assert_eq!(statements(&format!("{one};\nselect 1")), [one, "select 1"]);
        }
    }

    #[test]
    fn atomic_in_a_name_is_no_body() {
        assert_eq!(statements("create table begin_atomic(i int); select 1").len(), 2);
        assert_eq!(statements("begin; select atomic; end").len(), 3);
    }

    #[test]
    fn empty_statements_and_comments_are_no_statements() {
        assert!(statements(";; -- nothing\n /* here */ ;").is_empty());
    }

    #[test]
    fn copy_data_is_no_sql() {
        let script = split("copy t (a, b) from stdin;\n1\ta;b\n2\t'x\n\\.\nselect 1;");
        assert_eq!(script.copies.len(), 1);
        assert_eq!(script.statements.len(), 2);
        assert_eq!(script.unterminated, None);
    }

    proptest! {
        #[test]
        fn nothing_significant_is_left_between_statements(
            text in prop::collection::vec(prop::sample::select(vec![
                "select", "'a;b'", ";", "(", ")", "$$;$$", "-- ;\n", "/*;*/", " ", "\n", "begin", "atomic", "create function f()", "end", "case", "é",
            ]), 0..30).prop_map(|parts| parts.join(" "))
        ) {
            let script = split(&text);
            let mut at = 0;
            for statement in &script.statements {
                prop_assert!(Lexer::new(&text[at..statement.start]).all(|t| t.is_comment() || t.kind == TokenKind::Semicolon));
                at = statement.end;
            }
            prop_assert!(Lexer::new(&text[at..]).all(|t| t.is_comment() || t.kind == TokenKind::Semicolon));
        }
    }
}
