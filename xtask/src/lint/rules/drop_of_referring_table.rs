//! `drop-of-referring-table`: a table is dropped that refers to others in use, which locks them.

use super::prelude::*;

pub(in crate::lint) const NAME: &str = "drop-of-referring-table";

pub(super) const RULE: Rule = Rule {
    name: NAME,
    summary: "a table is dropped that refers to others in use, which locks them",
    level: Level::Warn,
    why: "The foreign keys go with it, and that takes an ACCESS EXCLUSIVE lock on each table that they refer to: all of them wait for the slowest query.",
    instead: "Drop the foreign keys first, one a migration:
ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey;",
    check: Check::Ours(find),
    hazards: &["create table users (id bigint primary key);
create table orders (id bigint primary key, user_id bigint references users);
-- later
-- stairwell: destructive nobody reads them
drop table orders;"],
    safe: &["create table orders (id bigint primary key);
-- later
-- stairwell: destructive nobody reads them
drop table orders;"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let ast::Stmt::DropTable(drop) = at.stmt else { return };
    let dropped: Vec<String> = drop.table_name_refs().map(|name| key(name.syntax())).collect();
    for table in dropped.iter().filter(|table| at.is_old(table)) {
        let Some(known) = at.world.table(table) else { continue };
        let mut others: Vec<&String> = known.references.iter().map(|(_, other)| other).collect();
        others.retain(|other| !dropped.contains(other));
        others.dedup();
        if !others.is_empty() {
            let others = others.into_iter().map(|other| format!("`{other}`")).collect::<Vec<_>>().join(", ");
            found.push(Found::at(at.node(), format!("dropping `{table}` locks {others} as well")));
        }
    }
}
