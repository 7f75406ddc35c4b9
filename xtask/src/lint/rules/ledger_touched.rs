//! `ledger-touched`: a script changes what the runner keeps.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "ledger-touched",
    summary: "a script changes what the runner keeps",
    level: Level::Deny,
    why: "The ledger says what has been applied. Whoever changes it by hand makes the next run do too much or too little.",
    instead: "Use the commands: `cargo xtask db stamp`, `db repair`.",
    check: Check::Ours(find),
    hazards: &[
        "delete from stairwell.ledger where version = 1;",
        "drop schema if exists stairwell cascade;",
        "alter table stairwell.ledger add column x int8;",
    ],
    safe: &["delete from ledger where version = 1;", "select count(*) from stairwell.ledger;"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    if matches!(at.stmt, ast::Stmt::Select(_) | ast::Stmt::CommentOn(_)) {
        return;
    }
    let words = words(at.node());
    let drops = words.starts_with("drop schema ") && words.split([' ', ',', ';']).any(|word| word == "stairwell");
    if drops || words.contains(" stairwell . ") {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
