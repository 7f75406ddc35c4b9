//! `validate-in-same-transaction`: a constraint is validated in the transaction that adds it.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "validate-in-same-transaction",
    summary: "a constraint is validated in the transaction that adds it",
    level: Level::Deny,
    why: "The lock of ADD CONSTRAINT is kept until the transaction ends, so the rows are read under it: NOT VALID gains nothing.",
    instead: "Validate it in a later migration:
ALTER TABLE users VALIDATE CONSTRAINT users_age;",
    check: Check::Ours(find),
    hazards: &[
        "alter table users add constraint users_age check (age > 0) not valid;
alter table users validate constraint users_age;",
        "alter table orders add constraint f foreign key (u) references users not valid, validate constraint f;",
    ],
    safe: &["alter table users add constraint users_age check (age > 0) not valid;
-- later
alter table users validate constraint users_age;"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let Some((table, alter)) = at.old_table() else { return };
    if !at.script.in_transaction {
        return;
    }
    let adds = |alter: &ast::AlterTable, name: &str| {
        alter.actions().any(|action| match action {
            ast::AlterTableAction::AddConstraint(add) => constraint_name(&add).is_some_and(|it| it == name),
            _ => false,
        })
    };
    for action in alter.actions() {
        let ast::AlterTableAction::ValidateConstraint(validate) = action else { continue };
        let Some(name) = validate.constraint_name_ref().map(|name| key(name.syntax())) else { continue };
        let before = at.before().any(|stmt| match stmt {
            ast::Stmt::AlterTable(alter) => altered(alter).is_some_and(|it| key(&it) == table) && adds(alter, &name),
            _ => false,
        });
        if before || adds(alter, &name) {
            found.push(Found::at(validate.syntax(), RULE.summary));
        }
    }
}
