//! `serial-column`: a serial column rewrites the table under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "serial-column",
    summary: "a serial column rewrites the table under an exclusive lock",
    level: Level::Deny,
    why: "Every row gets a number from the sequence under an ACCESS EXCLUSIVE lock.",
    instead: "Make the sequence and the column apart, and fill the old rows in batches later:
ALTER TABLE users ADD COLUMN number bigint;
CREATE SEQUENCE users_number OWNED BY users.number;
ALTER TABLE users ALTER COLUMN number SET DEFAULT nextval('users_number');",
    check: Check::Ours(find),
    hazards: &["alter table users add column number bigserial;", "alter table users add number serial not null;"],
    safe: &[
        "create table a (i bigserial primary key, t text);",
        "alter table users add column number bigint;
alter table users alter column number set default nextval('users_number');",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let Some((_, alter)) = at.old_table() else { return };
    for action in alter.actions() {
        if let ast::AlterTableAction::AddColumn(add) = action
            && let Some(ty) = add.ty()
            && is_serial(&words(ty.syntax()))
        {
            found.push(Found::at(add.syntax(), RULE.summary));
        }
    }
}
