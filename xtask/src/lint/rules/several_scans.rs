//! `several-scans`: one table is read through several times under a lock.

use super::column_type_change::{Change, changes};
use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "several-scans",
    summary: "one table is read through several times under a lock",
    level: Level::Warn,
    why: "Each statement that has to look at every row does so by itself, and the lock is held for all of them.",
    instead: "Say it in one ALTER TABLE, which reads the table once:
ALTER TABLE users ALTER COLUMN a SET NOT NULL, ALTER COLUMN b SET NOT NULL;",
    check: Check::Ours(find),
    hazards: &[
        "alter table users alter column a set not null;
alter table users alter column b set not null;",
        "alter table users alter column a type bigint;
alter table users alter column b type bigint;",
    ],
    safe: &[
        "alter table users add column a text;
alter table users add column b text;",
        "create table users (id int8 primary key, name varchar(40));
-- later
alter table users add constraint n not null id;
alter table users alter name type text;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let Some((table, alter)) = at.old_table() else { return };
    // A type that only gets wider needs no look at the rows.
    let changes = changes(at, &table, alter);
    let is_only_wider = changes.len() == alter.actions().count() && changes.iter().all(Change::is_wider);
    if !at.script.in_transaction || !scans(alter) || is_only_wider {
        return;
    }
    let before = at.before().any(|stmt| match stmt {
        ast::Stmt::AlterTable(alter) => altered(alter).is_some_and(|it| key(&it) == table) && scans(alter),
        _ => false,
    });
    if before {
        found.push(Found::at(at.node(), format!("`{table}` is read through once more under its lock")));
    }
}

fn scans(alter: &ast::AlterTable) -> bool {
    alter.actions().any(|action| match action {
        ast::AlterTableAction::AlterColumn(alter) => {
            matches!(alter.option(), Some(ast::AlterColumnOption::SetNotNull(_) | ast::AlterColumnOption::SetType(_)))
        }
        ast::AlterTableAction::AddConstraint(add) => match add.constraint() {
            Some(ast::Constraint::CheckConstraint(check)) => !is_not_valid(check.constraint_options()),
            _ => false,
        },
        _ => false,
    })
}
