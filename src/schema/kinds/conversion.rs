//! Conversions between encodings. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::literal;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A conversion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    default: bool,
    source: String,
    target: String,
    function: String,
}

impl Entity for Conversion {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.conname), 'owner', c.conowner::bigint,
                'definition', json_build_object('default', c.condefault, 'source', pg_encoding_to_char(c.conforencoding),
                'target', pg_encoding_to_char(c.contoencoding), 'function', c.conproc::text))
             FROM pg_conversion c JOIN pg_namespace n ON n.oid = c.connamespace
             WHERE {theirs} AND NOT {extension}",
            address = address("pg_conversion", "c.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_conversion", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("CONVERSION {}", id.qualified())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!(
            "CREATE {}CONVERSION {} FOR {} TO {} FROM {}",
            if self.default { "DEFAULT " } else { "" },
            id.qualified(),
            literal(&self.source),
            literal(&self.target),
            self.function
        ))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP CONVERSION {}", id.qualified()))]
    }

    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Replace
    }
}
