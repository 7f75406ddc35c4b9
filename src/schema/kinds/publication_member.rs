//! What is in a publication. Path: publication, schema, table; of a schema with all its tables: publication, schema.
//!
//! An object of its own, as it needs the table and the columns, and goes with them.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides, lineage};
use crate::schema::id::Id;
use crate::schema::quote::{bracketed, ident, qualified};
use crate::schema::read::{address, owned_by_extension};
use crate::schema::statement::Statement;

/// A table or a schema in a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicationMember {
    /// Only these columns of the table; all, if there are none.
    columns: Vec<String>,
    /// Only these rows of the table: an expression.
    rows: Option<String>,
}

impl PublicationMember {
    /// `TABLE public.users`, `TABLES IN SCHEMA public`.
    fn member(id: &Id, only: &str) -> String {
        match id.path.as_slice() {
            [_, schema] => format!("TABLES IN SCHEMA {}", ident(schema)),
            [_, table @ ..] => format!("TABLE {only}{}", qualified(table)),
            [] => String::new(),
        }
    }

    /// `ONLY `, for a table from which others inherit: they would come and go with it, and are members of their own. Partitions are none.
    fn only(id: &Id, sides: Sides<'_>) -> &'static str {
        let table = id.path.get(1..).unwrap_or_default();
        let inherit = |side| lineage::inheritances(side, table).any(|(_, inheritance)| inheritance.bound().is_none());
        if [sides.old, sides.new].into_iter().any(inherit) { "ONLY " } else { "" }
    }

    fn alter(id: &Id, action: &str) -> Statement {
        Statement::new(format!("ALTER PUBLICATION {} {action}", ident(id.schema())))
    }
}

impl Entity for PublicationMember {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {table}, 'path', json_build_array(p.pubname, n.nspname, c.relname),
                'definition', json_build_object('columns', coalesce((SELECT json_agg(a.attname ORDER BY a.attname)
                    FROM unnest(r.prattrs::smallint[]) k JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = k), '[]'::json),
                'rows', pg_get_expr(r.prqual, r.prrelid)))
             FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid
                JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT {extension}
             UNION ALL
             SELECT json_build_object('address', {schema}, 'path', json_build_array(p.pubname, n.nspname),
                'definition', json_build_object('columns', '[]'::json, 'rows', NULL))
             FROM pg_publication_namespace r JOIN pg_publication p ON p.oid = r.pnpubid JOIN pg_namespace n ON n.oid = r.pnnspid
             WHERE NOT {extension}",
            table = address("pg_publication_rel", "r.oid"),
            schema = address("pg_publication_namespace", "r.oid"),
            extension = owned_by_extension("pg_publication", "p.oid"),
        )
    }

    /// There are no comments on them.
    fn phrase(&self, id: &Id) -> String {
        Self::member(id, "")
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let mut sql = format!("ADD {}", Self::member(id, Self::only(id, sides)));
        if !self.columns.is_empty() {
            let columns: Vec<String> = self.columns.iter().map(|column| ident(column)).collect();
            let _ = write!(sql, " ({})", columns.join(", "));
        }
        if let Some(rows) = &self.rows {
            let _ = write!(sql, " WHERE {}", bracketed(rows));
        }
        vec![Self::alter(id, &sql)]
    }

    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        vec![Self::alter(id, &format!("DROP {}", Self::member(id, Self::only(id, sides))))]
    }

    /// There is an action that sets all members at once, and none that alters one.
    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Replace
    }
}
