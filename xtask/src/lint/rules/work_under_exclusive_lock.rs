//! `work-under-exclusive-lock`: something slow is done while an exclusive lock is held.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "work-under-exclusive-lock",
    summary: "something slow is done while an exclusive lock is held",
    level: Level::Deny,
    why: "The lock of an earlier statement is kept until the transaction ends, so nobody reads or writes that table meanwhile.",
    instead: "Move the slow statement to a migration of its own, before or behind this one.",
    check: Check::Ours(find),
    hazards: &[
        "alter table users add column a text;
create table b as select * from orders;",
        "alter table users drop constraint c;
alter table orders validate constraint d;",
        "alter table users add column a text;
select count(*) from orders;",
    ],
    safe: &[
        "alter table users add column a text;
select pg_catalog.setval('s', 7) from s where last_value > 7;",
        "alter table users add column a text;
create table b (i int8 primary key);",
        "select count(*) from orders;
alter table users add column a text;",
        "alter table users validate constraint d;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let is_slow = match at.stmt {
        ast::Stmt::CreateTableAs(_) | ast::Stmt::CreateMaterializedView(_) => true,
        // A call for what it does, as of set_config or create_hypertable, reads no table.
        // Nor does one of a sequence's single row read much.
        ast::Stmt::Select(select) => {
            select.from_clause().is_some() && !words(select.syntax()).starts_with("select pg_catalog . setval (")
        }
        ast::Stmt::AlterTable(alter) => {
            alter.actions().any(|action| matches!(action, ast::AlterTableAction::ValidateConstraint(_)))
        }
        _ => false,
    };
    if is_slow && let Some(table) = at.locked_before().first() {
        let message = format!("this is done while `{table}` is locked against reading");
        found.push(Found::at(at.node(), message));
    }
}
