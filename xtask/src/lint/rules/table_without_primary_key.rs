//! `table-without-primary-key`: a table without a primary key.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "table-without-primary-key",
    summary: "a table without a primary key",
    level: Level::Off,
    why: "Logical replication cannot update its rows, and nobody can name one of them.",
    instead: "Give it one.",
    check: Check::Ours(find),
    hazards: &["create table a (i bigint);", "create table a (i bigint, j bigint unique);"],
    safe: &[
        "create table a (i bigint primary key);",
        "create table a (i bigint, primary key (i));",
        "create table a partition of b for values in (1);",
        "create temp table a (i bigint);",
        "create table a (i bigint);
alter table a add primary key (i);",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let ast::Stmt::CreateTable(create) = at.stmt else { return };
    // A partition has its parent's; a copy or a child may have one.
    let may_have = create.partition_of().is_some()
        || create.persistence().is_some()
        || create.inherits().is_some()
        || create.of_type().is_some()
        || create
            .syntax()
            .descendants()
            .any(|node| ast::PrimaryKeyConstraint::can_cast(node.kind()) || ast::LikeClause::can_cast(node.kind()));
    let name = create.table_name().map(|name| key(name.syntax()));
    let behind = at.script.statements.iter().skip(at.n + 1).filter_map(|parsed| parsed.stmt.as_ref());
    let gets_one = behind.into_iter().any(|stmt| match stmt {
        ast::Stmt::AlterTable(alter) => {
            altered(alter).map(|it| key(&it)) == name
                && alter.syntax().descendants().any(|node| ast::PrimaryKeyConstraint::can_cast(node.kind()))
        }
        _ => false,
    });
    if !may_have && !gets_one {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
