//! `opaque-sql`: what a `DO` block does. Its body is lexed like a script, and so are the texts that it executes.

use std::ops::Range;

use super::super::lexer::TokenKind;
use super::made::Made;
use super::tokens::{Piece, Tokens, inside};
use super::{Lost, Opaque, Review, data_loss};

/// A block in a text in a block: nobody goes deeper, and what does is opaque.
const DEEPEST: usize = 4;

/// What is found on the way down.
struct Look<'a> {
    text: &'a str,
    statement: usize,
    made: &'a mut Made,
    review: &'a mut Review,
}

/// Looks into a `DO` statement.
pub(super) fn look_into(text: &str, tokens: &Tokens<'_>, statement: usize, made: &mut Made, review: &mut Review) {
    Look { text, statement, made, review }.block(tokens.all(), 0);
}

impl Look<'_> {
    /// The body of `DO [LANGUAGE l] '…' [LANGUAGE l]`, in whichever quotes. Other languages than PL/pgSQL are not read.
    fn block(&mut self, tokens: Piece<'_>, depth: usize) {
        let language = tokens.find(1, "LANGUAGE").map(|at| tokens.text(at + 1).trim_matches(['\'', '"']));
        if language.is_some_and(|language| !language.eq_ignore_ascii_case("plpgsql")) {
            return;
        }
        // `LANGUAGE 'plpgsql'` is a text as well.
        let body = (1..tokens.len()).find(|at| range_inside(tokens, *at).is_some() && !tokens.is(at - 1, "LANGUAGE"));
        if let Some(range) = body.and_then(|at| range_inside(tokens, at)) {
            self.body(range, "a DO block", depth + 1);
        }
    }

    /// Statements with PL/pgSQL's words between them.
    fn body(&mut self, range: Range<usize>, place: &'static str, depth: usize) {
        let tokens = Tokens::of(self.text, range);
        let tokens = tokens.all();
        let mut at = 0;
        while at < tokens.len() {
            if tokens.is(at, "EXECUTE") && !tokens.is_any(at + 1, &["FUNCTION", "PROCEDURE", "ON"]) {
                self.execute(tokens, at, depth);
            }
            let begins = at == 0
                || tokens.kind(at - 1) == Some(TokenKind::Semicolon)
                || tokens.is_any(at - 1, &["BEGIN", "THEN", "ELSE", "LOOP", "IN"])
                || tokens.text(at - 1) == ">";
            if !begins || !tokens.is_any(at, &["ALTER", "CREATE", "DELETE", "DO", "DROP", "TRUNCATE", "UPDATE", "WITH"])
            {
                at += 1;
                continue;
            }
            let ends = |at: &usize| tokens.kind(*at) == Some(TokenKind::Semicolon);
            let end = (at..tokens.len()).find(ends).unwrap_or(tokens.len());
            self.statement(tokens.part(at..end), place, depth);
            at = end;
        }
    }

    fn statement(&mut self, tokens: Piece<'_>, place: &'static str, depth: usize) {
        if tokens.is(0, "DO") && depth < DEEPEST {
            return self.block(tokens, depth);
        }
        let losses = data_loss::of(tokens, self.made);
        self.review.losses.extend(losses.into_iter().map(|loss| loss.of_statement(self.statement, Some(place))));
        self.made.learn(tokens);
    }

    /// `EXECUTE '…'` is as plain as the text; all else is put together while it runs. Of `format('DROP TABLE %I', …)` the words that
    /// do harm are plain, and of a harmless one it is not known what it is about.
    fn execute(&mut self, tokens: Piece<'_>, execute: usize, depth: usize) {
        let at = execute + 1;
        let is_format = tokens.is(at, "FORMAT") && tokens.kind(at + 1) == Some(TokenKind::Open);
        let text = if is_format { at + 2 } else { at };
        let next = tokens.text(text + 1);
        let is_whole = if is_format {
            matches!(next, "," | ")")
        } else {
            matches!(next, "" | ";") || tokens.is_any(text + 1, &["INTO", "USING", "LOOP"])
        };
        let before = self.review.losses.len();
        if let Some(range) = range_inside(tokens, text).filter(|_| is_whole && depth < DEEPEST) {
            self.body(range, "EXECUTE in a DO block", depth + 1);
            if is_format {
                // `format('DROP TABLE app.%I', …)`: what stands there is half of a name.
                for loss in self.review.losses.iter_mut().skip(before) {
                    (loss.lost, loss.cascades) = (Lost::Unknown, true);
                }
            }
            if !is_format || self.review.losses.len() > before {
                return;
            }
        }
        self.review.opaque.push(Opaque { statement: self.statement, span: tokens.span(execute) });
    }
}

/// The text inside the quotes of this token, if it is one.
fn range_inside(tokens: Piece<'_>, at: usize) -> Option<Range<usize>> {
    if !matches!(tokens.kind(at), Some(TokenKind::Text | TokenKind::DollarText)) {
        return None;
    }
    let start = tokens.span(at).start;
    inside(tokens.text(at)).map(|range| start + range.start..start + range.end)
}

#[cfg(test)]
mod tests {
    use super::super::super::split;
    use super::super::review;

    fn found(text: &str) -> (Vec<String>, usize) {
        let review = review(text, &split(text).statements);
        (review.losses.into_iter().map(|loss| loss.what).collect(), review.opaque.len())
    }

    #[test]
    fn what_a_block_destroys_plainly_is_seen() {
        for (text, what) in [
            ("do $$ begin drop table users; end $$", "DROP TABLE users"),
            (
                "DO LANGUAGE plpgsql $b$\nDECLARE i int;\nBEGIN\n  IF true THEN DELETE FROM t; END IF;\nEND $b$",
                "DELETE FROM t without WHERE",
            ),
            (
                "do $$ begin for i in 1..2 loop update t set a = i; end loop; end $$ language 'plpgsql'",
                "UPDATE t without WHERE",
            ),
            ("do 'begin truncate t; end'", "TRUNCATE t"),
            ("do $$ begin execute 'drop table users'; end $$", "DROP TABLE users"),
            ("do $$ begin execute $q$ alter table t drop column a $q$ using 1; end $$", "ALTER TABLE t DROP COLUMN a"),
            ("do $$ begin execute format('drop table %I cascade', n); end $$", "DROP TABLE CASCADE"),
            ("do $$ begin execute format('alter table %I drop column a', n); end $$", "ALTER TABLE … DROP COLUMN a"),
            ("do $$ begin execute 'do $x$ begin drop schema s; end $x$'; end $$", "DROP SCHEMA s"),
            ("do $$ begin begin null; exception when others then drop table t; end; end $$", "DROP TABLE t"),
            ("do $$ <<a>> begin <<b>> delete from t; end $$", "DELETE FROM t without WHERE"),
        ] {
            assert_eq!(found(text), (vec![what.to_owned()], 0), "{text}");
        }
    }

    #[test]
    fn sql_that_is_put_together_is_opaque() {
        for text in [
            "do $$ declare r record; begin for r in select 1 loop execute 'drop table ' || r.name; end loop; end $$",
            "do $$ begin execute format('create index on %I (a)', n); end $$",
            "do $$ begin execute statement; end $$",
            "do $$ begin execute (select 'x'); end $$",
            "do $$ begin for r in execute q loop null; end loop; end $$",
            "do $$ begin execute 'delete from ' || quote_ident(n) || ' where i = 1'; end $$",
        ] {
            assert_eq!(found(text), (Vec::new(), 1), "{text}");
        }
    }

    #[test]
    fn a_block_that_hides_nothing_is_left_alone() {
        for text in [
            "do $$ begin create type m as enum ('a'); exception when duplicate_object then null; end $$",
            "do $$ begin create temp table x (i int); drop table x; end $$",
            "create temp table x (i int); do $$ begin delete from x; end $$",
            "do $$ begin -- drop table t;\n raise notice 'execute; drop table t;'; perform 1; end $$",
            "do $$ begin create trigger a after delete on t for each row execute function f(); end $$",
            "do $$ begin grant execute on function f() to app; update t set a = 1 where b; end $$",
            "do $$ begin execute 'create index i on t (a)'; execute $q$ select 1 $q$ into i; end $$",
            "do $$ begin merge into t using u on true when matched then update set a = 1 when not matched then insert values (1); end $$",
            "do $$ begin insert into t values (1) on conflict do update set a = 1; end $$",
            "do $$ begin x := case when a then delete else update end; end $$",
            "do language plpython3u $$\nplpy.execute('drop table t')\n$$",
            "do $$ begin set local role x; alter table t drop constraint c; end $$",
            "do",
            "do $$$$; do ''; do $$ execute $$",
        ] {
            let (losses, opaque) = found(text);
            assert!(
                losses.is_empty() && (opaque == 0 || text.contains("$$ execute $$")),
                "{text}: {losses:?} {opaque}"
            );
        }
    }
}
