//! Base types. Path: schema, name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::shell_type::shell_address;
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A base type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseType {
    /// Those that `ALTER TYPE` changes.
    options: BTreeMap<String, String>,
    /// Those that it does not.
    fixed: BTreeMap<String, String>,
}

/// Options and where they are; NULL is for those that are not given.
type Options = &'static [(&'static str, &'static str)];

/// What no `ALTER TYPE` changes.
pub(super) const FIXED: Options = &[
    ("INPUT", "t.typinput::text"),
    ("OUTPUT", "t.typoutput::text"),
    ("INTERNALLENGTH", "CASE WHEN t.typlen < 0 THEN 'VARIABLE' ELSE t.typlen::text END"),
    ("PASSEDBYVALUE", "CASE WHEN t.typbyval THEN 'true' END"),
    ("ALIGNMENT", "CASE t.typalign WHEN 'c' THEN 'char' WHEN 's' THEN 'int2' WHEN 'd' THEN 'double' ELSE 'int4' END"),
    ("CATEGORY", "nullif(quote_literal(t.typcategory::text), '''U''')"),
    ("PREFERRED", "CASE WHEN t.typispreferred THEN 'true' END"),
    ("DEFAULT", "quote_literal(t.typdefault)"),
    ("ELEMENT", "CASE WHEN t.typelem <> 0 THEN format_type(t.typelem, NULL) END"),
    ("DELIMITER", "nullif(quote_literal(t.typdelim::text), ''',''')"),
    ("COLLATABLE", "CASE WHEN t.typcollation <> 0 THEN 'true' END"),
];

/// What it does change.
const CHANGEABLE: Options = &[
    ("RECEIVE", "CASE WHEN t.typreceive::oid <> 0 THEN t.typreceive::text END"),
    ("SEND", "CASE WHEN t.typsend::oid <> 0 THEN t.typsend::text END"),
    ("TYPMOD_IN", "CASE WHEN t.typmodin::oid <> 0 THEN t.typmodin::text END"),
    ("TYPMOD_OUT", "CASE WHEN t.typmodout::oid <> 0 THEN t.typmodout::text END"),
    ("ANALYZE", "CASE WHEN t.typanalyze::oid <> 0 THEN t.typanalyze::text END"),
    ("SUBSCRIPT", "CASE WHEN t.typsubscript::oid <> 0 THEN t.typsubscript::text END"),
    ("STORAGE", "CASE t.typstorage WHEN 'e' THEN 'external' WHEN 'x' THEN 'extended' WHEN 'm' THEN 'main' ELSE 'plain' END"),
];

/// The JSON of them, of a row of `pg_type` with the alias `t`.
pub(super) fn options(options: Options) -> String {
    let pairs: Vec<String> = options.iter().map(|(name, value)| format!("'{name}', {value}")).collect();
    format!("json_strip_nulls(json_build_object({}))", pairs.join(", "))
}

impl Entity for BaseType {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'parent', {shell}, 'path', json_build_array(n.nspname, t.typname),
                'owner', t.typowner::bigint, 'grants', {grants},
                'definition', json_build_object('fixed', {fixed}, 'options', {changeable}))
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
             WHERE t.typtype = 'b' AND t.typisdefined AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
                AND {theirs} AND NOT {extension}",
            address = address("pg_type", "t.oid"),
            shell = shell_address("t.oid"),
            grants = grants('T', "t.typacl", "t.typowner"),
            fixed = options(FIXED),
            changeable = options(CHANGEABLE),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_type", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TYPE {}", id.qualified())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('T')
    }

    fn slots(&self, _id: &Id) -> Vec<(&'static str, Vec<String>)> {
        // The shell has it.
        Vec::new()
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let all = FIXED.iter().chain(CHANGEABLE).filter_map(|(name, _)| {
            self.fixed.get(*name).or_else(|| self.options.get(*name)).map(|value| match (*name, value.as_str()) {
                ("PASSEDBYVALUE", _) => "PASSEDBYVALUE".to_owned(),
                _ => format!("{name} = {value}"),
            })
        });
        let all: Vec<String> = all.collect();
        vec![Statement::new(format!("CREATE TYPE {} (\n    {}\n)", id.qualified(), all.join(",\n    ")))]
    }

    fn drop(&self, _id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        // It goes with its shell.
        Vec::new()
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        let changed = CHANGEABLE.iter().filter(|(name, _)| self.options.get(*name) != old.options.get(*name));
        let clauses: Vec<String> = changed
            .map(|(name, _)| format!("{name} = {}", self.options.get(*name).map_or("NONE", String::as_str)))
            .collect();
        // What is fixed stands in the shell, too: that one is made again, and this one with it.
        if clauses.is_empty() {
            return Change::Alter(Vec::new());
        }
        Change::Alter(vec![Statement::new(format!("ALTER TYPE {} SET ({})", id.qualified(), clauses.join(", ")))])
    }
}
