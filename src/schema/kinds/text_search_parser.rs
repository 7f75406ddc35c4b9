//! Text search parsers. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// The functions of a parser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSearchParser {
    start: String,
    get_token: String,
    end: String,
    lexical_types: String,
    headline: Option<String>,
}

impl Entity for TextSearchParser {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, p.prsname),
                'definition', json_build_object('start', p.prsstart::text, 'get_token', p.prstoken::text, 'end', p.prsend::text,
                'lexical_types', p.prslextype::text, 'headline', CASE WHEN p.prsheadline::oid <> 0 THEN p.prsheadline::text END))
             FROM pg_ts_parser p JOIN pg_namespace n ON n.oid = p.prsnamespace WHERE {theirs} AND NOT {extension}",
            address = address("pg_ts_parser", "p.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_ts_parser", "p.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TEXT SEARCH PARSER {}", id.qualified())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let headline = self.headline.as_ref().map_or(String::new(), |function| format!(", HEADLINE = {function}"));
        vec![Statement::new(format!(
            "CREATE {} (START = {}, GETTOKEN = {}, END = {}, LEXTYPES = {}{headline})",
            self.phrase(id),
            self.start,
            self.get_token,
            self.end,
            self.lexical_types
        ))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Replace
    }
}
