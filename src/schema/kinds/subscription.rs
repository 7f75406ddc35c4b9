//! Subscriptions. Path: name.
//!
//! As `pg_dump` has it, a new one does not connect and is not enabled: that, and the slot on the other server, are the operator's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::aside::Secret;
use crate::schema::id::Id;
use crate::schema::quote::{ident, literal};
use crate::schema::read::address;
use crate::schema::statement::Statement;

/// A subscription. Whether it is enabled is a state, and not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// May hold a password.
    connection: Secret,
    publications: Vec<String>,
    /// The replication slot on the other server.
    slot: Option<String>,
    two_phase: bool,
    /// Those that are altered in place, with their values as SQL writes them.
    options: BTreeMap<String, String>,
}

/// The options that are altered in place, and an expression for the value of each, where `j` is the row of `pg_subscription` as JSON.
/// What a version does not know is NULL.
const OPTIONS: &[(&str, &str)] = &[
    ("binary", "j->>'subbinary'"),
    ("disable_on_error", "j->>'subdisableonerr'"),
    ("failover", "j->>'subfailover'"),
    ("origin", "j->>'suborigin'"),
    ("password_required", "j->>'subpasswordrequired'"),
    ("run_as_owner", "j->>'subrunasowner'"),
    // A boolean before PostgreSQL 16.
    ("streaming", "CASE j->>'substream' WHEN 'p' THEN 'parallel' WHEN 't' THEN 'true' WHEN 'f' THEN 'false' ELSE j->>'substream' END"),
    ("synchronous_commit", "quote_literal(j->>'subsynccommit')"),
];

/// What an option is where nobody says anything.
fn default(name: &str, server: u32) -> &'static str {
    match name {
        "origin" => "any",
        "password_required" => "true",
        "streaming" if server >= 18 => "parallel",
        "synchronous_commit" => "'off'",
        _ => "false",
    }
}

impl Subscription {
    fn publications(&self) -> String {
        self.publications.iter().map(|name| ident(name)).collect::<Vec<_>>().join(", ")
    }

    fn slot(&self) -> String {
        self.slot.as_deref().map_or("NONE".to_owned(), literal)
    }
}

impl Entity for Subscription {
    fn query(_server: u32) -> String {
        let options: Vec<String> = OPTIONS.iter().map(|(name, value)| format!("'{name}', {value}")).collect();
        // Whoever may not read the connection sees no subscription, as with pg_dump. Naming the column in a query would be an error for
        // them, so it is named in one that is run only for those who may.
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(s.subname), 'owner', (j->>'subowner')::bigint,
                'definition', json_build_object('connection', j->>'subconninfo',
                'publications', (SELECT json_agg(p ORDER BY p) FROM jsonb_array_elements_text(j->'subpublications') p),
                'slot', j->>'subslotname', 'two_phase', j->>'subtwophasestate' <> 'd',
                'options', json_strip_nulls(json_build_object({options}))))
             FROM pg_subscription s, XMLTABLE('//row' PASSING query_to_xml(
                CASE WHEN has_column_privilege('pg_catalog.pg_subscription', 'subconninfo', 'SELECT')
                THEN 'SELECT to_jsonb(s) AS j FROM pg_catalog.pg_subscription s WHERE s.oid = ' || s.oid ELSE 'SELECT WHERE false' END,
                true, false, '') COLUMNS j jsonb PATH 'j')
             WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())",
            address = address("pg_subscription", "s.oid"),
            options = options.join(", "),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("SUBSCRIPTION {}", id.ident())
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let mut options = vec!["connect = false".to_owned(), format!("slot_name = {}", self.slot())];
        if self.two_phase {
            options.push("two_phase = true".to_owned());
        }
        let named = self.options.iter().filter(|(name, value)| *value != default(name, sides.new.server));
        options.extend(named.map(|(name, value)| format!("{name} = {value}")));
        vec![Statement::new(format!(
            "CREATE {} CONNECTION {} PUBLICATION {} WITH ({})",
            self.phrase(id),
            literal(self.connection.as_ref()),
            self.publications(),
            options.join(", ")
        ))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let phrase = self.phrase(id);
        let drop = Statement::new(format!("DROP {phrase}"));
        let Some(slot) = &self.slot else { return vec![drop] };
        // To drop the slot as well, Postgres would connect to the other server, and not in a transaction.
        let disable = Statement::new(format!("ALTER {phrase} DISABLE")).noted(format!("The slot {slot} on the publisher stays."));
        vec![disable, Statement::new(format!("ALTER {phrase} SET (slot_name = NONE)")), drop]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        if self.two_phase != old.two_phase {
            return Change::Impossible(
                "two_phase can be set only when a subscription is made\n  = help: drop it and create it again by hand".to_owned(),
            );
        }
        let phrase = self.phrase(id);
        let mut statements = Vec::new();
        let mut alter = |action: String| statements.push(Statement::new(format!("ALTER {phrase} {action}")));
        if self.connection != old.connection {
            alter(format!("CONNECTION {}", literal(self.connection.as_ref())));
        }
        if self.publications != old.publications {
            alter(format!("SET PUBLICATION {} WITH (refresh = false)", self.publications()));
        }
        let mut options = Vec::new();
        if self.slot != old.slot {
            options.push(format!("slot_name = {}", self.slot()));
        }
        let changed = self.options.iter().filter(|(name, value)| old.options.get(*name) != Some(value));
        options.extend(changed.map(|(name, value)| format!("{name} = {value}")));
        if !options.is_empty() {
            alter(format!("SET ({})", options.join(", ")));
        }
        Change::Alter(statements)
    }
}
