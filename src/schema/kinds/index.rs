//! Indexes that are no constraint's. Path: schema, name.

mod create;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Definition, Entity, Inline, Sides, inheritance, lineage, names, online, parameters};
use crate::schema::aside::Aside;
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::quote::{ident, qualified};
use crate::schema::read::{address, owned_by_extension, part, user_schema};
use crate::schema::statement::{Pass, Statement};

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Schema and name of what it is on.
    table: Vec<String>,
    /// As `pg_get_indexdef` prints it, up to the storage parameters.
    head: String,
    /// Of a partial index, what stands behind `WHERE`.
    predicate: Option<String>,
    /// The names of its columns, which Postgres makes its name of, and which stay when a column of the table is renamed.
    columns: Aside<Vec<String>>,
    options: Vec<String>,
    tablespace: Option<String>,
    /// Of columns that are expressions, by their number.
    statistics: BTreeMap<i32, i32>,
    clustered: bool,
    replica_identity: bool,
    /// The path of the index of the partitioned table that this one is a part of.
    parent: Option<Vec<String>>,
    /// `false` for one on a partitioned table of which some partition has no part.
    valid: bool,
}

/// Gives or takes the mark that `CLUSTER` goes by.
pub(super) fn cluster(
    id: &Id,
    table: &[String],
    (new, old): (bool, bool),
    sides: Sides<'_>,
) -> Option<Statement> {
    let alter = |clause: String| Some(Statement::alter_table(qualified(table), id, Pass::Misc, clause));
    match (new, old) {
        (true, false) => alter(format!("CLUSTER ON {}", id.ident())),
        // Another index that takes the mark takes it from this one.
        (false, true) if !create::another_is_clustered(table, sides.new) => alter("SET WITHOUT CLUSTER".to_owned()),
        _ => None,
    }
}

/// Whether a partition's parts of its parent's indexes have the names that Postgres gives them.
pub(super) fn are_named_by_postgres(catalog: &Catalog, table: &[String]) -> bool {
    create::parts(catalog, table).all(|(id, index)| id.name() == index.usual_name() && index.is_bare())
}

/// Those that a table must have before it gets this parent, whose own they will be parts of.
pub(super) fn before_attach(inheritance: &Id, child: &[String], sides: Sides<'_>) -> Vec<Statement> {
    let hosted = |id: &Id, index: &Index| {
        !index.is_in(sides.old, id)
            && matches!(index.inline(id, sides), Some(Inline::Implied { host }) if host == *inheritance)
    };
    create::parts(sides.new, child).filter(|(id, it)| hosted(id, it)).flat_map(|(id, it)| it.statements(id, false, sides)).collect()
}

/// Drops what a parent's indexes left in a table that is its child no longer.
pub(super) fn after_detach(child: &[String], sides: Sides<'_>) -> Vec<Statement> {
    let left = |id: &Id, index: &Index| !index.is_in(sides.new, id) && !inheritance::stays(child, sides);
    let drop = |id: &Id| Statement::new(format!("DROP INDEX {}", id.qualified()));
    create::parts(sides.old, child).filter(|(id, it)| left(id, it)).map(|(id, _)| drop(id)).collect()
}

impl Index {
    /// The name that Postgres gives where nothing else has it.
    fn usual_name(&self) -> String {
        let table = self.table.get(1).map_or("", String::as_str);
        names::joined(table, &names::columns(&self.columns.0), "idx")
    }

    /// Whether nothing has to be said of it that `CREATE INDEX` does not say.
    fn is_bare(&self) -> bool {
        self.statistics.is_empty() && !self.clustered && !self.replica_identity
    }

    /// Whether a side has it.
    fn is_in(&self, side: &Catalog, id: &Id) -> bool {
        matches!(side.definition(id), Some(Definition::Index(it)) if self.is_same(it))
    }

    /// Whether both index the same.
    fn is_same(&self, other: &Self) -> bool {
        self.head == other.head && self.predicate == other.predicate && self.table == other.table
    }

    /// The table that it is on.
    pub(super) fn table(&self) -> &[String] {
        &self.table
    }

    fn parent(&self) -> Option<Id> {
        self.parent.as_ref().map(|path| Id::new(Kind::Index, path.clone()))
    }
}

impl Entity for Index {
    fn query(_server: u32) -> String {
        // Parameters are printed as `flatten_reloptions` does.
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname), 'parent', {table},
                -- One that lacks parts gets them from partitions that are attached later.
                'after', CASE WHEN NOT i.indisvalid THEN (SELECT json_agg({child}) FROM pg_inherits h WHERE h.inhparent = t.oid) END,
                'definition', json_build_object('table', json_build_array(tn.nspname, t.relname),
                'head', left(d.def, length(d.def) - length(coalesce(' WHERE ' || d.pred, '')) - length(d.options)),
                'predicate', d.pred,
                'columns', (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
                'options', coalesce((SELECT json_agg(o ORDER BY o) FROM unnest(c.reloptions) o), '[]'::json),
                'tablespace', (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace),
                'statistics', coalesce((SELECT json_object_agg(a.attnum, a.attstattarget) FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attstattarget >= 0), '{{}}'::json),
                'clustered', i.indisclustered, 'replica_identity', i.indisreplident, 'valid', i.indisvalid,
                'parent', (SELECT json_build_array(pn.nspname, p.relname) FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent
                    JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE h.inhrelid = c.oid)))
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
             CROSS JOIN LATERAL (SELECT pg_get_indexdef(c.oid), pg_get_expr(i.indpred, i.indrelid),
                coalesce((SELECT ' WITH (' || string_agg(quote_ident(split_part(o, '=', 1)) || '='
                        || CASE WHEN quote_ident(v) = v THEN v ELSE quote_literal(v) END, ', ' ORDER BY k) || ')'
                    FROM unnest(c.reloptions) WITH ORDINALITY u (o, k),
                    LATERAL (SELECT substr(o, strpos(o, '=') + 1)) w (v)), '')) d (def, pred, options)
             WHERE t.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND (i.indisvalid OR t.relkind = 'p')
                AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
                AND {theirs} AND NOT {extension} AND NOT {of_extension}",
            address = address("pg_class", "c.oid"),
            table = address("pg_class", "t.oid"),
            child = part("pg_inherits", "h.inhrelid", "h.inhseqno"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
            of_extension = owned_by_extension("pg_class", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("INDEX {}", id.qualified())
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        create::create(self, id, sides)
    }

    fn inline(&self, _id: &Id, sides: Sides<'_>) -> Option<Inline> {
        self.parent().filter(|parent| create::is_valid(parent, sides.new))?;
        let host = inheritance::attached_now(&self.table, sides)?;
        Some(Inline::Implied { host })
    }

    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        // A part goes with the whole, or is left over where its table leaves the parent, whose change then drops it.
        if self.parent.is_some() {
            let parent = self.parent();
            let stays = parent.as_ref().is_some_and(|parent| match (sides.old.definition(parent), sides.new.definition(parent)) {
                (Some(Definition::Index(old)), Some(Definition::Index(new))) => new.is_same(old),
                _ => false,
            });
            if !stays || lineage::parents(sides.old, &self.table).next().is_some() {
                return Vec::new();
            }
        }
        if self.parent.is_none() && online::concerns(&self.table, sides) {
            return vec![online::drop_index(&id.qualified())];
        }
        vec![Statement::new(format!("DROP INDEX {}", id.qualified()))]
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        if !self.is_same(old) {
            return Change::Replace;
        }
        let mut statements = Vec::new();
        let name = id.qualified();
        for clause in parameters::changes(&old.options, &self.options) {
            statements.push(Statement::new(format!("ALTER INDEX {name} {clause}")));
        }
        if self.tablespace != old.tablespace {
            let space = ident(self.tablespace.as_deref().unwrap_or("pg_default"));
            statements.push(Statement::new(format!("ALTER INDEX {name} SET TABLESPACE {space}")));
        }
        for (column, target) in &self.statistics {
            if old.statistics.get(column) != Some(target) {
                statements.push(create::statistics(id, *column, *target));
            }
        }
        for column in old.statistics.keys().filter(|column| !self.statistics.contains_key(column)) {
            statements.push(create::statistics(id, *column, -1));
        }
        statements.extend(cluster(id, &self.table, (self.clustered, old.clustered), sides));
        if self.replica_identity && !old.replica_identity {
            let clause = format!("REPLICA IDENTITY USING INDEX {}", id.ident());
            statements.push(Statement::alter_table(qualified(&self.table), id, Pass::Misc, clause));
        }
        if self.parent != old.parent {
            match self.parent() {
                Some(parent) if inheritance::stays(&self.table, sides) => {
                    if old.parent.is_some() {
                        return Change::Replace;
                    }
                    if !create::goes_on(&parent, sides) {
                        statements.push(create::attach(id, &parent));
                    }
                }
                None if inheritance::stays(&self.table, sides) => return Change::Replace,
                _ => {}
            }
        }
        Change::Alter(statements)
    }
}
