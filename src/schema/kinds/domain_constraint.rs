//! Constraints of domains. Path: schema, domain, name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A check, or from version 17 on also NOT NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainConstraint {
    /// As Postgres prints it, without NOT VALID.
    definition: String,
    /// Whether what was there before it is known to be in order.
    valid: bool,
}

impl Entity for DomainConstraint {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, t.typname, c.conname),
                'definition', json_build_object('valid', c.convalidated,
                'definition', regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '')))
             FROM pg_constraint c JOIN pg_type t ON t.oid = c.contypid JOIN pg_namespace n ON n.oid = t.typnamespace
             WHERE {theirs} AND NOT {extension}",
            address = address("pg_constraint", "c.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_type", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("CONSTRAINT {} ON DOMAIN {}", id.ident(), id.relation())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let valid = if self.valid { "" } else { " NOT VALID" };
        vec![Statement::new(format!(
            "ALTER DOMAIN {} ADD CONSTRAINT {} {}{valid}",
            id.relation(),
            id.ident(),
            self.definition
        ))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("ALTER DOMAIN {} DROP CONSTRAINT {}", id.relation(), id.ident()))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        if self.definition == old.definition && self.valid {
            let sql = format!("ALTER DOMAIN {} VALIDATE CONSTRAINT {}", id.relation(), id.ident());
            return Change::Alter(vec![Statement::new(sql)]);
        }
        Change::Replace
    }
}
