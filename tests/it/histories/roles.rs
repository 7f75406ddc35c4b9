//! The roles that scripts make. They belong to the server, and so would be in the way of the next database that the scripts run in.

use std::collections::{BTreeMap, BTreeSet};

use stairwell::migration::Migration;
use stairwell::postgres::Database;

use super::history::History;
use crate::harness::Skip;
use crate::harness::server::server;

/// Those that there were before; the others are dropped with this.
pub(super) struct Roles {
    server: &'static Database,
    before: BTreeMap<String, String>,
    /// What stands in the scripts: other tests make roles at the same time.
    words: BTreeSet<String>,
}

impl Roles {
    pub(super) fn of(history: &History) -> Result<Self, Skip> {
        let server = server()?;
        let scripts = history.set.migrations().iter().flat_map(Migration::scripts);
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '$';
        let words = scripts
            .flat_map(|script| script.text().split(move |c| !is_part(c)))
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        Ok(Self { server, before: all(server), words })
    }

    /// Drops those that were made since. No database may have anything of theirs any more.
    pub(super) fn drop_new(&self) {
        let made: Vec<_> = all(self.server)
            .into_iter()
            .filter(|(name, quoted)| {
                !self.before.contains_key(name) && self.words.contains(&name.to_lowercase()) && !quoted.is_empty()
            })
            .collect();
        let mut client = self.server.connect().unwrap();
        for (name, quoted) in made {
            if let Err(error) = client.batch_execute(&format!("DROP ROLE {quoted}")) {
                eprintln!("role {name} stays behind: {error}");
            }
        }
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        self.drop_new();
    }
}

/// Each with its name as it is written in a statement.
fn all(server: &Database) -> BTreeMap<String, String> {
    let roles = "SELECT rolname::text, quote_ident(rolname) FROM pg_roles WHERE rolname !~ '^pg_'";
    server.connect().unwrap().query(roles, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}
