//! Triggers. Path: schema, relation, name.

use serde::{Deserialize, Serialize};

use super::firing::Firing;
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::{Pass, Statement};

/// A trigger of a table or a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// As Postgres prints it: `CREATE TRIGGER …`.
    text: String,
    level: Level,
    constraint: bool,
    firing: Firing,
    /// For the copy that a partition has of the parent's: how the parent's fires. Copies that fire as their parent's are no objects.
    parent: Option<Firing>,
}

/// How often it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Row,
    Statement,
}

impl Trigger {
    fn fire(firing: Firing, id: &Id) -> Statement {
        Statement::alter_table(id.relation(), id, Pass::Misc, format!("{} {}", firing.verb("TRIGGER"), id.ident()))
    }
}

impl Entity for Trigger {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname, t.tgname),
                'definition', json_build_object('text', pg_get_triggerdef(t.oid), 'level',
                CASE WHEN t.tgtype & 1 = 1 THEN 'row' ELSE 'statement' END, 'constraint', t.tgconstraint <> 0, 'firing', t.tgenabled,
                'parent', p.tgenabled))
             FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                LEFT JOIN pg_trigger p ON p.oid = t.tgparentid
             WHERE NOT t.tgisinternal AND (t.tgparentid = 0 OR t.tgenabled <> p.tgenabled)
                AND {theirs} AND NOT {extension} AND NOT {relation} AND c.relpersistence <> 't'",
            address = address("pg_trigger", "t.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_trigger", "t.oid"),
            relation = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TRIGGER {} ON {}", id.ident(), id.relation())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        if self.parent.is_some() {
            return vec![Self::fire(self.firing, id)];
        }
        let mut statements = vec![Statement::new(self.text.clone())];
        if self.firing != Firing::Origin {
            statements.push(Self::fire(self.firing, id));
        }
        statements
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        match self.parent {
            Some(parent) => vec![Self::fire(parent, id)],
            None => vec![Statement::new(format!("DROP {}", self.phrase(id)))],
        }
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        match (self.parent, old.parent) {
            // What is done to the parent's is done to the copies, so their own state has to be set again.
            (Some(_), Some(_)) => return Change::Alter(vec![Self::fire(self.firing, id)]),
            (None, None) => {}
            _ => return Change::Replace,
        }
        let mut firing = old.firing;
        let mut statements = Vec::new();
        if self.text != old.text {
            // Constraint triggers cannot be replaced. Of a partitioned table's row trigger that is replaced by one for each statement,
            // Postgres leaves the copies behind.
            if self.constraint || old.constraint || self.level != old.level {
                return Change::Replace;
            }
            let text = self.text.strip_prefix("CREATE ").unwrap_or(&self.text);
            statements.push(Statement::new(format!("CREATE OR REPLACE {text}")));
            // It is enabled then, whatever it was.
            firing = Firing::Origin;
        }
        if self.firing != firing {
            statements.push(Self::fire(self.firing, id));
        }
        Change::Alter(statements)
    }
}
