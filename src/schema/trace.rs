//! What a migration's statements do to tables that are there already: which locks they take, and which tables they write anew.
//!
//! It is seen and not guessed: the script runs on a scratch database, in a transaction that is rolled back, and after each statement the
//! server is asked for the locks that are held (`pg_locks`) and the tables' files (`pg_relation_filenode`). Tables are empty there, so
//! nothing is known of time, and nothing of statements that do something only where there are rows.

use std::collections::BTreeMap;
use std::fmt;

use super::round_trip::{RoundTrips, Trying};
use super::scratch::{Scratch, ScratchError, server};
use crate::migration::{Direction, Migration, Mode};
use crate::plan::Target;
use crate::version::Version;

/// A lock that keeps writers or readers of a table waiting, from the mildest to the strongest. (PostgreSQL manual, section 13.3.1,
/// "Table-Level Locks")
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableLock {
    /// Writers wait.
    Share,
    /// Writers wait, and others who take it.
    ShareRowExclusive,
    /// Writers and `SELECT … FOR UPDATE` wait.
    Exclusive,
    /// Readers wait as well.
    AccessExclusive,
}

impl TableLock {
    /// Of the name that `pg_locks` has for it; `None` for a milder one.
    fn of(mode: &str) -> Option<Self> {
        Some(match mode {
            "ShareLock" => Self::Share,
            "ShareRowExclusiveLock" => Self::ShareRowExclusive,
            "ExclusiveLock" => Self::Exclusive,
            "AccessExclusiveLock" => Self::AccessExclusive,
            _ => return None,
        })
    }
}

impl fmt::Display for TableLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        })
    }
}

/// What a statement did to a table that was there before the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The table, partitioned table or materialized view, with its schema unless that is `public`.
    pub table: String,
    /// The strongest lock that is held on it now. It stays until the script is committed.
    pub lock: TableLock,
    /// Whether all its rows were written anew.
    pub rewritten: bool,
    /// Whether it is gone.
    pub dropped: bool,
}

/// What came of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// For each statement that is sent, what it touched that the statements before it had not, or not as hard.
    Seen(Vec<Vec<Touch>>),
    /// It runs outside of a transaction, where locks come and go.
    Outside,
    /// It could not be run: why.
    Failed(String),
}

/// Tables that were there before a script: name and file by the object identifier.
type Tables = BTreeMap<String, (String, String)>;

/// All tables with their files.
const TABLES: &str = "SELECT c.oid, CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
        pg_catalog.pg_relation_filenode(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')";

/// The locks of this session on tables, and the files of those that are still there.
const LOCKS: &str = "SELECT l.relation, l.mode, pg_catalog.pg_relation_filenode(c.oid), c.oid IS NULL
    FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted
        AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')";

impl RoundTrips<'_> {
    /// Watches the migrations of which `wanted` says so, each on what those before it make. Behind one that cannot be run none is watched.
    pub fn trace(
        &self,
        wanted: impl Fn(&Migration) -> bool,
        mut on: impl FnMut(Trying<'_>),
    ) -> Result<BTreeMap<Version, Trace>, ScratchError> {
        let migrations = self.set().migrations();
        let mut traces = BTreeMap::new();
        let (mut scratch, mut applied) = self.database()?;
        for (n, migration) in migrations.iter().enumerate().filter(|(_, migration)| wanted(migration)) {
            if n > applied {
                on(Trying::Preparing(n - applied));
                let before = migrations.get(n - 1).map_or(Target::Base, |it| Target::Version(it.version));
                if let Err(error) = self.go(&scratch, Direction::Up, before)? {
                    traces.insert(migration.version, Trace::Failed(error.to_string()));
                    return Ok(traces);
                }
            }
            on(Trying::Started(migration));
            let mut trace = match migration.up.mode() {
                Mode::Transaction => scratch.watch(migration)?,
                Mode::Statements => Trace::Outside,
            };
            if let Err(error) = self.go(&scratch, Direction::Up, Target::Version(migration.version))? {
                trace = Trace::Failed(error.to_string());
            }
            let is_end = matches!(trace, Trace::Failed(_));
            traces.insert(migration.version, trace);
            if is_end {
                break;
            }
            applied = n + 1;
        }
        Ok(traces)
    }
}

impl Scratch {
    /// Runs the up script as far as it goes, and leaves nothing of it.
    fn watch(&mut self, migration: &Migration) -> Result<Trace, ScratchError> {
        let session = self.session()?;
        let rows = session.send(TABLES).map_err(|failed| server(&failed))?;
        let tables: Tables = rows
            .iter()
            .filter_map(|row| {
                let file = row.get(2).unwrap_or_default().to_owned();
                Some((row.get(0)?.to_owned(), (row.get(1)?.to_owned(), file)))
            })
            .collect();
        session.send("BEGIN").map_err(|failed| server(&failed))?;
        let mut seen = Seen::default();
        let mut trace = Vec::new();
        let text = migration.up.text();
        for range in migration.up.statements() {
            let statement = text.get(range.clone()).unwrap_or_default();
            // The run itself tells what is wrong with it. What was seen until then is true.
            if session.send(statement).is_err() {
                break;
            }
            let Ok(rows) = session.send(LOCKS) else { break };
            let locks = rows.iter().filter_map(|row| {
                let (name, file) = tables.get(row.get(0)?)?;
                let dropped = row.get(3) == Some("t");
                let rewritten = !dropped && row.get(2).unwrap_or_default() != file;
                Some(Touch { table: name.clone(), lock: TableLock::of(row.get(1)?)?, rewritten, dropped })
            });
            trace.push(seen.new_of(locks));
        }
        // A transaction that the script has ended is not ours to roll back: the scratch database is then one step ahead, and says so.
        session.send("ROLLBACK").map_err(|failed| server(&failed))?;
        self.disconnect();
        Ok(Trace::Seen(trace))
    }
}

/// The hardest that each table was touched so far.
#[derive(Default)]
struct Seen(BTreeMap<String, Touch>);

impl Seen {
    /// What is new of all that is held.
    fn new_of(&mut self, held: impl Iterator<Item = Touch>) -> Vec<Touch> {
        let mut now: BTreeMap<String, Touch> = BTreeMap::new();
        for touch in held {
            let known = now.entry(touch.table.clone()).or_insert_with(|| touch.clone());
            known.lock = known.lock.max(touch.lock);
        }
        let is_new = |touch: &Touch| {
            self.0.get(&touch.table).is_none_or(|known| {
                touch.lock > known.lock || touch.dropped != known.dropped || touch.rewritten != known.rewritten
            })
        };
        let new: Vec<Touch> = now.values().filter(|touch| is_new(touch)).cloned().collect();
        self.0.extend(now);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(table: &str, lock: TableLock, rewritten: bool) -> Touch {
        Touch { table: table.to_owned(), lock, rewritten, dropped: false }
    }

    #[test]
    fn a_statement_is_told_only_what_it_adds() {
        let mut seen = Seen::default();
        let first = touch("a", TableLock::Share, false);
        assert_eq!(seen.new_of([first.clone()].into_iter()), vec![first.clone()]);
        assert_eq!(seen.new_of([first.clone()].into_iter()), []);
        let both = [first, touch("a", TableLock::AccessExclusive, true)];
        let stronger = seen.new_of(both.into_iter().rev());
        assert_eq!(stronger, [touch("a", TableLock::AccessExclusive, true)]);
    }

    #[test]
    fn locks_are_ordered_by_who_waits() {
        let modes = ["RowExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];
        let locks: Vec<_> = modes.iter().filter_map(|mode| TableLock::of(mode)).collect();
        assert_eq!(locks.len(), 4);
        assert!(locks.is_sorted());
    }
}
