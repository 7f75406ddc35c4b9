//! The tokens of one statement, with the parentheses around each.

use std::ops::Range;

use super::super::lexer::{Lexer, Token, TokenKind};
use super::super::statement::Statement;

/// The tokens of a range of a text, without comments.
pub(super) struct Tokens<'a> {
    source: &'a str,
    /// Each with the number of parentheses that it stands in; a parenthesis itself stands outside of its own.
    tokens: Vec<(Token, usize)>,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(source: &'a str, range: Range<usize>) -> Self {
        let text = source.get(range.clone()).unwrap_or_default();
        let mut depth = 0_usize;
        let tokens = Lexer::new(text).filter(|token| !token.is_comment()).map(|token| {
            let (start, end) = (token.start + range.start, token.end + range.start);
            if token.kind == TokenKind::Close {
                depth = depth.saturating_sub(1);
            }
            let at = depth;
            depth += usize::from(token.kind == TokenKind::Open);
            (Token { start, end, ..token }, at)
        });
        Self { source, tokens: tokens.collect() }
    }

    /// The first tokens of a statement, without what stands in parentheses: enough for the name of what it makes.
    pub(super) fn of_head(source: &'a str, statement: &Statement) -> Self {
        Self { source, tokens: statement.head.iter().map(|token| (*token, 0)).collect() }
    }

    pub(super) fn all(&self) -> Piece<'_> {
        Piece { source: self.source, tokens: &self.tokens }
    }
}

/// One statement, or a part of one: tokens that stand beside each other.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    source: &'a str,
    tokens: &'a [(Token, usize)],
}

/// A name with its schema if it has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// As it is written.
    pub(super) shown: &'a str,
    /// Equal for two spellings of one name. `pg_temp.t` is `t`: that is what a temporary table is found as first.
    pub(super) key: String,
    /// Its parts as the server has them, schema first. Empty where that cannot be told (`U&"…"`).
    pub(super) path: Vec<String>,
}

impl<'a> Piece<'a> {
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn part(&self, range: Range<usize>) -> Self {
        Self { source: self.source, tokens: self.tokens.get(range).unwrap_or_default() }
    }

    pub(super) fn from(&self, at: usize) -> Self {
        self.part(at..self.len())
    }

    pub(super) fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|(token, _)| token.kind)
    }

    pub(super) fn text(&self, at: usize) -> &'a str {
        self.tokens.get(at).map(|(token, _)| token.text(self.source)).unwrap_or_default()
    }

    pub(super) fn span(&self, at: usize) -> Range<usize> {
        self.tokens.get(at).map_or(0..0, |(token, _)| token.start..token.end)
    }

    /// Whether this token is the unquoted word, in whatever case.
    pub(super) fn is(&self, at: usize, word: &str) -> bool {
        self.kind(at) == Some(TokenKind::Word) && self.text(at).eq_ignore_ascii_case(word)
    }

    pub(super) fn is_any(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }

    pub(super) fn starts_with(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(at, word)| self.is(at, word))
    }

    /// Whether this token stands in no more parentheses than the first one.
    pub(super) fn is_outside(&self, at: usize) -> bool {
        matches!((self.tokens.first(), self.tokens.get(at)), (Some((_, first)), Some((_, here))) if here <= first)
    }

    /// The first place of this word from `from` on, outside of parentheses.
    pub(super) fn find(&self, from: usize, word: &str) -> Option<usize> {
        (from..self.len()).find(|at| self.is_outside(*at) && self.is(*at, word))
    }

    /// The place behind `words`, if they stand here, or `at` itself.
    pub(super) fn skip(&self, at: usize, words: &[&str]) -> usize {
        if self.from(at).starts_with(words) { at + words.len() } else { at }
    }

    /// The place behind the parenthesis that opens here.
    pub(super) fn behind_parenthesis(&self, open: usize) -> usize {
        let depth = self.tokens.get(open).map(|(_, depth)| *depth);
        let closes =
            |at: &usize| self.kind(*at) == Some(TokenKind::Close) && self.tokens.get(*at).map(|t| t.1) == depth;
        (open + 1..self.len()).find(closes).map_or(self.len(), |at| at + 1)
    }

    /// The name that begins here, and the place behind it.
    pub(super) fn name(&self, at: usize) -> Option<(Name<'a>, usize)> {
        let is_name = |at: usize| matches!(self.kind(at), Some(TokenKind::Word | TokenKind::QuotedWord));
        if !is_name(at) {
            return None;
        }
        let (mut key, mut last, mut path) = (self.folded(at), at, vec![self.identifier(at)]);
        while self.text(last + 1) == "." && is_name(last + 2) {
            last += 2;
            key.push('.');
            key.push_str(&self.folded(last));
            path.push(self.identifier(last));
        }
        let shown = self.source.get(self.span(at).start..self.span(last).end).unwrap_or_default();
        let key = key.strip_prefix("pg_temp.").map(str::to_owned).unwrap_or(key);
        let path = path.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default();
        Some((Name { shown, key, path }, last + 1))
    }

    /// What the commas outside of parentheses part; the whole, if there is none.
    pub(super) fn comma_parts(self) -> Vec<Self> {
        let commas = (0..self.len()).filter(|at| self.is_outside(*at) && self.text(*at) == ",");
        let mut start = 0;
        let part = |end| {
            let part = self.part(start..end);
            start = end + 1;
            part
        };
        commas.chain([self.len()]).map(part).collect()
    }

    /// The names of a list; what stands behind a name up to the comma is left out.
    pub(super) fn names(self) -> Vec<Name<'a>> {
        let parts = self.comma_parts().into_iter();
        parts.filter_map(|part| part.name(part.skip(0, &["ONLY"])).map(|(name, _)| name)).collect()
    }

    /// The name that a word stands for. Of an unquoted one the server folds no more than ASCII where an encoding has several bytes for a
    /// character; `U&"…"` has escapes, and is not read.
    fn identifier(&self, at: usize) -> Option<String> {
        let text = self.text(at);
        match (self.kind(at), text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'))) {
            (_, Some(inner)) => Some(inner.replace("\"\"", "\"")),
            (Some(TokenKind::Word), None) => Some(text.to_ascii_lowercase()),
            _ => None,
        }
    }

    /// A word as Postgres takes it: lower case unless it is quoted.
    fn folded(&self, at: usize) -> String {
        let text = self.text(at);
        match text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
            Some(inner) => inner.replace("\"\"", "\""),
            None => text.to_lowercase(),
        }
    }
}

/// The text that a literal stands for, where that can be told without knowing escapes.
pub(super) fn literal(source: &str) -> Option<String> {
    let plain = source.strip_prefix(['e', 'E']).filter(|rest| !rest.contains('\\')).unwrap_or(source);
    if let Some(inner) = plain.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\'')) {
        // Two texts with a line end between them are one, which nobody writes.
        let value = inner.replace("''", "\u{0}");
        return (!value.contains('\'')).then(|| value.replace('\u{0}', "'"));
    }
    let inside = inside(source)?;
    plain.starts_with('$').then(|| source.get(inside).map(str::to_owned)).flatten()
}

/// Where the text inside a literal's quotes begins and ends.
pub(super) fn inside(source: &str) -> Option<Range<usize>> {
    let quote = match source.as_bytes().first()? {
        b'\'' => 1,
        b'$' => source.get(1..)?.find('$')? + 2,
        _ => return None,
    };
    (source.len() >= 2 * quote).then(|| quote..source.len() - quote)
}
