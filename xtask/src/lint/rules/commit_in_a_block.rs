//! `commit-in-a-block`: a block or a savepoint that plays with the transaction.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "commit-in-a-block",
    summary: "a block or a savepoint that plays with the transaction",
    level: Level::Deny,
    why: "COMMIT and ROLLBACK in a DO block or a procedure fail inside of a transaction (2D000), and outside of one they commit half of the script. A savepoint that is left open hides errors.",
    instead: "Leave it out, and split the migration where it wants to commit.",
    check: Check::Ours(find),
    hazards: &[
        "do $$ begin update t set a = 1 where a is null; commit; end $$;",
        "savepoint a;",
        "rollback to savepoint a;",
    ],
    safe: &["do $$ begin perform 1; exception when others then null; end $$;"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    match at.stmt {
        ast::Stmt::SavepointCreate(_) | ast::Stmt::ReleaseSavepoint(_) => {
            found.push(Found::at(at.node(), "a savepoint"));
        }
        ast::Stmt::Rollback(_) if words(at.node()).contains(" to ") => found.push(Found::at(at.node(), "a savepoint")),
        ast::Stmt::Do(block) => {
            let body = block.body().map(|body| body.syntax().text().to_string().to_lowercase()).unwrap_or_default();
            let ends = |word: &str| {
                body.match_indices(word).any(|(at, _)| {
                    let before = body.get(..at).unwrap_or_default().trim_end();
                    let behind = body.get(at + word.len()..).unwrap_or_default().trim_start();
                    let begins = before.ends_with(';')
                        || ["begin", "then", "else", "loop"].iter().any(|it| before.ends_with(it));
                    begins && (behind.starts_with(';') || behind.starts_with("and "))
                })
            };
            if ends("commit") || ends("rollback") {
                found.push(Found::at(at.node(), "a block that ends the transaction"));
            }
        }
        _ => {}
    }
}
