//! Domains, without their constraints. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::composite::anew;
use super::enumeration::name_away;
use super::{Change, Definition, Entity, Sides};
use crate::schema::id::{Id, Kind};
use crate::schema::quote::ident;
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    #[serde(rename = "type")]
    data_type: String,
    /// Where it is not the type's own.
    collation: Option<String>,
    default: Option<String>,
    /// From version 17 on, NOT NULL is a constraint with a name.
    not_null: bool,
}

impl Entity for Domain {
    fn query(server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, t.typname), 'owner', t.typowner::bigint,
                'grants', {grants}, 'definition', json_build_object('type', format_type(t.typbasetype, t.typtypmod),
                'collation', (SELECT format('%I.%I', m.nspname, k.collname) FROM pg_collation k
                    JOIN pg_namespace m ON m.oid = k.collnamespace WHERE k.oid = t.typcollation AND k.oid <> b.typcollation),
                'default', coalesce(pg_get_expr(t.typdefaultbin, 'pg_type'::regclass), t.typdefault), 'not_null', {not_null}))
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_type b ON b.oid = t.typbasetype
             WHERE t.typtype = 'd' AND {theirs} AND NOT {extension}",
            address = address("pg_type", "t.oid"),
            grants = grants('T', "t.typacl", "t.typowner"),
            not_null = if server >= 17 { "false" } else { "t.typnotnull" },
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_type", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("DOMAIN {}", id.qualified())
    }

    fn grant_phrase(&self, id: &Id, privileges: &str) -> String {
        format!("{privileges} ON TYPE {}", id.qualified())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('T')
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let mut parts = vec![format!("CREATE DOMAIN {} AS {}", id.qualified(), self.data_type)];
        for (word, text) in [("COLLATE", &self.collation), ("DEFAULT", &self.default)] {
            parts.extend(text.as_ref().map(|text| format!("{word} {text}")));
        }
        if self.not_null {
            parts.push("NOT NULL".to_owned());
        }
        let mut sql = parts.join(" ");
        for (constraint, object) in sides.new.within(Kind::DomainConstraint, &id.path) {
            if let Definition::DomainConstraint(definition) = &object.definition
                && definition.is_written_with_domain(constraint, sides)
            {
                sql.push_str("\n    ");
                sql.push_str(&definition.text(constraint));
            }
        }
        vec![Statement::new(sql)]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP DOMAIN {}", id.qualified()))]
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        if (&self.data_type, &self.collation) != (&old.data_type, &old.collation) {
            return anew(id, sides);
        }
        let mut statements = Vec::new();
        let mut alter = |clause: &str| statements.push(Statement::new(format!("ALTER DOMAIN {} {clause}", id.qualified())));
        if self.default != old.default {
            match &self.default {
                Some(default) => alter(&format!("SET DEFAULT {default}")),
                None => alter("DROP DEFAULT"),
            }
        }
        match (self.not_null, old.not_null) {
            (true, false) => alter("SET NOT NULL"),
            (false, true) => alter("DROP NOT NULL"),
            _ => {}
        }
        Change::Alter(statements)
    }

    fn move_away(&self, id: &Id) -> Option<(Statement, Id)> {
        let name = name_away(id.name());
        let statement = Statement::new(format!("ALTER DOMAIN {} RENAME TO {}", id.qualified(), ident(&name)));
        Some((statement, Id::new(id.kind, vec![id.schema().to_owned(), name])))
    }
}
