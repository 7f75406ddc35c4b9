//! Tables: ordinary, partitioned and foreign. Path: schema, name.

mod create;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides, foreign_options, parameters};
use crate::schema::id::Id;
use crate::schema::quote::ident;
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::{Pass, Statement};

/// A table without its columns and constraints, which are objects of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    kind: Shape,
    unlogged: bool,
    /// `fillfactor=70`, `toast.autovacuum_enabled=false`, …
    options: Vec<String>,
    /// The access method, unless it is `heap`.
    access_method: Option<String>,
    tablespace: Option<String>,
    /// The composite type that it is of.
    of_type: Option<String>,
    replica_identity: ReplicaIdentity,
    row_security: bool,
    force_row_security: bool,
}

/// What kind of table it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Ordinary,
    /// By this key, such as `RANGE (day)`.
    Partitioned(String),
    Foreign {
        server: String,
        options: BTreeMap<String, String>,
    },
}

/// What logical replication knows an old row by. Which index it is, the index says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReplicaIdentity {
    Default,
    Full,
    Nothing,
    Index,
}

impl Table {
    /// Whether its rows are elsewhere.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self.kind, Shape::Foreign { .. })
    }

    /// Whether its rows are its own.
    pub(super) fn is_ordinary(&self) -> bool {
        matches!(self.kind, Shape::Ordinary)
    }

    /// Whether its rows are in its partitions.
    pub(super) fn is_partitioned(&self) -> bool {
        matches!(self.kind, Shape::Partitioned(_))
    }

    /// Whether its columns come with a composite type.
    pub(super) fn is_typed(&self) -> bool {
        self.of_type.is_some()
    }

    pub(super) fn is_unlogged(&self) -> bool {
        self.unlogged
    }

    fn word(&self) -> &'static str {
        if self.is_foreign() { "FOREIGN TABLE" } else { "TABLE" }
    }

    /// An `ALTER TABLE` of this table and no other.
    fn alter(id: &Id, pass: Pass, clause: impl Into<String>) -> Statement {
        Statement::alter_table(id.qualified(), id, pass, clause)
    }

    fn replica_identity(&self) -> Option<&'static str> {
        match self.replica_identity {
            ReplicaIdentity::Default => Some("REPLICA IDENTITY DEFAULT"),
            ReplicaIdentity::Full => Some("REPLICA IDENTITY FULL"),
            ReplicaIdentity::Nothing => Some("REPLICA IDENTITY NOTHING"),
            ReplicaIdentity::Index => None,
        }
    }

    fn changes_of_storage(&self, old: &Self, id: &Id, statements: &mut Vec<Statement>) {
        if self.unlogged != old.unlogged {
            let clause = if self.unlogged { "SET UNLOGGED" } else { "SET LOGGED" };
            statements.push(Self::alter(id, Pass::Alone, clause));
        }
        if self.access_method != old.access_method {
            let method = self.access_method.as_deref().unwrap_or("heap");
            statements.push(Self::alter(id, Pass::Alone, format!("SET ACCESS METHOD {}", ident(method))));
        }
        if self.tablespace != old.tablespace {
            let space = self.tablespace.as_deref().unwrap_or("pg_default");
            statements.push(Self::alter(id, Pass::Alone, format!("SET TABLESPACE {}", ident(space))));
        }
        for clause in parameters::changes(&old.options, &self.options) {
            statements.push(Self::alter(id, Pass::Misc, clause));
        }
    }
}

impl Entity for Table {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname),
                'owner', c.relowner::bigint, 'grants', {grants}, 'definition', json_build_object(
                'kind', CASE c.relkind
                    WHEN 'p' THEN json_build_object('partitioned', pg_get_partkeydef(c.oid))
                    WHEN 'f' THEN json_build_object('foreign', (SELECT json_build_object('server', s.srvname, 'options', {foreign})
                        FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid))
                    ELSE to_json('ordinary'::text) END,
                'unlogged', c.relpersistence = 'u',
                'options', coalesce((SELECT json_agg(o ORDER BY o) FROM (SELECT unnest(c.reloptions) UNION ALL
                    SELECT 'toast.' || unnest(t.reloptions) FROM pg_class t WHERE t.oid = c.reltoastrelid) u (o)), '[]'::json),
                'access_method', (SELECT m.amname FROM pg_am m WHERE m.oid = c.relam AND m.amname <> 'heap'),
                'tablespace', (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace),
                'of_type', CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END,
                -- Postgres has `n` for foreign tables, which have none.
                'replica_identity', CASE CASE WHEN c.relkind = 'f' THEN 'd' ELSE c.relreplident END WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing' WHEN 'i' THEN 'index'
                    ELSE 'default' END,
                'row_security', c.relrowsecurity, 'force_row_security', c.relforcerowsecurity))
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {theirs} AND NOT {extension}",
            address = address("pg_class", "c.oid"),
            foreign = foreign_options::json("f.ftoptions"),
            grants = grants('r', "c.relacl", "c.relowner"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("{} {}", self.word(), id.qualified())
    }

    fn grant_phrase(&self, id: &Id, privileges: &str) -> String {
        format!("{privileges} ON TABLE {}", id.qualified())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('r')
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        create::create(self, id, sides)
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let drop = Statement::new(format!("DROP {} {}", self.word(), id.qualified()));
        vec![match self.kind {
            Shape::Ordinary => drop.destroys(id, format!("drops the {id} with all its rows")),
            // What is in it is elsewhere.
            Shape::Partitioned(_) | Shape::Foreign { .. } => drop,
        }]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        if self.kind != old.kind
            && let Some(why) = impossible(&self.kind, &old.kind)
        {
            return Change::Impossible(why.to_owned());
        }
        let mut statements = Vec::new();
        match (&self.of_type, &old.of_type) {
            (new, old) if new == old => {}
            (Some(of_type), _) => statements.push(Self::alter(id, Pass::Misc, format!("OF {of_type}"))),
            (None, _) => statements.push(Self::alter(id, Pass::Misc, "NOT OF")),
        }
        self.changes_of_storage(old, id, &mut statements);
        if let (Shape::Foreign { options: new, .. }, Shape::Foreign { options: old, .. }) = (&self.kind, &old.kind)
            && let Some(clause) = foreign_options::changes(old, new)
        {
            statements.push(Statement::new(format!("ALTER FOREIGN TABLE {} {clause}", id.qualified())));
        }
        if self.replica_identity != old.replica_identity
            && let Some(clause) = self.replica_identity()
        {
            statements.push(Self::alter(id, Pass::Misc, clause));
        }
        let security = [
            (self.row_security, old.row_security, ["ENABLE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY"]),
            (self.force_row_security, old.force_row_security, [
                "FORCE ROW LEVEL SECURITY",
                "NO FORCE ROW LEVEL SECURITY",
            ]),
        ];
        for (new, old, [on, off]) in security {
            if new != old {
                statements.push(Self::alter(id, Pass::Misc, if new { on } else { off }));
            }
        }
        Change::Alter(statements)
    }
}

/// Why one kind of table cannot become another; nothing if it can.
fn impossible(new: &Shape, old: &Shape) -> Option<&'static str> {
    match (new, old) {
        (Shape::Foreign { server, .. }, Shape::Foreign { server: before, .. }) => (server != before).then_some(
            "a foreign table cannot be moved to another server\n  = help: drop it, and make it anew in a later migration",
        ),
        (Shape::Partitioned(_), Shape::Partitioned(_)) => Some(
            "the key of a partitioned table cannot be changed\n  = help: make a new partitioned table beside it by hand, move the rows, \
             and let the two change names",
        ),
        (Shape::Partitioned(_), _) => Some(
            "a table cannot become partitioned in place\n  = help: rename it by hand, make the partitioned table under the old name, and \
             attach the renamed one as its partition, or move the rows",
        ),
        (_, Shape::Partitioned(_)) => Some(
            "a partitioned table cannot become an ordinary one in place\n  = help: make the new table beside it by hand, move the rows, \
             and drop the partitioned one in a later migration",
        ),
        (Shape::Foreign { .. }, Shape::Ordinary) | (Shape::Ordinary, Shape::Foreign { .. }) => Some(
            "a foreign table and a table of one's own cannot become each other\n  = help: make the new one beside it by hand, move the \
             rows, and drop the old one in a later migration",
        ),
        (Shape::Ordinary, Shape::Ordinary) => None,
    }
}
