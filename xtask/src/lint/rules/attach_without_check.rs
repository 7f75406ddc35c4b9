//! `attach-without-check`: a table is read through under an exclusive lock to become a partition.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "attach-without-check",
    summary: "a table is read through under an exclusive lock to become a partition",
    level: Level::Deny,
    why: "ATTACH PARTITION keeps an ACCESS EXCLUSIVE lock on the new partition while every row is looked at, unless a valid check says already what the bounds say.",
    instead:
        "Add a check with the bounds first, NOT VALID, validate it in a later migration, attach, and drop the check:
ALTER TABLE sales_2026 ADD CONSTRAINT bounds CHECK (at >= '2026-01-01' AND at < '2027-01-01') NOT VALID;
-- and then
ALTER TABLE sales_2026 VALIDATE CONSTRAINT bounds;",
    check: Check::Ours(find),
    hazards: &["alter table sales attach partition sales_2026 for values from ('2026-01-01') to ('2027-01-01');"],
    safe: &[
        "create table sales_2026 (like sales); alter table sales attach partition sales_2026 for values from ('2026-01-01') to ('2027-01-01');",
        "create table sales_2026 (at date);
-- later
alter table sales_2026 add constraint bounds check (at >= '2026-01-01' and at < '2027-01-01') not valid;
-- later
alter table sales_2026 validate constraint bounds;
-- later
alter table sales attach partition sales_2026 for values from ('2026-01-01') to ('2027-01-01');",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let ast::Stmt::AlterTable(alter) = at.stmt else { return };
    for action in alter.actions() {
        if let ast::AlterTableAction::AttachPartition(attach) = action
            && let Some(partition) = attach.table_name_ref().map(|name| key(name.syntax()))
            && at.is_old(&partition)
            && !at.world.table(&partition).is_some_and(|table| table.checks.values().any(|check| check.valid))
        {
            found.push(Found::at(attach.syntax(), RULE.summary));
        }
    }
}
