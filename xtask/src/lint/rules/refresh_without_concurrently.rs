//! `refresh-without-concurrently`: a materialized view is filled while nobody can read it.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "refresh-without-concurrently",
    summary: "a materialized view is filled while nobody can read it",
    level: Level::Deny,
    why: "REFRESH takes an ACCESS EXCLUSIVE lock on the view and keeps it until the query has ended.",
    instead: "Do it CONCURRENTLY; the view needs a unique index over plain columns for that:
REFRESH MATERIALIZED VIEW CONCURRENTLY sales;",
    check: Check::Ours(find),
    hazards: &["refresh materialized view sales;", "refresh materialized view app.sales with no data;"],
    safe: &[
        "refresh materialized view concurrently sales;",
        "create materialized view sales as select 1 as i with no data; refresh materialized view sales;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    if let ast::Stmt::Refresh(refresh) = at.stmt
        && refresh.concurrently_token().is_none()
        && refresh.view_ref().is_none_or(|view| at.is_old(&key(view.syntax())))
    {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
