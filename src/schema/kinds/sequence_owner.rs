//! That a sequence goes when a column goes. Path: schema, sequence.

use serde::{Deserialize, Serialize};

use super::{Change, Definition, Entity, Inline, Sides, column};
use crate::schema::id::{Id, Kind};
use crate::schema::quote::qualified;
use crate::schema::read::{address, owned_by_extension, part, user_schema};
use crate::schema::statement::Statement;

/// The column that a sequence is owned by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceOwner {
    /// Schema, table and name.
    column: Vec<String>,
}

impl SequenceOwner {
    /// The path of the column.
    pub(super) fn column(&self) -> &[String] {
        &self.column
    }

    fn statement(id: &Id, owner: &str) -> Statement {
        Statement::new(format!("ALTER SEQUENCE {} OWNED BY {owner}", id.qualified()))
    }
}

/// For a sequence or what it is owned by: the column that makes it, if that is a `serial`.
pub(super) fn implied_by(id: &Id, sides: Sides<'_>) -> Option<Inline> {
    let owner = Id::new(Kind::SequenceOwner, id.path.clone());
    let Some(Definition::SequenceOwner(owner)) = sides.new.definition(&owner) else { return None };
    let host = Id::new(Kind::Column, owner.column.clone());
    let sequence = host.path.first() == id.path.first()
        && matches!(host.path.as_slice(), [_, table, name] if super::names::joined(table, name, "seq") == id.name());
    (sequence && column::is_serial(&host, sides).is_some()).then_some(Inline::Implied { host })
}

impl Entity for SequenceOwner {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'parent', {sequence}, 'needs', json_build_array({column}),
                'path', json_build_array(n.nspname, c.relname),
                'definition', json_build_object('column', json_build_array(tn.nspname, t.relname, a.attname)))
             FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
             WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a' AND d.refobjsubid > 0
                AND c.relpersistence <> 't' AND {theirs} AND NOT {extension}",
            address = part("pg_class", "c.oid", "-1"),
            sequence = address("pg_class", "c.oid"),
            column = part("pg_class", "t.oid", "a.attnum"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("SEQUENCE {}", id.qualified())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Self::statement(id, &qualified(&self.column))]
    }

    fn inline(&self, id: &Id, sides: Sides<'_>) -> Option<Inline> {
        implied_by(id, sides)
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Self::statement(id, "NONE")]
    }

    fn change(&self, _old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        Change::Alter(vec![Self::statement(id, &qualified(&self.column))])
    }
}
