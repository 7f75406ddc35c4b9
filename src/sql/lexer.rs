//! Tokens.

/// What a [`Token`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// An unquoted identifier or key word.
    Word,
    /// `"…"` or `U&"…"`.
    QuotedWord,
    /// `'…'` with any prefix, with its continuation on further lines.
    Text,
    /// `$$…$$` or `$tag$…$tag$`.
    DollarText,
    /// A number, or a parameter (`$1`).
    Number,
    /// `;`
    Semicolon,
    /// `(` or `[`
    Open,
    /// `)` or `]`
    Close,
    /// Any other character: operators, commas, dots.
    Other,
    /// `-- …`, without its line end.
    LineComment,
    /// `/* … */`, nested ones included.
    BlockComment,
    /// A backslash outside of quotes up to the end of its line: psql's, Postgres knows none.
    Meta,
    /// A quote or comment that is open when the text ends. It reaches to the end.
    Unterminated,
}

/// A piece of the text; `start..end` are bytes. White space is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
}

impl Token {
    /// Its text, cut from the text that was lexed.
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        source.get(self.start..self.end).unwrap_or_default()
    }

    /// Comments carry no meaning for Postgres.
    pub fn is_comment(&self) -> bool {
        matches!(self.kind, TokenKind::LineComment | TokenKind::BlockComment)
    }
}

/// The tokens of a text, in order. It takes any text, and time linear in its length.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// Whether a backslash escapes the next character.
#[derive(Clone, Copy, PartialEq)]
enum Backslash {
    Escapes,
    IsItself,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Goes on at this byte: what lies between is data and not SQL.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = at.max(self.at).min(self.text.len());
    }

    fn byte(&self, offset: usize) -> u8 {
        // Zero stands for "past the end"; a zero byte in the text is no start of anything either.
        self.text.as_bytes().get(offset).copied().unwrap_or(0)
    }

    /// The first byte at or after `from` for which `stop` holds, or the end.
    fn until(&self, from: usize, stop: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        rest.iter().position(|&b| stop(b)).map_or(self.text.len(), |n| from + n)
    }

    fn find(&self, from: usize, needle: &str) -> Option<usize> {
        self.text.get(from..).and_then(|rest| rest.find(needle)).map(|n| from + n)
    }

    fn block_comment(&self, start: usize) -> Option<usize> {
        let (mut at, mut depth) = (start + 2, 1_usize);
        loop {
            at = self.until(at, |b| b == b'/' || b == b'*');
            match (self.byte(at), self.byte(at + 1)) {
                (b'/', b'*') => (depth, at) = (depth + 1, at + 2),
                (b'*', b'/') if depth == 1 => return Some(at + 2),
                (b'*', b'/') => (depth, at) = (depth - 1, at + 2),
                (0, _) if at >= self.text.len() => return None,
                _ => at += 1,
            }
        }
    }

    /// The end of a quoted text whose opening quote is at `open`.
    fn quoted(&self, open: usize, quote: u8, backslash: Backslash) -> Option<usize> {
        let mut at = open + 1;
        loop {
            at = self.until(at, |b| b == quote || (b == b'\\' && backslash == Backslash::Escapes));
            if at >= self.text.len() {
                return None;
            }
            if self.byte(at) == b'\\' || self.byte(at + 1) == quote {
                at += 2; // an escaped character, or a doubled quote
                continue;
            }
            at += 1;
            match self.continuation(at) {
                // Two quoted texts with a line end between them are one, and an E'…' stays one in which backslashes escape.
                Some(next) if quote == b'\'' => at = next + 1,
                _ => return Some(at),
            }
        }
    }

    /// Where the quote stands that continues a text which ended at `at`: after white space with a line end in it.
    fn continuation(&self, at: usize) -> Option<usize> {
        let (mut at, mut newline) = (at, false);
        loop {
            match self.byte(at) {
                b'\n' | b'\r' => newline = true,
                b' ' | b'\t' | 0x0b | 0x0c => {}
                b'-' if self.byte(at + 1) == b'-' => {
                    at = self.until(at, |b| b == b'\n' || b == b'\r');
                    continue;
                }
                b'\'' if newline => return Some(at),
                _ => return None,
            }
            at += 1;
        }
    }

    fn dollar(&self, start: usize) -> (TokenKind, usize) {
        let first = self.byte(start + 1);
        if first.is_ascii_digit() {
            return (TokenKind::Number, self.until(start + 1, |b| !b.is_ascii_digit()));
        }
        let tag_end = if is_word_start(first) {
            self.until(start + 1, |b| !is_word_start(b) && !b.is_ascii_digit())
        } else {
            start + 1
        };
        if self.byte(tag_end) != b'$' {
            return (TokenKind::Other, start + 1);
        }
        let tag = &self.text[start..=tag_end];
        match self.find(tag_end + 1, tag) {
            Some(close) => (TokenKind::DollarText, close + tag.len()),
            None => (TokenKind::Unterminated, self.text.len()),
        }
    }

    fn text_or_unterminated(&self, kind: TokenKind, end: Option<usize>) -> (TokenKind, usize) {
        end.map_or((TokenKind::Unterminated, self.text.len()), |end| (kind, end))
    }

    fn token(&self, start: usize) -> (TokenKind, usize) {
        let (first, second) = (self.byte(start), self.byte(start + 1));
        match (first, second) {
            (b'-', b'-') => (TokenKind::LineComment, self.until(start, |b| b == b'\n' || b == b'\r')),
            (b'/', b'*') => self.text_or_unterminated(TokenKind::BlockComment, self.block_comment(start)),
            (b'\'', _) => self.text_or_unterminated(TokenKind::Text, self.quoted(start, b'\'', Backslash::IsItself)),
            (b'"', _) => {
                self.text_or_unterminated(TokenKind::QuotedWord, self.quoted(start, b'"', Backslash::IsItself))
            }
            (b'e' | b'E', b'\'') => {
                self.text_or_unterminated(TokenKind::Text, self.quoted(start + 1, b'\'', Backslash::Escapes))
            }
            (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', b'\'') => {
                self.text_or_unterminated(TokenKind::Text, self.quoted(start + 1, b'\'', Backslash::IsItself))
            }
            (b'u' | b'U', b'&') if self.byte(start + 2) == b'\'' => {
                self.text_or_unterminated(TokenKind::Text, self.quoted(start + 2, b'\'', Backslash::IsItself))
            }
            (b'u' | b'U', b'&') if self.byte(start + 2) == b'"' => {
                self.text_or_unterminated(TokenKind::QuotedWord, self.quoted(start + 2, b'"', Backslash::IsItself))
            }
            (b'$', _) => self.dollar(start),
            (b';', _) => (TokenKind::Semicolon, start + 1),
            (b'(' | b'[', _) => (TokenKind::Open, start + 1),
            (b')' | b']', _) => (TokenKind::Close, start + 1),
            (b'\\', _) => (TokenKind::Meta, self.until(start, |b| b == b'\n' || b == b'\r')),
            _ if is_word_start(first) => {
                (TokenKind::Word, self.until(start, |b| !is_word_start(b) && !b.is_ascii_digit() && b != b'$'))
            }
            _ if first.is_ascii_digit() => {
                (TokenKind::Number, self.until(start, |b| !b.is_ascii_alphanumeric() && b != b'_' && b != b'.'))
            }
            _ => (TokenKind::Other, start + 1),
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.until(self.at, |b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
        if start >= self.text.len() {
            self.at = start;
            return None;
        }
        let (kind, end) = self.token(start);
        self.at = end;
        Some(Token { kind, start, end })
    }
}

/// `scan.l`: letters, the underscore, and every byte of a character beyond ASCII.
fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::TokenKind::{
        BlockComment, Close, DollarText, LineComment, Meta, Number, Open, Other, QuotedWord, Semicolon, Text,
        Unterminated, Word,
    };
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        Lexer::new(text).map(|token| token.kind).collect()
    }

    #[test]
    fn tokens_are_told_apart_by_postgres_rules() {
        let table: &[(&str, &[TokenKind])] = &[
            ("select 1;", &[Word, Number, Semicolon]),
            ("'it''s; ok'", &[Text]),
            (r"'c:\';", &[Text, Semicolon]),
            (r"E'it\'s; ok';", &[Text, Semicolon]),
            (r"type'a\';", &[Word, Text, Semicolon]),
            (r"U&'d\0061;'", &[Text]),
            ("U&\"a;\"", &[QuotedWord]),
            ("'a'\n'b;c';", &[Text, Semicolon]),
            ("E'a' -- why\n  'b\\';c';", &[Text, Semicolon]),
            ("'a' 'b'", &[Text, Text]),
            ("\"a;\"\"b\" x", &[QuotedWord, Word]),
            ("$$a;$b$;$$;", &[DollarText, Semicolon]),
            ("$é$ ; $é$", &[DollarText]),
            ("a$b$c", &[Word]),
            ("$1", &[Number]),
            ("$ 1", &[Other, Number]),
            ("1 --1\n;", &[Number, LineComment, Semicolon]),
            ("/* a /* ; */ ; */ x", &[BlockComment, Word]),
            ("(a[1])", &[Open, Word, Open, Number, Close, Close]),
            ("\\set x 1\nx", &[Meta, Word]),
            ("'open", &[Unterminated]),
            ("/* /* */", &[Unterminated]),
            ("$a$ $b$", &[Unterminated]),
            ("E'\\'", &[Unterminated]),
        ];
        for (text, expected) in table {
            let text = (*text).to_string();
            assert_eq!(&kinds(&text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_tokens_in_order_that_do_not_overlap(text in r#"[a-eE'"$\\;()/*\- \néU&0-9]{0,60}"#) {
            let mut at = 0;
            for token in Lexer::new(&text) {
                prop_assert!(token.start >= at && token.end > token.start && token.end <= text.len());
                prop_assert!(text.get(token.start..token.end).is_some(), "not on character borders");
                at = token.end;
            }
        }
    }
}
