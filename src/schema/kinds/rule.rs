//! Rules, but for the one that makes a view a view. Path: schema, relation, name.

use serde::{Deserialize, Serialize};

use super::firing::Firing;
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::{Pass, Statement};

/// A rule of a table or a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What stands behind `CREATE`, without the semicolon.
    text: String,
    firing: Firing,
}

impl Rule {
    fn fire(&self, id: &Id) -> Statement {
        let clause = format!("{} {}", self.firing.verb("RULE"), id.ident());
        Statement::alter_table(id.relation(), id, Pass::Misc, clause)
    }
}

impl Entity for Rule {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname, r.rulename),
                'definition', json_build_object('text', regexp_replace(rtrim(pg_get_ruledef(r.oid), ';'), '^CREATE ', ''),
                'firing', r.ev_enabled))
             FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE r.rulename <> '_RETURN' AND {theirs} AND NOT {extension} AND NOT {relation} AND c.relpersistence <> 't'",
            address = address("pg_rewrite", "r.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_rewrite", "r.oid"),
            relation = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("RULE {} ON {}", id.ident(), id.relation())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let mut statements = vec![Statement::new(format!("CREATE {}", self.text))];
        if self.firing != Firing::Origin {
            statements.push(self.fire(id));
        }
        statements
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        let mut statements = Vec::new();
        if self.text != old.text {
            statements.push(Statement::new(format!("CREATE OR REPLACE {}", self.text)));
        }
        // OR REPLACE leaves it as it was.
        if self.firing != old.firing {
            statements.push(self.fire(id));
        }
        Change::Alter(statements)
    }
}
