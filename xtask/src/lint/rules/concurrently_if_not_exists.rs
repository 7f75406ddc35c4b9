//! `concurrently-if-not-exists`: a broken index passes for one that is there.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "concurrently-if-not-exists",
    summary: "a broken index passes for one that is there",
    level: Level::Deny,
    why: "CREATE INDEX CONCURRENTLY that was cut off leaves an invalid index, which no query uses; IF NOT EXISTS finds its name and does nothing. The runner drops an invalid index before it tries again.",
    instead: "Leave IF NOT EXISTS out:
CREATE INDEX CONCURRENTLY users_email ON users (email);",
    check: Check::Ours(find),
    hazards: &["-- stairwell: no-transaction
create index concurrently if not exists i on t (a);"],
    safe: &["-- stairwell: no-transaction
create index concurrently i on t (a);"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    if let ast::Stmt::CreateIndex(create) = at.stmt
        && create.concurrently_token().is_some()
        && create.if_not_exists().is_some()
    {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
