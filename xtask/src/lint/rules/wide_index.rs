//! `wide-index`: an index over more than three columns.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "wide-index",
    summary: "an index over more than three columns",
    level: Level::Off,
    why: "It is large, slows each write, and serves few queries better than one over the first columns.",
    instead: "Leave the last columns out, or INCLUDE them.",
    check: Check::Ours(find),
    hazards: &["-- stairwell: no-transaction
create index concurrently i on t (a, b, c, d);"],
    safe: &[
        "-- stairwell: no-transaction
create index concurrently i on t (a, b, c);",
        "-- stairwell: no-transaction
create unique index concurrently i on t (a, b, c, d);",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    if let ast::Stmt::CreateIndex(create) = at.stmt
        && create.unique_token().is_none()
        && create.partition_item_list().is_some_and(|list| list.partition_items().count() > 3)
    {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
