//! That a table is a partition or a child of another. Path: schema and name of the child, schema and name of the parent.

use serde::{Deserialize, Serialize};

use super::{Change, Definition, Entity, Inline, Sides, column, constraint, default, index, lineage};
use crate::schema::id::{Id, Kind};
use crate::schema::quote::qualified;
use crate::schema::read::{address, owned_by_extension, part, user_schema};
use crate::schema::statement::{Pass, Statement};

/// One table's descent from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inheritance {
    /// Of a partition, such as `FOR VALUES IN (1)` or `DEFAULT`.
    bound: Option<String>,
    /// Which of its parents this is, from 0.
    number: u32,
}

impl Inheritance {
    /// The bound, for a partition.
    pub(super) fn bound(&self) -> Option<&str> {
        self.bound.as_deref()
    }

    /// Which of the child's parents this is, from 0.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    fn alter(id: &Id, partition: impl FnOnce(&str) -> String, child: impl FnOnce(&str) -> String, bound: bool) -> Statement {
        let (own, parent) = (qualified(lineage::child_of(id)), qualified(lineage::parent_of(id)));
        if bound {
            Statement::alter_table(parent, id, Pass::Alone, partition(&own))
        } else {
            Statement::alter_table(own, id, Pass::Alone, child(&parent))
        }
    }
}

/// Whether `PARTITION OF` makes the child just as it shall be, but for what can be altered afterwards.
fn is_as_made_by_parent(id: &Id, sides: Sides<'_>) -> bool {
    let (child, parent) = (lineage::child_of(id), lineage::parent_of(id));
    let catalog = sides.new;
    let columns = |table: &[String]| {
        let all = catalog.within(Kind::Column, table);
        all.map(|(id, _)| id.clone()).collect::<Vec<_>>()
    };
    let same_column = |above: &Id| {
        let below = lineage::same_in(above, child);
        let (Some(Definition::Column(above_it)), Some(Definition::Column(it))) =
            (catalog.definition(above), catalog.definition(&below))
        else {
            return false;
        };
        let default_of = |id: &Id| default::expression(catalog, &Id::new(Kind::Default, id.path.clone()));
        it.is_mirror() && it.is_as_in_parent(above_it) && (default_of(&below).is_some() || default_of(above).is_none())
    };
    let own = columns(child);
    let (mut theirs, mut order) = (columns(parent), own.clone());
    let position = |id: &Id| catalog.positions.get(id).copied();
    theirs.sort_by_key(position);
    order.sort_by_key(position);
    theirs.iter().map(Id::name).eq(order.iter().map(Id::name))
        && theirs.iter().all(same_column)
        && index::are_named_by_postgres(catalog, child)
        && constraint::are_named_by_postgres(catalog, child)
}

impl Entity for Inheritance {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'parent', {child}, 'needs', json_build_array({parent}),
                -- It ends before either table changes, and begins when both have what they shall have.
                'after', (SELECT json_agg(o.address) FROM (
                    SELECT {column} FROM pg_attribute a WHERE a.attrelid IN (c.oid, p.oid) AND a.attnum > 0 AND NOT a.attisdropped
                    UNION ALL SELECT {constraint} FROM pg_constraint k WHERE k.conrelid IN (c.oid, p.oid)
                    UNION ALL SELECT {index} FROM pg_index i
                        -- One that lacks parts shall not get one now.
                        WHERE i.indrelid = p.oid AND i.indisvalid) o (address)),
                'path', json_build_array(n.nspname, c.relname, pn.nspname, p.relname),
                'definition', json_build_object('bound', pg_get_expr(c.relpartbound, c.oid),
                    'number', row_number() OVER (PARTITION BY c.oid ORDER BY h.inhseqno) - 1))
             FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
             WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {theirs} AND NOT {extension}",
            address = part("pg_inherits", "c.oid", "h.inhseqno"),
            child = address("pg_class", "c.oid"),
            parent = address("pg_class", "p.oid"),
            column = part("pg_class", "a.attrelid", "a.attnum"),
            constraint = address("pg_constraint", "k.oid"),
            index = address("pg_class", "i.indexrelid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TABLE {}", qualified(lineage::child_of(id)))
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        // What the parent has an index or a constraint for, it takes from the child where that has the like.
        let child = lineage::child_of(id);
        let mut statements = constraint::before_attach(id, child, sides);
        statements.extend(index::before_attach(id, child, sides));
        let bound = self.bound.as_deref().unwrap_or_default();
        statements.push(Self::alter(
            id,
            |child| format!("ATTACH PARTITION {child} {bound}"),
            |parent| format!("INHERIT {parent}"),
            self.bound.is_some(),
        ));
        statements
    }

    fn inline(&self, id: &Id, sides: Sides<'_>) -> Option<Inline> {
        let table = Id::new(Kind::Table, lineage::child_of(id).to_vec());
        let typed = matches!(sides.new.definition(&table), Some(Definition::Table(table)) if table.is_typed());
        let made_with_table = sides.old.get(&table).is_none()
            && !typed
            && (self.bound.is_none() || is_as_made_by_parent(id, sides));
        made_with_table.then_some(Inline::Implied { host: table })
    }

    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        let mut statements = vec![Self::alter(
            id,
            |child| format!("DETACH PARTITION {child}"),
            |parent| format!("NO INHERIT {parent}"),
            self.bound.is_some(),
        )];
        if !persists(id, sides) {
            let child = lineage::child_of(id);
            statements.extend(constraint::after_detach(child, sides));
            statements.extend(index::after_detach(child, sides));
        }
        statements
    }

    fn change(&self, _old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        // Two partitions may change bounds with each other.
        if persists(id, sides) { Change::Alter(Vec::new()) } else { Change::Replace }
    }

    fn is_in_the_way(&self, id: &Id, sides: Sides<'_>) -> bool {
        !persists(id, sides)
    }
}

/// Whether a table stays the child that it was: what is done to the parent is done to it, too. A partition whose bound changes is
/// detached for a while.
pub(super) fn persists(id: &Id, sides: Sides<'_>) -> bool {
    match (sides.old.definition(id), sides.new.definition(id)) {
        (Some(Definition::Inheritance(old)), Some(Definition::Inheritance(new))) => {
            old.bound == new.bound && column::not_null_follows(id, sides)
        }
        _ => false,
    }
}

/// Whether this table stays the child of some parent.
pub(super) fn stays(table: &[String], sides: Sides<'_>) -> bool {
    lineage::parents(sides.new, table).any(|(it, _)| persists(it, sides))
}

/// By what the table gets a parent now, other than by the statement that makes it.
pub(super) fn attached_now(table: &[String], sides: Sides<'_>) -> Option<Id> {
    lineage::parents(sides.new, table)
        .find(|(it, inheritance)| !persists(it, sides) && inheritance.inline(it, sides).is_none())
        .map(|(it, _)| it.clone())
}
