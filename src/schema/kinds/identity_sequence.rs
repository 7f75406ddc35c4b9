//! What is said of an identity column's sequence: privileges, a comment, labels. Path: schema, table, column.
//!
//! The sequence comes, changes and goes with the column, which has its name and its numbers, and its owner is the table's. An object of its own
//! all the same, as all of these are of objects.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Inline, Sides};
use crate::schema::id::{Id, Kind};
use crate::schema::quote::qualified;
use crate::schema::read::{address, grants, owned_by_extension, part, user_schema};
use crate::schema::statement::Statement;

/// The sequence of an identity column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentitySequence {
    /// Its schema and its name.
    name: Vec<String>,
}

impl Entity for IdentitySequence {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'parent', {column}, 'path', json_build_array(tn.nspname, t.relname, a.attname),
                'owner', c.relowner::bigint, 'grants', {grants},
                'definition', json_build_object('name', json_build_array(n.nspname, c.relname)))
             FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
             WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i' AND d.refobjsubid > 0
                AND t.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {theirs} AND NOT {extension}",
            address = address("pg_class", "c.oid"),
            column = part("pg_class", "t.oid", "a.attnum"),
            grants = grants('s', "c.relacl", "c.relowner"),
            theirs = user_schema("tn"),
            extension = owned_by_extension("pg_class", "t.oid"),
        )
    }

    fn phrase(&self, _id: &Id) -> String {
        format!("SEQUENCE {}", qualified(&self.name))
    }

    fn has_own_owner(&self) -> bool {
        false
    }

    fn acl_kind(&self) -> Option<char> {
        Some('s')
    }

    fn create(&self, _id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        Vec::new()
    }

    fn inline(&self, id: &Id, _sides: Sides<'_>) -> Option<Inline> {
        Some(Inline::Implied { host: Id::new(Kind::Column, id.path.clone()) })
    }

    fn drop(&self, _id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        Vec::new()
    }

    /// The column gives it the new name.
    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Alter(Vec::new())
    }
}
