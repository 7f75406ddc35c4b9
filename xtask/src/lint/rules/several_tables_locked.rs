//! `several-tables-locked`: one transaction locks several tables that are in use.

use super::prelude::*;

pub(in crate::lint) const NAME: &str = "several-tables-locked";

pub(super) const RULE: Rule = Rule {
    name: NAME,
    summary: "one transaction locks several tables that are in use",
    level: Level::Warn,
    why: "It has the first lock while it waits for the second; an app that takes them in the other order waits for it: a deadlock, or a queue on both.",
    instead: "One table a migration.",
    check: Check::Ours(find),
    hazards: &[
        "alter table users add column a text;
alter table orders add column b text;",
        "alter table users add column a text;
drop table old_orders;",
    ],
    safe: &[
        "alter table users add column a text;
alter table users add column b text;",
        "alter table users add column a text;
create table b (i int8 primary key);
alter table b add column c text;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let before = at.locked_before();
    let new = at.locks().into_iter().find(|table| !before.contains(table));
    // Once is enough: at the second table.
    if let (Some(first), Some(second)) = (before.first(), new)
        && before.iter().all(|table| table == first)
    {
        found.push(Found::at(at.node(), format!("`{second}` is locked while `{first}` is")));
    }
}
