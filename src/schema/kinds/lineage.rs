//! Who is a partition or a child of whom.

use super::Definition;
use super::inheritance::Inheritance;
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};

/// The parents of a table.
pub(super) fn parents<'a>(
    catalog: &'a Catalog,
    table: &'a [String],
) -> impl Iterator<Item = (&'a Id, &'a Inheritance)> {
    catalog.within(Kind::Inheritance, table).filter_map(|(id, object)| match &object.definition {
        Definition::Inheritance(inheritance) => Some((id, inheritance)),
        _ => None,
    })
}

/// The path of the parent that this inheritance is from.
pub(super) fn parent_of(inheritance: &Id) -> &[String] {
    inheritance.path.get(2..).unwrap_or_default()
}

/// The path of its child.
pub(super) fn child_of(inheritance: &Id) -> &[String] {
    inheritance.path.get(..2).unwrap_or_default()
}

/// The inheritances of a table's children.
pub(super) fn inheritances<'a>(
    catalog: &'a Catalog,
    table: &'a [String],
) -> impl Iterator<Item = (&'a Id, &'a Inheritance)> {
    catalog.within(Kind::Inheritance, &[]).filter_map(move |(id, object)| match &object.definition {
        Definition::Inheritance(inheritance) if parent_of(id) == table => Some((id, inheritance)),
        _ => None,
    })
}

/// The paths of a table's children.
pub(super) fn children<'a>(catalog: &'a Catalog, table: &'a [String]) -> impl Iterator<Item = &'a [String]> {
    inheritances(catalog, table).map(|(id, _)| child_of(id))
}

/// The id of something that is in another table under the same name.
pub(super) fn same_in(id: &Id, table: &[String]) -> Id {
    let mut path = table.to_vec();
    path.extend(id.path.get(2..).unwrap_or_default().iter().cloned());
    Id::new(id.kind, path)
}

/// The table that a column, a constraint or a default is of.
pub(super) fn table_of(id: &Id) -> Id {
    Id::new(Kind::Table, id.path.get(..2).unwrap_or_default().to_vec())
}
