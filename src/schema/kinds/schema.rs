//! Schemas. Path: name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A schema has nothing of its own but its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {}

impl Entity for Schema {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname), 'owner', n.nspowner::bigint,
                'grants', {grants}, 'definition', json_build_object())
             FROM pg_namespace n WHERE {theirs} AND NOT {extension}",
            address = address("pg_namespace", "n.oid"),
            grants = grants('n', "n.nspacl", "n.nspowner"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_namespace", "n.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("SCHEMA {}", id.qualified())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('n')
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("CREATE SCHEMA {}", id.qualified()))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP SCHEMA {}", id.qualified()))]
    }

    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Alter(Vec::new())
    }
}
