//! Transforms. Path: type, language.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::ident;
use crate::schema::read::{FIRST_NORMAL_OID, address, owned_by_extension};
use crate::schema::statement::Statement;

/// How values of a type come into a language and out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transform {
    from_sql: Option<String>,
    to_sql: Option<String>,
}

impl Transform {
    fn write(&self, id: &Id, verb: &str) -> Vec<Statement> {
        let parts = [("FROM SQL", &self.from_sql), ("TO SQL", &self.to_sql)];
        let parts: Vec<String> = parts
            .iter()
            .filter_map(|(word, function)| function.as_ref().map(|function| format!("{word} WITH FUNCTION {function}")))
            .collect();
        vec![Statement::new(format!("{verb} {} ({})", self.phrase(id), parts.join(", ")))]
    }
}

impl Entity for Transform {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(format_type(t.trftype, NULL), l.lanname),
                'definition', json_build_object(
                'from_sql', CASE WHEN t.trffromsql::oid <> 0 THEN t.trffromsql::oid::regprocedure::text END,
                'to_sql', CASE WHEN t.trftosql::oid <> 0 THEN t.trftosql::oid::regprocedure::text END))
             FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
             WHERE t.oid >= {FIRST_NORMAL_OID} AND NOT {extension}",
            address = address("pg_transform", "t.oid"),
            extension = owned_by_extension("pg_transform", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        let language = id.path.get(1).map_or(String::new(), |language| ident(language));
        format!("TRANSFORM FOR {} LANGUAGE {language}", id.schema())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        self.write(id, "CREATE")
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, _old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        Change::Alter(self.write(id, "CREATE OR REPLACE"))
    }
}
