//! `lock-table`: a table is locked by hand.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "lock-table",
    summary: "a table is locked by hand",
    level: Level::Deny,
    why: "Until the transaction ends nobody else gets at it, whatever else the script does meanwhile.",
    instead: "Leave it out: each statement takes the lock that it needs. If several have to see the same rows, lock in a mode that readers and writers bear with (SHARE UPDATE EXCLUSIVE).",
    check: Check::Ours(find),
    hazards: &[
        "lock table users;",
        "lock users in access exclusive mode;",
        "lock table users, orders in share mode nowait;",
    ],
    safe: &[
        "lock table users in access share mode;",
        "lock table users in share update exclusive mode;",
        "create table a (i int8 primary key); lock table a;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let ast::Stmt::Lock(lock) = at.stmt else { return };
    let mode = lock.lock_mode_clause().map(|mode| words(mode.syntax())).unwrap_or_default();
    let is_mild = ["access share", "row share", "row exclusive", "share update exclusive"]
        .iter()
        .any(|mild| mode == format!("in {mild} mode"));
    let is_old =
        lock.relation_list().is_none_or(|list| list.relation_names().any(|name| at.is_old(&key(name.syntax()))));
    if !is_mild && is_old {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
