//! Primary keys and unique constraints, whose indexes partitions have parts of.

use super::{Constraint, Sort, of_table};
use crate::schema::catalog::Catalog;
use crate::schema::id::Id;
use crate::schema::kinds::{Definition, Sides, inheritance, lineage};
use crate::schema::quote::qualified;
use crate::schema::statement::Statement;

/// The index behind a constraint.
pub(super) fn index_name(id: &Id) -> String {
    qualified(&[id.schema().to_owned(), id.name().to_owned()])
}

/// Makes a partition's constraint a part of the partitioned table's.
pub(super) fn attach(id: &Id, parent: &Id) -> Statement {
    Statement::new(format!("ALTER INDEX {} ATTACH PARTITION {}", index_name(parent), index_name(id)))
}

fn primary_key<'a>(catalog: &'a Catalog, column: &Id) -> Option<&'a Constraint> {
    of_table(catalog, column.path.get(..2).unwrap_or_default())
        .map(|(_, it)| it)
        .find(|it| it.kind == Sort::PrimaryKey)
        .filter(|key| key.columns.iter().any(|name| name == column.name()))
}

/// Whether a primary key of the table's own makes the column not null.
pub(in crate::schema::kinds) fn is_in_new_primary_key(column: &Id, sides: Sides<'_>) -> bool {
    primary_key(sides.new, column).is_some_and(|key| !key.is_mirror())
}

/// Whether a primary key that the table did not have makes the column not null.
pub(in crate::schema::kinds) fn is_in_added_primary_key(column: &Id, sides: Sides<'_>) -> bool {
    is_in_new_primary_key(column, sides) && primary_key(sides.old, column).is_none()
}

/// Whether Postgres would make only another constraint of the table's if one statement had both: of keys over the same columns it keeps one
/// (`transformIndexConstraints`).
pub(super) fn is_taken_for_another(id: &Id, it: &Constraint, catalog: &Catalog) -> bool {
    let Some(key) = it.key() else { return false };
    let rank = |id: &Id, it: &Constraint| (it.kind != Sort::PrimaryKey, id.clone());
    of_table(catalog, &lineage::table_of(id).path)
        .any(|(other_id, other)| other.key() == Some(key) && rank(other_id, other) < rank(id, it))
}

/// The part that a child has of a partitioned table's constraint.
fn part_in<'a>(catalog: &'a Catalog, parent: &'a Id, child: &'a [String]) -> Option<(&'a Id, &'a Constraint)> {
    of_table(catalog, child).find(|(_, it)| it.parent.as_ref() == Some(&parent.path))
}

/// Whether the partitions' parts come by themselves, under their names, when the partitioned table's constraint is made.
pub(super) fn goes_on(id: &Id, sides: Sides<'_>) -> bool {
    let table = lineage::table_of(id).path;
    sides.old.get(id).is_none_or(|old| sides.new.get(id).is_none_or(|new| new.definition != old.definition))
        && lineage::children(sides.new, &table).all(|child| match part_in(sides.new, id, child) {
            // One that is attached later brings its own.
            _ if inheritance::attached_now(child, sides).is_some() => true,
            Some((part, it)) => {
                (part.name() == it.usual_name(part) || sides.old.get(part).is_some()) && goes_on_below(part, sides)
            }
            // One that is no part of a partition's has no use for it.
            None => !is_partition(sides, child, &table),
        })
}

fn goes_on_below(id: &Id, sides: Sides<'_>) -> bool {
    let table = lineage::table_of(id).path;
    lineage::children(sides.new, &table).all(|child| match part_in(sides.new, id, child) {
        Some((part, it)) => part.name() == it.usual_name(part) && goes_on_below(part, sides),
        None => false,
    })
}

fn is_partition(sides: Sides<'_>, child: &[String], parent: &[String]) -> bool {
    lineage::parents(sides.new, child).any(|(it, inheritance)| lineage::parent_of(it) == parent && inheritance.bound().is_some())
}

/// `ONLY `, where the parts in partitions are made one by one.
pub(super) fn only(id: &Id, sides: Sides<'_>) -> &'static str {
    let Some(Definition::Constraint(it)) = sides.new.definition(id) else { return "" };
    let table = lineage::table_of(id);
    let partitioned = matches!(sides.new.definition(&table), Some(Definition::Table(table)) if table.is_partitioned());
    if partitioned && it.index.is_some() && !goes_on(id, sides) { "ONLY " } else { "" }
}

/// Whether a partition's parts of its parent's constraints have the names that Postgres gives them.
pub(in crate::schema::kinds) fn are_named_by_postgres(catalog: &Catalog, table: &[String]) -> bool {
    of_table(catalog, table)
        .filter(|(_, it)| it.is_mirror() && it.index.is_some())
        .all(|(id, it)| id.name() == it.usual_name(id) && it.is_bare())
}
