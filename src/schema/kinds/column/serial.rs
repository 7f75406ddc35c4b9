//! Columns that `serial` makes.

use super::{Column, column};
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::{Definition, Sides, lineage, names};
use crate::schema::quote::{literal, qualified};

/// `bigserial` and its like, if that makes the column with its default, its sequence and its sequence's ownership just as they shall be,
/// and none of them was there before.
pub(in crate::schema::kinds) fn is_serial(id: &Id, sides: Sides<'_>) -> Option<&'static str> {
    let column = column(sides.new, id)?;
    let serial = match column.data_type.as_str() {
        "bigint" => "bigserial",
        "integer" => "serial",
        "smallint" => "smallserial",
        _ => return None,
    };
    let parts = Parts::of(id)?;
    let new = parts.all().iter().all(|part| sides.new.get(part).is_some() && sides.old.get(part).is_none());
    (new && sides.old.get(id).is_none() && column.is_plain() && parts.are_serial(column, id, sides.new)).then_some(serial)
}

impl Column {
    fn is_plain(&self) -> bool {
        let not_null = self.not_null.as_ref().is_some_and(super::not_null::NotNull::is_plain);
        not_null && self.local && !self.inherited && self.identity.is_none() && self.generated.is_none()
    }
}

/// What `serial` makes besides the column.
struct Parts {
    default: Id,
    sequence: Id,
    owner: Id,
}

impl Parts {
    fn of(column: &Id) -> Option<Self> {
        let [schema, table, name] = column.path.as_slice() else { return None };
        let sequence = vec![schema.clone(), names::joined(table, name, "seq")];
        Some(Self {
            default: Id::new(Kind::Default, column.path.clone()),
            owner: Id::new(Kind::SequenceOwner, sequence.clone()),
            sequence: Id::new(Kind::Sequence, sequence),
        })
    }

    fn all(&self) -> [&Id; 3] {
        [&self.default, &self.sequence, &self.owner]
    }

    fn are_serial(&self, column: &Column, id: &Id, catalog: &Catalog) -> bool {
        let table = lineage::table_of(id);
        let Some(Definition::Table(definition)) = catalog.definition(&table) else { return false };
        let next = format!("nextval({}::regclass)", literal(&qualified(&self.sequence.path)));
        let default = matches!(catalog.definition(&self.default), Some(Definition::Default(it)) if it.expression() == next);
        let owner = matches!(catalog.definition(&self.owner), Some(Definition::SequenceOwner(it)) if it.column() == id.path);
        let sequence = matches!(catalog.definition(&self.sequence), Some(Definition::Sequence(it))
            if it.is_plain(&column.data_type, definition.is_unlogged()));
        let owners = |id: &Id| catalog.get(id).map(|object| object.owner.as_deref());
        default && owner && sequence && owners(&self.sequence) == owners(&table)
    }
}
