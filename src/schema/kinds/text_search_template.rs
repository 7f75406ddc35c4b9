//! Text search templates. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// The functions of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSearchTemplate {
    init: Option<String>,
    lexize: String,
}

impl Entity for TextSearchTemplate {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, t.tmplname),
                'definition', json_build_object('init', CASE WHEN t.tmplinit::oid <> 0 THEN t.tmplinit::text END,
                'lexize', t.tmpllexize::text))
             FROM pg_ts_template t JOIN pg_namespace n ON n.oid = t.tmplnamespace WHERE {theirs} AND NOT {extension}",
            address = address("pg_ts_template", "t.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_ts_template", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TEXT SEARCH TEMPLATE {}", id.qualified())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let init = self.init.as_ref().map_or(String::new(), |function| format!("INIT = {function}, "));
        vec![Statement::new(format!("CREATE {} ({init}LEXIZE = {})", self.phrase(id), self.lexize))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Replace
    }
}
