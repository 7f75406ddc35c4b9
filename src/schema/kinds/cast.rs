//! Casts. Path: source type, target type.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{FIRST_NORMAL_OID, address, owned_by_extension};
use crate::schema::statement::Statement;

/// A cast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    /// `WITH FUNCTION …`, `WITHOUT FUNCTION`, or `WITH INOUT`.
    method: String,
    context: Context,
}

/// Where it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Context {
    Explicit,
    Assignment,
    Implicit,
}

impl Cast {
    /// Whether it is applied only where it is written.
    pub(super) fn is_explicit(&self) -> bool {
        self.context == Context::Explicit
    }
}

impl Entity for Cast {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address},
                'path', json_build_array(format_type(c.castsource, NULL), format_type(c.casttarget, NULL)),
                'definition', json_build_object(
                'method', CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::regprocedure::text
                    WHEN 'i' THEN 'WITH INOUT' ELSE 'WITHOUT FUNCTION' END,
                'context', CASE c.castcontext WHEN 'e' THEN 'explicit' WHEN 'a' THEN 'assignment' ELSE 'implicit' END))
             FROM pg_cast c
             WHERE c.oid >= {FIRST_NORMAL_OID} AND NOT {extension}
                AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'i')",
            address = address("pg_cast", "c.oid"),
            extension = owned_by_extension("pg_cast", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("CAST ({})", id.path.join(" AS "))
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let context = match self.context {
            Context::Explicit => "",
            Context::Assignment => " AS ASSIGNMENT",
            Context::Implicit => " AS IMPLICIT",
        };
        vec![Statement::new(format!("CREATE {} {}{context}", self.phrase(id), self.method))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Replace
    }
}
