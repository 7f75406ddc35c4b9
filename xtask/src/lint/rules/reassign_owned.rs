//! `reassign-owned`: the owner of everything changes, whatever that is.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "reassign-owned",
    summary: "the owner of everything changes, whatever that is",
    level: Level::Warn,
    why: "REASSIGN OWNED takes all objects of a role in this database; which they are, no reviewer sees.",
    instead: "Name the objects:
ALTER TABLE users OWNER TO app;",
    check: Check::Ours(find),
    hazards: &["reassign owned by old_app to app;"],
    safe: &["alter table users owner to app;"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    if matches!(at.stmt, ast::Stmt::Reassign(_)) {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
