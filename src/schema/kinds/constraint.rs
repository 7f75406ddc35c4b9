//! Constraints of tables but not-null. Path: schema, table, name.

mod change;
mod key;
mod text;
mod validity;

use serde::{Deserialize, Serialize};

use super::{Change, Definition, Entity, Inline, Sides, inheritance, lineage, online};
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::quote::literal;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::{Pass, Statement};

pub(super) use key::{are_named_by_postgres, is_in_added_primary_key, is_in_new_primary_key};

/// A constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    kind: Sort,
    /// As `pg_get_constraintdef` prints it.
    definition: String,
    /// Those that it is of, in its order.
    columns: Vec<String>,
    /// Of a foreign key, the types of both ends: Postgres compares no longer when these change.
    types: Vec<String>,
    /// Whether a parent has it.
    inherited: bool,
    /// Whether it was declared here, and not only in a parent.
    local: bool,
    /// The path of the one in the partitioned table that this one is a part of.
    parent: Option<Vec<String>>,
    /// Its index, if it has one.
    index: Option<KeyIndex>,
}

/// What there is to say of a constraint's index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeyIndex {
    options: Vec<String>,
    tablespace: Option<String>,
    clustered: bool,
    replica_identity: bool,
    /// A comment on the index and not on the constraint.
    comment: Option<String>,
}

/// What kind of constraint it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Sort {
    #[serde(rename = "p")]
    PrimaryKey,
    #[serde(rename = "u")]
    Unique,
    #[serde(rename = "c")]
    Check,
    #[serde(rename = "f")]
    ForeignKey,
    #[serde(rename = "x")]
    Exclude,
}

impl KeyIndex {
    fn says(&self, id: &Id) -> Statement {
        let comment = self.comment.as_ref().map_or("NULL".to_owned(), |text| literal(text));
        Statement::new(format!("COMMENT ON INDEX {} IS {comment}", key::index_name(id)))
    }
}

impl Constraint {
    /// Whether it is only what a parent's brings.
    fn is_mirror(&self) -> bool {
        self.inherited && !self.local
    }

    /// The constraint of this id.
    fn of<'a>(side: &'a Catalog, id: &Id) -> Option<&'a Self> {
        match side.definition(id) {
            Some(Definition::Constraint(it)) => Some(it),
            _ => None,
        }
    }

    /// Whether a side has it, checked or not.
    fn is_in(&self, side: &Catalog, id: &Id) -> bool {
        Self::of(side, id).is_some_and(|it| it.kind == self.kind && it.parts().0 == self.parts().0)
    }

    /// Whether all rows are known to pass.
    fn is_valid(&self) -> bool {
        self.parts().1.valid
    }

    fn alter(id: &Id, pass: Pass, clause: impl Into<String>) -> Statement {
        Statement::alter_table(id.relation(), id, pass, clause)
    }

    fn add(&self, id: &Id, only: &str) -> Statement {
        let clause = format!("ADD CONSTRAINT {} {}", id.ident(), self.full());
        Statement::alter_table(format!("{only}{}", id.relation()), id, Pass::AddConstraint, clause)
    }

    /// The same without reading all rows while writers are kept out, for a table in use. Nothing for what needs no other way, or has none.
    fn added_online(&self, id: &Id, sides: Sides<'_>) -> Option<Vec<Statement>> {
        let (body, checked) = self.parts();
        let plain = self.index.as_ref().is_none_or(|index| index.options.is_empty() && index.tablespace.is_none());
        if !online::concerns(&lineage::table_of(id).path, sides) || !checked.valid || !checked.enforced || !plain {
            return None;
        }
        match self.kind {
            Sort::Check | Sort::ForeignKey => {
                Some(online::checked_later(id, format!("ADD CONSTRAINT {} {}", id.ident(), self.full())))
            }
            Sort::PrimaryKey | Sort::Unique => {
                let statements = online::key(id, body, self.definition.get(body.len()..).unwrap_or_default())?;
                // A primary key reads all rows itself, unless its columns are not null by then.
                let stage = if self.kind == Sort::PrimaryKey { online::SETTLE } else { 0 };
                Some(statements.into_iter().map(|statement| statement.later(stage)).collect())
            }
            Sort::Exclude => None,
        }
    }

    /// What of its index `ADD CONSTRAINT` does not say.
    fn extras(&self, id: &Id) -> Vec<Statement> {
        let Some(index) = &self.index else { return Vec::new() };
        let name = id.ident();
        let mut statements = self.index_options_after(id);
        if index.clustered {
            statements.push(Self::alter(id, Pass::Misc, format!("CLUSTER ON {name}")));
        }
        if index.replica_identity {
            statements.push(Self::alter(id, Pass::Misc, format!("REPLICA IDENTITY USING INDEX {name}")));
        }
        if index.comment.is_some() {
            statements.push(index.says(id));
        }
        statements
    }

    /// Whether it refers to another table, which may refer to its own in turn.
    pub(in crate::schema) fn is_foreign_key(&self) -> bool {
        self.kind == Sort::ForeignKey
    }

    /// Whether `CLUSTER` goes by its index.
    pub(super) fn is_clustered(&self) -> bool {
        self.index.as_ref().is_some_and(|index| index.clustered)
    }

    fn is_bare(&self) -> bool {
        self.index.as_ref().is_none_or(|index| !index.clustered && !index.replica_identity && index.comment.is_none())
    }
}

/// The constraints of a table.
fn of_table<'a>(catalog: &'a Catalog, table: &[String]) -> impl Iterator<Item = (&'a Id, &'a Constraint)> {
    catalog.within(Kind::Constraint, table).filter_map(|(id, object)| match &object.definition {
        Definition::Constraint(constraint) => Some((id, constraint)),
        _ => None,
    })
}

/// Those that a table must have before it gets this parent, whose own they will be parts of.
pub(super) fn before_attach(inheritance: &Id, child: &[String], sides: Sides<'_>) -> Vec<Statement> {
    let hosted = |id: &Id, it: &Constraint| {
        !it.is_in(sides.old, id)
            && matches!(it.inline(id, sides), Some(Inline::Implied { host }) if host == *inheritance)
    };
    // A foreign key comes under its name in the parent.
    let named = |id: &Id, it: &Constraint| {
        it.kind != Sort::ForeignKey || it.parent.as_ref().and_then(|path| path.last()).is_some_and(|name| name != id.name())
    };
    let needed = of_table(sides.new, child).filter(|(id, it)| hosted(id, it) && named(id, it));
    needed.flat_map(|(id, it)| std::iter::once(it.add(id, "")).chain(it.extras(id))).collect()
}

/// Drops what a parent's constraints left in a table that is its child no longer.
pub(super) fn after_detach(child: &[String], sides: Sides<'_>) -> Vec<Statement> {
    // A table that stays another's child keeps what that one has, too.
    let left = |id: &Id, it: &Constraint| it.is_mirror() && !it.is_in(sides.new, id) && !inheritance::stays(child, sides);
    let drop = |id: &Id| Constraint::alter(id, Pass::Drop, format!("DROP CONSTRAINT {}", id.ident()));
    of_table(sides.old, child).filter(|(id, it)| left(id, it)).map(|(id, _)| drop(id)).collect()
}

impl Entity for Constraint {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname, k.conname),
                'parent', {table},
                -- A child's that is checked where the parent's is not; see `validity`.
                'after', CASE WHEN k.contype = 'c' AND k.coninhcount > 0 AND k.convalidated THEN (
                    WITH RECURSIVE above AS (SELECT h.inhparent FROM pg_inherits h WHERE h.inhrelid = c.oid
                        UNION SELECT h.inhparent FROM pg_inherits h JOIN above ON h.inhrelid = above.inhparent)
                    SELECT json_agg({of_parent}) FROM above JOIN pg_constraint a ON a.conrelid = above.inhparent
                        AND a.conname = k.conname AND a.contype = 'c' AND NOT a.convalidated) END,
                'definition', json_build_object('kind', k.contype, 'definition', pg_get_constraintdef(k.oid),
                'columns', coalesce((SELECT json_agg(a.attname ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY u (attnum, n)
                    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum), '[]'::json),
                'types', coalesce((SELECT json_agg(format_type(a.atttypid, NULL) ORDER BY u.side, u.n)
                    FROM (SELECT 0, k.conrelid, o.* FROM unnest(k.conkey) WITH ORDINALITY o
                        UNION ALL SELECT 1, k.confrelid, o.* FROM unnest(k.confkey) WITH ORDINALITY o) u (side, rel, attnum, n)
                    JOIN pg_attribute a ON a.attrelid = u.rel AND a.attnum = u.attnum WHERE k.contype = 'f'), '[]'::json),
                'inherited', k.coninhcount > 0, 'local', k.conislocal,
                'parent', CASE WHEN k.conparentid <> 0 THEN json_build_array(pn.nspname, pc.relname, p.conname) END,
                'index', CASE WHEN k.contype IN ('p', 'u', 'x') THEN (SELECT json_build_object('options',
                    coalesce((SELECT json_agg(o ORDER BY o) FROM unnest(ic.reloptions) o), '[]'::json),
                    'tablespace', (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = ic.reltablespace),
                    'clustered', i.indisclustered, 'replica_identity', i.indisreplident,
                    'comment', obj_description(ic.oid, 'pg_class'))
                    FROM pg_class ic JOIN pg_index i ON i.indexrelid = ic.oid WHERE ic.oid = k.conindid) END))
             FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_constraint p ON p.oid = k.conparentid LEFT JOIN pg_class pc ON pc.oid = p.conrelid
             LEFT JOIN pg_namespace pn ON pn.oid = pc.relnamespace
             WHERE k.contype IN ('p', 'u', 'c', 'f', 'x') AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
                -- Those that a foreign key has for each partition that it refers to come and go with the partitions.
                AND p.conrelid IS DISTINCT FROM k.conrelid AND {theirs} AND NOT {extension}",
            address = address("pg_constraint", "k.oid"),
            table = address("pg_class", "c.oid"),
            of_parent = address("pg_constraint", "a.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("CONSTRAINT {} ON {}", id.ident(), id.relation())
    }

    fn slots(&self, id: &Id) -> Vec<(&'static str, Vec<String>)> {
        let mut slots = Vec::new();
        if self.index.is_some() {
            slots.push(("relation", vec![id.schema().to_owned(), id.name().to_owned()]));
        }
        if self.kind == Sort::PrimaryKey {
            slots.push(("primary key", id.path.get(..2).unwrap_or_default().to_vec()));
        }
        slots
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let table = lineage::table_of(id).path;
        if self.is_mirror() {
            let attached = inheritance::attached_now(&table, sides).is_some();
            let parent = self.parent.as_ref().map(|path| Id::new(Kind::Constraint, path.clone()));
            let Some(parent) = parent.filter(|parent| self.index.is_some() && !attached && !key::goes_on(parent, sides))
            else {
                let again = !attached && validity::is_to_be_checked_again(id, self, sides);
                return if again { vec![validity::validate(id)] } else { Vec::new() };
            };
            let mut statements = vec![self.add(id, key::only(id, sides))];
            statements.extend(self.extras(id));
            statements.push(key::attach(id, &parent));
            return statements;
        }
        let mut statements = match self.added_online(id, sides) {
            Some(statements) => statements,
            None => vec![self.add(id, key::only(id, sides))],
        };
        statements.extend(self.extras(id));
        statements
    }

    fn inline(&self, id: &Id, sides: Sides<'_>) -> Option<Inline> {
        let table = lineage::table_of(id);
        let table_is_new = sides.old.get(&table).is_none();
        if self.is_mirror() {
            let Some(host) = inheritance::attached_now(&table.path, sides) else {
                if validity::is_to_be_checked_again(id, self, sides) {
                    return None;
                }
                return table_is_new.then_some(Inline::Implied { host: table });
            };
            if self.kind == Sort::ForeignKey || !table_is_new {
                return Some(Inline::Implied { host });
            }
        }
        self.written_into(id, table, table_is_new, sides)
    }

    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let table = lineage::table_of(id).path;
        // It goes with the parent's, or is left over where the table leaves the parent, whose change then drops it.
        if self.is_mirror() && (inheritance::stays(&table, sides) || lineage::parents(sides.old, &table).next().is_some()) {
            return Vec::new();
        }
        let mut below = lineage::children(sides.new, &table).map(|child| lineage::same_in(id, child));
        // A child may keep it as its own.
        let kept = sides.new.get(id).is_none() && self.kind == Sort::Check && below.any(|below| sides.new.get(&below).is_some());
        let only = if kept { "ONLY " } else { "" };
        let clause = format!("DROP CONSTRAINT {}", id.ident());
        vec![Statement::alter_table(format!("{only}{}", id.relation()), id, Pass::Drop, clause)]
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        change::change(self, old, id, sides)
    }

    fn is_in_the_way(&self, id: &Id, sides: Sides<'_>) -> bool {
        validity::is_to_be_forgotten_below(id, self, sides) || validity::is_to_be_checked_again(id, self, sides)
    }
}
