//! Extended statistics. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A statistics object. What it holds, `ANALYZE` computes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// As Postgres prints it: `CREATE STATISTICS …`.
    text: String,
    /// How much of it is kept, if that is not the database's own default.
    target: Option<i32>,
}

impl Statistics {
    fn set(&self, id: &Id) -> Statement {
        let target = self.target.unwrap_or(-1);
        Statement::new(format!("ALTER STATISTICS {} SET STATISTICS {target}", id.qualified()))
    }
}

impl Entity for Statistics {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, s.stxname), 'owner', s.stxowner::bigint,
                'definition', json_build_object('text', pg_get_statisticsobjdef(s.oid),
                'target', CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget END))
             FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
             WHERE {theirs} AND NOT {extension}",
            address = address("pg_statistic_ext", "s.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_statistic_ext", "s.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("STATISTICS {}", id.qualified())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let mut statements = vec![Statement::new(self.text.clone())];
        if self.target.is_some() {
            statements.push(self.set(id));
        }
        statements
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP STATISTICS {}", id.qualified()))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        if self.text == old.text { Change::Alter(vec![self.set(id)]) } else { Change::Replace }
    }
}
