//! Text search configurations. Path: schema, name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::ident;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSearchConfiguration {
    parser: String,
    /// The dictionaries that are asked about each type of token, in that order.
    mappings: BTreeMap<String, Vec<String>>,
}

impl TextSearchConfiguration {
    /// The mappings of those types of tokens, with one statement for all that go the same way.
    fn map(&self, id: &Id, verb: &str, wanted: impl Fn(&str) -> bool) -> Vec<Statement> {
        let mut by_dictionaries: BTreeMap<&[String], Vec<String>> = BTreeMap::new();
        for (token, dictionaries) in self.mappings.iter().filter(|(token, _)| wanted(token)) {
            by_dictionaries.entry(dictionaries).or_default().push(ident(token));
        }
        let statements = by_dictionaries.iter().map(|(dictionaries, tokens)| {
            let (tokens, dictionaries) = (tokens.join(", "), dictionaries.join(", "));
            Statement::new(format!("ALTER {} {verb} MAPPING FOR {tokens} WITH {dictionaries}", self.phrase(id)))
        });
        statements.collect()
    }
}

impl Entity for TextSearchConfiguration {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.cfgname), 'owner', c.cfgowner::bigint,
                'definition', json_build_object('parser', (SELECT format('%I.%I', m.nspname, p.prsname) FROM pg_ts_parser p
                    JOIN pg_namespace m ON m.oid = p.prsnamespace WHERE p.oid = c.cfgparser),
                'mappings', (SELECT coalesce(json_object_agg(g.alias, g.dictionaries), '{{}}'::json) FROM (
                    SELECT y.alias, json_agg(m.mapdict::regdictionary::text ORDER BY m.mapseqno) AS dictionaries
                    FROM pg_ts_config_map m JOIN ts_token_type(c.cfgparser) y ON y.tokid = m.maptokentype
                    WHERE m.mapcfg = c.oid GROUP BY y.alias) g)))
             FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace WHERE {theirs} AND NOT {extension}",
            address = address("pg_ts_config", "c.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_ts_config", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TEXT SEARCH CONFIGURATION {}", id.qualified())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let mut statements = vec![Statement::new(format!("CREATE {} (PARSER = {})", self.phrase(id), self.parser))];
        statements.extend(self.map(id, "ADD", |_| true));
        statements
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        if self.parser != old.parser {
            return Change::Replace;
        }
        let gone: Vec<String> =
            old.mappings.keys().filter(|token| !self.mappings.contains_key(*token)).map(|token| ident(token)).collect();
        let mut statements = Vec::new();
        if !gone.is_empty() {
            statements.push(Statement::new(format!("ALTER {} DROP MAPPING FOR {}", self.phrase(id), gone.join(", "))));
        }
        statements.extend(self.map(id, "ALTER", |token| {
            old.mappings.get(token).is_some_and(|old| self.mappings.get(token) != Some(old))
        }));
        statements.extend(self.map(id, "ADD", |token| !old.mappings.contains_key(token)));
        Change::Alter(statements)
    }
}
