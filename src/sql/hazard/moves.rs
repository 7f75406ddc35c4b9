//! Whether a name may mean something else behind a script than before it.

use super::super::lexer::{Lexer, Token, TokenKind};

/// Words after which a table may have another's rows, or another name. In a text that is executed no more than the word is looked for.
const WORDS: [&str; 4] = ["rename", "search_path", "attach", "inherit"];

/// What `SET` in front of it changes the meaning of names with: the search path by its other name, and whose it is.
const SET: [&str; 3] = ["schema", "role", "authorization"];

/// Whether the script renames something, moves it to another schema, puts rows below another table, or changes the search path: what is looked
/// up before it runs may then not be what it is about.
pub fn moves(text: &str) -> bool {
    let tokens: Vec<Token> = Lexer::new(text).filter(|token| !token.is_comment()).collect();
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.text(text).eq_ignore_ascii_case(word));
    tokens.iter().enumerate().any(|(at, token)| match token.kind {
        TokenKind::Text | TokenKind::DollarText => hides_one(token.text(text)),
        TokenKind::Word if is(at, "set") => {
            let behind = if is(at + 1, "local") || is(at + 1, "session") { at + 2 } else { at + 1 };
            SET.iter().any(|word| is(behind, word))
        }
        TokenKind::Word => WORDS.iter().any(|word| is(at, word)),
        _ => false,
    })
}

fn hides_one(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|word| text.contains(word)) || SET.iter().any(|word| text.contains(&format!("set {word}")))
}

#[cfg(test)]
mod tests {
    use super::moves;

    #[test]
    fn what_gives_a_name_another_meaning_is_seen_also_in_a_text() {
        for text in [
            "alter table a rename to b",
            "alter table a rename column b to c",
            "alter table a set schema b",
            "set local search_path = app",
            "SET SCHEMA 'app'",
            "set local role app",
            "set session authorization app",
            "select set_config('search_path', 'app', true)",
            "alter table p attach partition q for values in (1)",
            "alter table q inherit p",
            "do $$ begin alter table a rename to b; end $$",
        ] {
            assert!(moves(text), "{text}");
        }
        for text in ["-- rename it\ncreate table a (i int)", "drop table \"rename\"", "set local lock_timeout = 1"] {
            assert!(!moves(text), "{text}");
        }
    }
}
