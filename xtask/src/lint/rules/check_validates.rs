//! `check-validates`: a check reads all rows under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "check-validates",
    summary: "a check reads all rows under an exclusive lock",
    level: Level::Deny,
    why: "ADD CONSTRAINT … CHECK takes an ACCESS EXCLUSIVE lock and keeps it while every row is looked at.",
    instead:
        "Add it NOT VALID, which holds for new rows at once, and validate it in a later migration, which blocks nobody:
ALTER TABLE users ADD CONSTRAINT users_age CHECK (age > 0) NOT VALID;
-- and then
ALTER TABLE users VALIDATE CONSTRAINT users_age;",
    check: Check::Ours(find),
    hazards: &[
        "alter table users add constraint users_age check (age > 0);",
        "alter table users add check (age > 0);",
        "alter table users add column age int8 check (age > 0);",
        "alter table users add column age int8 default 1 constraint c check (age > 0);",
    ],
    safe: &[
        "alter table users add constraint users_age check (age > 0) not valid;",
        "create table a (i int8 primary key check (i > 0)); alter table a add check (i > 1);",
        "create table users (id int8 primary key);
-- later
alter table users validate constraint users_age;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let Some((_, alter)) = at.old_table() else { return };
    for action in alter.actions() {
        match action {
            ast::AlterTableAction::AddConstraint(add) => {
                if let Some(ast::Constraint::CheckConstraint(check)) = add.constraint()
                    && !is_not_valid(check.constraint_options())
                {
                    found.push(Found::at(check.syntax(), RULE.summary));
                }
            }
            ast::AlterTableAction::AddColumn(add) => {
                for constraint in add.constraints() {
                    if let ast::Constraint::CheckConstraint(check) = constraint {
                        let found_at = Found::at(check.syntax(), RULE.summary);
                        found.push(found_at.help("a column's own check cannot be NOT VALID: add the column first, and the check as a constraint of the table"));
                    }
                }
            }
            _ => {}
        }
    }
}
