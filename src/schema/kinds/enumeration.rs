//! Enums. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::composite::anew;
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::{ident, literal, qualified};
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// An enum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enum {
    /// In their order.
    values: Vec<String>,
}

/// What renames a type so that its name is free, and its id then.
pub(super) fn rename_away(id: &Id) -> (Statement, Id) {
    let name = name_away(id.name());
    let path = vec![id.schema().to_owned(), name.clone()];
    let statement = Statement::new(format!("ALTER TYPE {} RENAME TO {}", qualified(&id.path), ident(&name)));
    (statement, Id::new(id.kind, path))
}

/// The name of what is out of the way.
pub(super) fn name_away(name: &str) -> String {
    // Postgres cuts names after 63 bytes, which would make two of one.
    const SUFFIX: &str = "_before";
    let end = (0..=63 - SUFFIX.len()).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    format!("{}{SUFFIX}", name.get(..end).unwrap_or(name))
}

impl Enum {
    /// The statements that add what is new, if that is all that differs.
    fn additions(&self, old: &Self, id: &Id) -> Option<Vec<Statement>> {
        let mut kept = self.values.iter().filter(|value| old.values.contains(value));
        if !old.values.iter().all(|value| kept.next() == Some(value)) || kept.next().is_some() {
            return None;
        }
        let mut statements = Vec::new();
        let mut before: Option<&String> = None;
        for value in &self.values {
            if !old.values.contains(value) {
                let place = match before {
                    // The last one: that is where a value goes by itself.
                    Some(before) if statements.is_empty() && old.values.last() == Some(before) => String::new(),
                    Some(before) => format!(" AFTER {}", literal(before)),
                    None => old.values.first().map_or(String::new(), |first| format!(" BEFORE {}", literal(first))),
                };
                let statement =
                    Statement::new(format!("ALTER TYPE {} ADD VALUE {}{place}", id.qualified(), literal(value)));
                statements.push(statement.adds(format!("{}::{}", literal(value), id.qualified())));
            }
            before = Some(value);
        }
        Some(statements)
    }
}

impl Entity for Enum {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, t.typname), 'owner', t.typowner::bigint,
                'grants', {grants}, 'definition', json_build_object('values', (SELECT coalesce(
                json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]'::json) FROM pg_enum e WHERE e.enumtypid = t.oid)))
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
             WHERE t.typtype = 'e' AND {theirs} AND NOT {extension}",
            address = address("pg_type", "t.oid"),
            grants = grants('T', "t.typacl", "t.typowner"),
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

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let values: Vec<String> = self.values.iter().map(|value| literal(value)).collect();
        vec![Statement::new(format!("CREATE TYPE {} AS ENUM ({})", id.qualified(), values.join(", ")))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP TYPE {}", id.qualified()))]
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        self.additions(old, id).map_or_else(|| anew(id, sides), Change::Alter)
    }

    fn move_away(&self, id: &Id) -> Option<(Statement, Id)> {
        Some(rename_away(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Kind;

    fn told(old: &str, new: &str) -> Option<Vec<String>> {
        let of = |text: &str| Enum { values: text.split_whitespace().map(str::to_owned).collect() };
        let id = Id::new(Kind::Enum, vec!["s".to_owned(), "e".to_owned()]);
        let prefix = "ALTER TYPE s.e ADD VALUE ";
        let statements = of(new).additions(&of(old), &id)?;
        Some(statements.iter().map(|s| s.sql().trim_start_matches(prefix).to_owned()).collect())
    }

    #[test]
    fn values_are_added_where_they_belong() {
        assert_eq!(told("b d", "a b c d e f").unwrap_or_default(), [
            "'a' BEFORE 'b'",
            "'c' AFTER 'b'",
            "'e' AFTER 'd'",
            "'f' AFTER 'e'"
        ]);
        assert_eq!(told("a", "a b c").unwrap_or_default(), ["'b'", "'c' AFTER 'b'"]);
        assert_eq!(told("", "a b").unwrap_or_default(), ["'a'", "'b' AFTER 'a'"]);
    }

    #[test]
    fn what_goes_or_moves_takes_a_swap() {
        assert_eq!(told("a b", "a"), None);
        assert_eq!(told("a b", "b a"), None);
        assert_eq!(told("a b", "b c a"), None);
    }

    #[test]
    fn a_name_out_of_the_way_is_no_longer_than_postgres_takes() {
        assert_eq!(name_away("mood"), "mood_before");
        assert_eq!(name_away(&"ä".repeat(40)), format!("{}_before", "ä".repeat(28)));
    }
}
