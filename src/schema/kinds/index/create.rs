//! `CREATE INDEX`, on a partitioned table with or without its partitions.

use super::Index;
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::{Definition, Sides, inheritance, lineage, online, parameters};
use crate::schema::quote::{ident, qualified};
use crate::schema::statement::{Pass, Statement};

/// All indexes.
fn all(catalog: &Catalog) -> impl Iterator<Item = (&Id, &Index)> {
    catalog.within(Kind::Index, &[]).filter_map(|(id, object)| match &object.definition {
        Definition::Index(index) => Some((id, index)),
        _ => None,
    })
}

/// What a table has of indexes of its parent's.
pub(super) fn parts<'a>(catalog: &'a Catalog, table: &'a [String]) -> impl Iterator<Item = (&'a Id, &'a Index)> {
    all(catalog).filter(move |(_, index)| index.parent.is_some() && index.table() == table)
}

/// Whether `CLUSTER` goes by some index of the table.
pub(super) fn another_is_clustered(table: &[String], catalog: &Catalog) -> bool {
    let constraints = catalog.within(Kind::Constraint, table);
    let by_constraint = constraints
        .filter_map(|(_, object)| match &object.definition {
            Definition::Constraint(constraint) => Some(constraint.is_clustered()),
            _ => None,
        })
        .any(|clustered| clustered);
    by_constraint || all(catalog).any(|(_, index)| index.clustered && index.table() == table)
}

/// Whether all partitions have a part of it.
pub(super) fn is_valid(id: &Id, catalog: &Catalog) -> bool {
    matches!(catalog.definition(id), Some(Definition::Index(index)) if index.valid)
}

/// Makes a partition's index a part of the partitioned table's.
pub(super) fn attach(id: &Id, parent: &Id) -> Statement {
    Statement::new(format!("ALTER INDEX {} ATTACH PARTITION {}", parent.qualified(), id.qualified()))
}

pub(super) fn statistics(id: &Id, column: i32, target: i32) -> Statement {
    Statement::new(format!("ALTER INDEX {} ALTER COLUMN {column} SET STATISTICS {target}", id.qualified()))
}

/// Whether the partitions' parts come by themselves, under their names, when the partitioned table's index is made.
pub(super) fn goes_on(id: &Id, sides: Sides<'_>) -> bool {
    let Some(Definition::Index(index)) = sides.new.definition(id) else { return true };
    let made = !matches!(sides.old.definition(id), Some(Definition::Index(old)) if old.is_same(index));
    made && goes_down(id, index, sides)
}

fn goes_down(id: &Id, index: &Index, sides: Sides<'_>) -> bool {
    lineage::children(sides.new, &index.table).all(|child| {
        // One that is attached later brings its own.
        if inheritance::attached_now(child, sides).is_some() {
            return true;
        }
        let part = parts(sides.new, child).find(|(_, part)| part.parent.as_ref() == Some(&id.path));
        part.is_some_and(|(part, it)| {
            // One that is there already is taken whatever its name.
            let known = matches!(sides.old.definition(part), Some(Definition::Index(old)) if old.is_same(it) && old.parent.is_none());
            (known || part.name() == it.usual_name()) && goes_down(part, it, sides)
        })
    })
}

impl Index {
    /// `CREATE INDEX` and what that does not say.
    pub(super) fn statements(&self, id: &Id, with_partitions: bool, sides: Sides<'_>) -> Vec<Statement> {
        let in_use = online::concerns(&self.table, sides);
        let mut sql = self.head.clone();
        if with_partitions {
            let table = qualified(&self.table);
            sql = sql.replacen(&format!(" ON ONLY {table} "), &format!(" ON {table} "), 1);
        }
        // The method that it is anyway.
        for only in ["", "ONLY "] {
            let on = format!(" ON {only}{} ", qualified(&self.table));
            sql = sql.replacen(&format!("{on}USING btree ("), &format!("{on}("), 1);
        }
        sql.push_str(&parameters::with(&self.options));
        if let Some(space) = &self.tablespace {
            sql.extend([" TABLESPACE ", &ident(space)]);
        }
        if let Some(predicate) = &self.predicate {
            sql.extend([" WHERE ", predicate]);
        }
        let mut statements = vec![match online::create_index(&sql) {
            Some(statement) if in_use => statement,
            _ => Statement::new(sql),
        }];
        statements.extend(self.statistics.iter().map(|(column, target)| statistics(id, *column, *target)));
        let table = qualified(&self.table);
        if self.clustered {
            let clause = format!("CLUSTER ON {}", id.ident());
            statements.push(Statement::alter_table(table.clone(), id, Pass::Misc, clause));
        }
        if self.replica_identity {
            let clause = format!("REPLICA IDENTITY USING INDEX {}", id.ident());
            statements.push(Statement::alter_table(table, id, Pass::Misc, clause));
        }
        if in_use {
            return statements.into_iter().map(|statement| statement.later(online::CHECK)).collect();
        }
        statements
    }
}

pub(super) fn create(index: &Index, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
    let Some(parent) = index.parent() else { return index.statements(id, goes_on(id, sides), sides) };
    let table = Id::new(Kind::Table, index.table.clone());
    let made_with_table = sides.old.get(&table).is_none();
    let attached = inheritance::attached_now(&index.table, sides).is_some() && is_valid(&parent, sides.new);
    if attached || goes_on(&parent, sides) || (made_with_table && sides.old.get(&parent).is_some()) {
        return Vec::new();
    }
    let mut statements = index.statements(id, goes_on(id, sides), sides);
    statements.push(attach(id, &parent));
    statements
}
