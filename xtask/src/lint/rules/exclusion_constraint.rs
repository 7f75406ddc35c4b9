//! `exclusion-constraint`: an exclusion constraint builds its index under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "exclusion-constraint",
    summary: "an exclusion constraint builds its index under an exclusive lock",
    level: Level::Deny,
    why: "ADD CONSTRAINT … EXCLUDE takes an ACCESS EXCLUSIVE lock and keeps it while the index is built. There is no NOT VALID and no USING INDEX for it.",
    instead: "Make a new table with the constraint, copy the rows in batches, and swap the names; or choose a time at which the table may stand still.",
    check: Check::Ours(find),
    hazards: &[
        "alter table bookings add constraint no_overlap exclude using gist (room with =, during with &&);",
        "alter table bookings add exclude using gist (during with &&);",
    ],
    safe: &[
        "create table bookings (i int8 primary key, room int8, during tstzrange, exclude using gist (room with =, during with &&));",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let Some((_, alter)) = at.old_table() else { return };
    for action in alter.actions() {
        if let ast::AlterTableAction::AddConstraint(add) = action
            && let Some(ast::Constraint::ExcludeConstraint(exclude)) = add.constraint()
        {
            found.push(Found::at(exclude.syntax(), RULE.summary));
        }
    }
}
