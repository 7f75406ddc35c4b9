//! `set-not-null`: SET NOT NULL reads all rows under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "set-not-null",
    summary: "SET NOT NULL reads all rows under an exclusive lock",
    level: Level::Deny,
    why: "SET NOT NULL takes an ACCESS EXCLUSIVE lock and keeps it while every row is looked at, unless a valid check says already that there is no NULL.",
    instead: "Prove it first, over three migrations:
ALTER TABLE users ADD CONSTRAINT users_email_not_null CHECK (email IS NOT NULL) NOT VALID;
-- and then
ALTER TABLE users VALIDATE CONSTRAINT users_email_not_null;
-- and then
ALTER TABLE users ALTER COLUMN email SET NOT NULL, DROP CONSTRAINT users_email_not_null;",
    check: Check::Ours(find),
    hazards: &[
        "alter table users alter column email set not null;",
        "alter table users alter email set not null;",
        "alter table users add constraint n not null email;",
        "create table users (id int8 primary key, email text);
-- later
alter table users add constraint c check (email is not null) not valid;
-- later
alter table users alter column email set not null;",
    ],
    safe: &[
        "create table users (id int8 primary key, email text);
-- later
alter table users add constraint c check (email is not null) not valid;
-- later
alter table users validate constraint c;
-- later
alter table users alter column email set not null;",
        "create table a (i int8 primary key, t text); alter table a alter column t set not null;",
        "alter table users add constraint n not null email not valid;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let Some((table, alter)) = at.old_table() else { return };
    for action in alter.actions() {
        match action {
            ast::AlterTableAction::AlterColumn(alter) => {
                if let (Some(ast::AlterColumnOption::SetNotNull(set)), Some(column)) =
                    (alter.option(), alter.column_name_ref())
                    && !is_known(at, &table, &key(column.syntax()))
                {
                    found.push(Found::at(set.syntax(), RULE.summary));
                }
            }
            ast::AlterTableAction::AddConstraint(add) => {
                if let Some(ast::Constraint::NotNullConstraint(not_null)) = add.constraint()
                    && !is_not_valid(not_null.constraint_options())
                    && !not_null.column_name_ref().is_some_and(|column| is_known(at, &table, &key(column.syntax())))
                {
                    found.push(Found::at(not_null.syntax(), RULE.summary));
                }
            }
            _ => {}
        }
    }
}

fn is_known(at: &At<'_>, table: &str, column: &str) -> bool {
    at.world.is_checked(table, column)
        || at.world.table(table).and_then(|it| it.columns.get(column)).is_some_and(|column| column.not_null)
}
