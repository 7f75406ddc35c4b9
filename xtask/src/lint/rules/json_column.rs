//! `json-column`: a column of type json.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "json-column",
    summary: "a column of type json",
    level: Level::Warn,
    why: "json has no equality, so that DISTINCT, UNION and GROUP BY fail over it, also in queries that were there before; and it is kept as text and parsed for each look at it.",
    instead: "Use jsonb.",
    check: Check::Ours(find),
    hazards: &[
        "alter table users add column extra json;",
        "create table a (i bigint primary key, extra json not null);",
        "alter table users alter column extra type json using extra::json;",
    ],
    safe: &["alter table users add column extra jsonb;", "create table a (i bigint primary key, json jsonb);"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    for node in at.node().descendants() {
        let ty = ast::Column::cast(node.clone())
            .and_then(|it| it.ty())
            .or_else(|| ast::AddColumn::cast(node.clone()).and_then(|it| it.ty()))
            .or_else(|| ast::SetType::cast(node.clone()).and_then(|it| it.ty()));
        if let Some(ty) = ty
            && words(ty.syntax()).trim_end_matches(" [ ]") == "json"
        {
            found.push(Found::at(ty.syntax(), RULE.summary));
        }
    }
}
