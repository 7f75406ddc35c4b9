//! Event triggers. Path: name.

use serde::{Deserialize, Serialize};

use super::firing::Firing;
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::literal;
use crate::schema::read::{address, owned_by_extension};
use crate::schema::statement::Statement;

/// An event trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTrigger {
    event: String,
    /// Only for these commands, such as `CREATE TABLE`; for all, if there are none.
    tags: Vec<String>,
    /// The function's name, as SQL writes it.
    function: String,
    firing: Firing,
}

impl EventTrigger {
    fn fire(&self, id: &Id) -> Statement {
        Statement::new(format!("ALTER EVENT TRIGGER {} {}", id.ident(), self.firing.verb("").trim_end()))
    }
}

impl Entity for EventTrigger {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(t.evtname), 'owner', t.evtowner::bigint,
                'definition', json_build_object('event', t.evtevent,
                'tags', coalesce((SELECT json_agg(tag ORDER BY tag) FROM unnest(t.evttags) tag), '[]'::json),
                'function', quote_ident(n.nspname) || '.' || quote_ident(p.proname), 'firing', t.evtenabled))
             FROM pg_event_trigger t JOIN pg_proc p ON p.oid = t.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE NOT {extension}",
            address = address("pg_event_trigger", "t.oid"),
            extension = owned_by_extension("pg_event_trigger", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("EVENT TRIGGER {}", id.ident())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let tags: Vec<String> = self.tags.iter().map(|tag| literal(tag)).collect();
        let when = if tags.is_empty() { String::new() } else { format!(" WHEN TAG IN ({})", tags.join(", ")) };
        let mut statements = vec![Statement::new(format!(
            "CREATE EVENT TRIGGER {} ON {}{when} EXECUTE FUNCTION {}()",
            id.ident(),
            self.event,
            self.function
        ))];
        if self.firing != Firing::Origin {
            statements.push(self.fire(id));
        }
        statements
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP EVENT TRIGGER {}", id.ident()))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        if (&self.event, &self.tags, &self.function) != (&old.event, &old.tags, &old.function) {
            return Change::Replace;
        }
        Change::Alter(vec![self.fire(id)])
    }
}
