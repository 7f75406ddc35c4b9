//! `trigger-on-existing-table`: from now on a table in use does more than it is told.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "trigger-on-existing-table",
    summary: "from now on a table in use does more than it is told",
    level: Level::Warn,
    why: "CREATE TRIGGER and CREATE RULE wait for all writers of the table, and later ones wait for them; and each write is another one from then on, also of an app that does not know.",
    instead: "Give it a migration of its own, so that its lock is held for a moment only.",
    check: Check::Ours(find),
    hazards: &[
        "create trigger touch before update on users for each row execute function touch();",
        "create rule r as on delete to users do instead nothing;",
    ],
    safe: &[
        "create table a (i int8 primary key); create trigger touch before update on a for each row execute function touch();",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let relation = match at.stmt {
        ast::Stmt::CreateTrigger(create) => create.on_relation().and_then(|on| on.relation_name_ref()),
        ast::Stmt::CreateRule(create) => create.rule_on().and_then(|on| on.relation_name_ref()),
        _ => return,
    };
    if relation.is_none_or(|relation| at.is_old(&key(relation.syntax()))) {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
