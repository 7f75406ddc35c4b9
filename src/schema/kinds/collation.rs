//! Collations. Path: schema, name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::composite::stored_in;
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A collation. Its version is the server's, and not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collation {
    /// `provider`, `locale`, …
    options: BTreeMap<String, String>,
}

impl Entity for Collation {
    fn query(_server: u32) -> String {
        // `colliculocale` became `colllocale` with version 17, and `collicurules` came with 16.
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.collname), 'owner', c.collowner::bigint,
                'definition', json_build_object('options', json_strip_nulls(json_build_object(
                'provider', CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin' ELSE 'default' END,
                'deterministic', CASE WHEN NOT c.collisdeterministic THEN 'false' END,
                'locale', quote_literal(coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale',
                    CASE WHEN c.collcollate = c.collctype THEN c.collcollate END)),
                'lc_collate', CASE WHEN c.collcollate <> c.collctype THEN quote_literal(c.collcollate) END,
                'lc_ctype', CASE WHEN c.collcollate <> c.collctype THEN quote_literal(c.collctype) END,
                'rules', quote_literal(to_jsonb(c) ->> 'collicurules')))))
             FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
             WHERE {theirs} AND NOT {extension}",
            address = address("pg_collation", "c.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_collation", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("COLLATION {}", id.qualified())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let options: Vec<String> = self.options.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        vec![Statement::new(format!("CREATE COLLATION {} ({})", id.qualified(), options.join(", ")))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP COLLATION {}", id.qualified()))]
    }

    fn change(&self, _old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        match stored_in(sides.old, id) {
            Some(column) => Change::Impossible(format!(
                "the {id} cannot be changed in place, and the {column} has it: make a collation of another name, and give it to the columns"
            )),
            None => Change::Replace,
        }
    }
}
