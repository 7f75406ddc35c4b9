//! `primary-key-on-nullable`: a primary key makes its columns NOT NULL, which reads the whole table under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "primary-key-on-nullable",
    summary: "a primary key makes its columns NOT NULL, which reads the whole table under an exclusive lock",
    level: Level::Deny,
    why: "PRIMARY KEY USING INDEX is quick only where every column of the index is NOT NULL already. Otherwise the rows are read for NULL under an ACCESS EXCLUSIVE lock.",
    instead: "Make the columns NOT NULL first, over three migrations:
ALTER TABLE users ADD CONSTRAINT users_id_not_null CHECK (id IS NOT NULL) NOT VALID;
-- and then
ALTER TABLE users VALIDATE CONSTRAINT users_id_not_null;
-- and then
ALTER TABLE users ALTER COLUMN id SET NOT NULL, DROP CONSTRAINT users_id_not_null;",
    check: Check::Ours(find),
    hazards: &[
        "create table users (id int8);
-- later
-- stairwell: no-transaction
create unique index concurrently users_pkey on users (id);
-- later
alter table users add constraint users_pkey primary key using index users_pkey;",
        "alter table users add primary key using index users_pkey;",
    ],
    safe: &[
        "create table users (id int8 not null);
-- later
-- stairwell: no-transaction
create unique index concurrently users_pkey on users (id);
-- later
alter table users add constraint users_pkey primary key using index users_pkey;",
        "create table users (id int8);
-- later
alter table users add constraint c check (id is not null) not valid;
-- later
alter table users validate constraint c;
-- later
-- stairwell: no-transaction
create unique index concurrently users_pkey on users (id);
-- later
alter table users add constraint users_pkey primary key using index users_pkey;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let Some((table, alter)) = at.old_table() else { return };
    for action in alter.actions() {
        let ast::AlterTableAction::AddConstraint(add) = action else { continue };
        let Some(ast::Constraint::PrimaryKeyConstraint(primary)) = add.constraint() else { continue };
        let Some(index) = primary.using_index().and_then(|using| using.index_ref()) else { continue };
        let Some(columns) = at.world.index(&key(index.syntax())).map(|index| &index.columns) else {
            // Its table is known well enough where all that is known of it is NOT NULL.
            if !at
                .world
                .table(&table)
                .is_some_and(|it| !it.columns.is_empty() && it.columns.values().all(|it| it.not_null))
            {
                found.push(Found::at(add.syntax(), "it is not known whether the columns of this index are NOT NULL"));
            }
            continue;
        };
        for column in columns {
            let is_not_null =
                at.world.table(&table).and_then(|it| it.columns.get(column)).is_some_and(|it| it.not_null);
            if !is_not_null && !at.world.is_checked(&table, column) {
                found.push(Found::at(add.syntax(), format!("`{column}` of the index is not NOT NULL yet")));
            }
        }
    }
}
