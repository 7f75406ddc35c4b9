//! `CREATE TABLE`, around the elements that the comparison puts into it.

use super::{ReplicaIdentity, Shape, Table};
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::inheritance::Inheritance;
use crate::schema::kinds::{Definition, Entity as _, Sides, foreign_options, lineage, parameters};
use crate::schema::quote::{ident, qualified};
use crate::schema::statement::{Body, Pass, Statement};

pub(super) fn create(table: &Table, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
    let mut head = String::from("CREATE ");
    if table.unlogged {
        head.push_str("UNLOGGED ");
    }
    head.push_str(table.word());
    head.push(' ');
    head.push_str(&id.qualified());
    let mut tail: Vec<String> = Vec::new();
    let mut bare = false;
    let inlined: Vec<(&Id, &Inheritance)> =
        lineage::parents(sides.new, &id.path).filter(|(it, inheritance)| inheritance.inline(it, sides).is_some()).collect();
    if let Some(of_type) = &table.of_type {
        head.push_str(" OF ");
        head.push_str(of_type);
        bare = true;
    }
    match inlined.as_slice() {
        [] => {}
        [(it, inheritance)] if inheritance.bound().is_some() => {
            head.push_str(" PARTITION OF ");
            head.push_str(&qualified(lineage::parent_of(it)));
            bare = true;
            tail.extend(inheritance.bound().map(str::to_owned));
        }
        several => {
            let mut several = several.to_vec();
            several.sort_by_key(|(_, inheritance)| inheritance.number());
            let names: Vec<String> = several.iter().map(|(it, _)| qualified(lineage::parent_of(it))).collect();
            tail.push(format!("INHERITS ({})", names.join(", ")));
        }
    }
    match &table.kind {
        Shape::Ordinary => {}
        Shape::Partitioned(key) => tail.push(format!("PARTITION BY {key}")),
        Shape::Foreign { server, options } => {
            tail.push(format!("SERVER {}{}", ident(server), foreign_options::with(options)));
        }
    }
    if let Some(method) = &table.access_method {
        tail.push(format!("USING {}", ident(method)));
    }
    if !table.options.is_empty() {
        tail.push(format!("WITH ({})", parameters::list(&table.options)));
    }
    if let Some(space) = &table.tablespace {
        tail.push(format!("TABLESPACE {}", ident(space)));
    }
    let mut statements =
        vec![Statement::of(Body::CreateTable { head, elements: Vec::new(), tail: tail.join(" "), bare })];
    statements.extend(columns(id, sides));
    if table.replica_identity != ReplicaIdentity::Default
        && let Some(clause) = table.replica_identity()
    {
        statements.push(Table::alter(id, Pass::Misc, clause));
    }
    if table.row_security {
        statements.push(Table::alter(id, Pass::Misc, "ENABLE ROW LEVEL SECURITY"));
    }
    if table.force_row_security {
        statements.push(Table::alter(id, Pass::Misc, "FORCE ROW LEVEL SECURITY"));
    }
    statements
}

/// What of the columns a `CREATE TABLE` cannot say.
fn columns(id: &Id, sides: Sides<'_>) -> Vec<Statement> {
    let columns = sides.new.within(Kind::Column, &id.path).filter_map(|(it, object)| match &object.definition {
        Definition::Column(column) if column.inline(it, sides).is_some() => Some(column.extras(it, sides)),
        _ => None,
    });
    columns.flatten().collect()
}
