//! `foreign-key-in-new-table`: a new table refers to one that is in use, which locks it.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "foreign-key-in-new-table",
    summary: "a new table refers to one that is in use, which locks it",
    level: Level::Off,
    why: "The referenced table gets a SHARE ROW EXCLUSIVE lock: it waits for all writers, and later ones wait for it. Nothing is read, so that it is short once it is there; the runner gives up in time and tries again. That is why this rule is off.",
    instead: "Make the table without the foreign key, and add that in a migration of its own.",
    check: Check::Ours(find),
    hazards: &[
        "create table orders (id bigint primary key, user_id bigint references users);",
        "create table orders (id bigint primary key, u bigint, foreign key (u) references app.users (id));",
    ],
    safe: &[
        "create table users (id bigint primary key); create table orders (id bigint primary key, user_id bigint references users);",
        "create table nodes (id bigint primary key, parent bigint references nodes);",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let ast::Stmt::CreateTable(create) = at.stmt else { return };
    let own = create.table_name().map(|name| key(name.syntax()));
    for node in create.syntax().descendants() {
        let table = ast::ReferencesConstraint::cast(node.clone())
            .and_then(|it| it.table())
            .or_else(|| ast::ForeignKeyConstraint::cast(node.clone()).and_then(|it| it.table_name_ref()));
        let Some(table) = table.map(|table| key(table.syntax())) else { continue };
        if at.is_old(&table) && own.as_ref() != Some(&table) {
            found.push(Found::at(&node, format!("`{table}` is locked against writing for it")));
        }
    }
}
