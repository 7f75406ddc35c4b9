//! `unnamed-constraint`: a constraint that Postgres names.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "unnamed-constraint",
    summary: "a constraint that Postgres names",
    level: Level::Off,
    why: "Its name depends on what else is there, so that it may be another one on another database, and the migration that drops it fails there.",
    instead: "Name it:
ALTER TABLE users ADD CONSTRAINT users_age CHECK (age > 0) NOT VALID;",
    check: Check::Ours(find),
    hazards: &[
        "alter table users add check (age > 0) not valid;",
        "alter table users add foreign key (a) references b not valid;",
    ],
    safe: &["alter table users add constraint c check (age > 0) not valid;"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let ast::Stmt::AlterTable(alter) = at.stmt else { return };
    for action in alter.actions() {
        if let ast::AlterTableAction::AddConstraint(add) = action
            && constraint_name(&add).is_none()
        {
            found.push(Found::at(add.syntax(), RULE.summary));
        }
    }
}
