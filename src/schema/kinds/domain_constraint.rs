//! Constraints of domains. Path: schema, domain, name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Inline, Sides};
use crate::schema::id::{Id, Kind};
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

impl DomainConstraint {
    /// `CONSTRAINT positive CHECK (…)`.
    pub(super) fn text(&self, id: &Id) -> String {
        format!("CONSTRAINT {} {}", id.ident(), self.definition)
    }

    /// Whether `CREATE DOMAIN` has it: that of a domain which is new, and not where it needs something else, which may need the domain.
    pub(super) fn is_written_with_domain(&self, id: &Id, sides: Sides<'_>) -> bool {
        let domain = domain(id);
        self.valid && sides.old.get(&domain).is_none() && sides.new.needs(id).all(|(needed, _)| *needed == domain)
    }
}

/// The domain that it is of.
fn domain(id: &Id) -> Id {
    Id::new(Kind::Domain, id.path.iter().take(2).cloned().collect())
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
            "ALTER DOMAIN {} ADD {}{valid}",
            id.relation(),
            self.text(id)
        ))]
    }

    fn inline(&self, id: &Id, sides: Sides<'_>) -> Option<Inline> {
        self.is_written_with_domain(id, sides).then(|| Inline::Implied { host: domain(id) })
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
