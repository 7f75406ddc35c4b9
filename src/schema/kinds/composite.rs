//! Composite types. Path: schema, name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::enumeration::rename_away;
use super::{Change, Entity, Sides, column};
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::quote::{ident, literal};
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A composite type that is not a table's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composite {
    attributes: Vec<Attribute>,
}

/// An attribute of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Attribute {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    /// Where it is not the type's own.
    collation: Option<String>,
    comment: Option<String>,
}

impl Attribute {
    fn text(&self) -> String {
        let collation = self.collation.as_ref().map_or(String::new(), |name| format!(" COLLATE {name}"));
        format!("{} {}{collation}", ident(&self.name), self.data_type)
    }

    fn same_type(&self, other: &Self) -> bool {
        (&self.data_type, &self.collation) == (&other.data_type, &other.collation)
    }
}

/// A column whose values are of the type, or have it within.
pub(super) fn stored_in<'a>(catalog: &'a Catalog, id: &Id) -> Option<&'a Id> {
    let needed_by = catalog.needed_by();
    let mut seen = BTreeSet::new();
    let mut open = vec![id];
    while let Some(next) = open.pop() {
        for (user, _) in needed_by.get(next).into_iter().flatten() {
            match user.kind {
                Kind::Column | Kind::MaterializedView => return Some(user),
                Kind::Domain | Kind::Composite | Kind::Range if seen.insert(*user) => open.push(user),
                _ => {}
            }
        }
    }
    None
}

/// The tables that are `OF` the type: what becomes of an attribute becomes of their columns.
fn tables_of(id: &Id, catalog: &Catalog) -> Vec<Id> {
    let needed_by = catalog.needed_by();
    let users = needed_by.get(id).into_iter().flatten().map(|(user, _)| *user);
    users.filter(|user| user.kind == Kind::Table).cloned().collect()
}

/// How a type is made anew: beside the old one, where there are values of that.
pub(super) fn anew(id: &Id, sides: Sides<'_>) -> Change {
    if stored_in(sides.old, id).is_some() { Change::Swap } else { Change::Replace }
}

impl Composite {
    fn find(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    fn comments(&self, old: Option<&Self>, id: &Id) -> Vec<Statement> {
        let before = |name: &str| old.and_then(|old| old.find(name)).and_then(|attribute| attribute.comment.as_ref());
        let changed = self.attributes.iter().filter(|new| new.comment.as_ref() != before(&new.name));
        changed
            .map(|new| {
                let comment = new.comment.as_ref().map_or("NULL".to_owned(), |text| literal(text));
                Statement::new(format!("COMMENT ON COLUMN {}.{} IS {comment}", id.qualified(), ident(&new.name)))
            })
            .collect()
    }
}

/// What stands in the way of an attribute that goes or changes: what has an expression that takes it out of a value.
fn has_expressions(kind: Kind) -> bool {
    matches!(kind, Kind::View | Kind::MaterializedView | Kind::Rule | Kind::Policy | Kind::Trigger)
}

impl Entity for Composite {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, t.typname), 'owner', t.typowner::bigint,
                'grants', {grants}, 'definition', json_build_object('attributes', (SELECT coalesce(json_agg(json_build_object(
                    'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                    'collation', (SELECT format('%I.%I', m.nspname, k.collname) FROM pg_collation k
                        JOIN pg_namespace m ON m.oid = k.collnamespace JOIN pg_type b ON b.oid = a.atttypid
                        WHERE k.oid = a.attcollation AND k.oid <> b.typcollation),
                    'comment', col_description(a.attrelid, a.attnum)) ORDER BY a.attnum), '[]'::json)
                    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_class c ON c.oid = t.typrelid
             WHERE c.relkind = 'c' AND {theirs} AND NOT {extension}",
            address = address("pg_type", "t.oid"),
            grants = grants('T', "t.typacl", "t.typowner"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_type", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TYPE {}", id.qualified())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('T')
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let attributes: Vec<String> = self.attributes.iter().map(Attribute::text).collect();
        let list =
            if attributes.is_empty() { "()".to_owned() } else { format!("(\n    {}\n)", attributes.join(",\n    ")) };
        let mut statements = vec![Statement::new(format!("CREATE TYPE {} AS {list}", id.qualified()))];
        statements.extend(self.comments(None, id));
        statements
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP TYPE {}", id.qualified()))]
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        let gone: Vec<&str> =
            old.attributes.iter().map(|a| a.name.as_str()).filter(|name| self.find(name).is_none()).collect();
        let retyped: Vec<&Attribute> =
            self.attributes.iter().filter(|new| old.find(&new.name).is_some_and(|old| !new.same_type(old))).collect();
        let stored = stored_in(sides.old, id);
        if let (Some(attribute), Some(column)) = (retyped.first(), stored) {
            // Postgres does not rewrite the values of columns of the type. By way of text they come over by place.
            let in_place = self.attributes.iter().map(|a| &a.name).eq(old.attributes.iter().map(|a| &a.name));
            return if in_place {
                Change::Swap
            } else {
                Change::Impossible(format!(
                    "the attribute {} of the {id} changes its type while others come or go, and {column} holds values of it: \
                     change the type in a migration of its own",
                    ident(&attribute.name)
                ))
            };
        }
        let mut clauses: Vec<String> = gone.iter().map(|name| format!("DROP ATTRIBUTE {} CASCADE", ident(name))).collect();
        clauses.extend(retyped.iter().map(|new| {
            let collation = new.collation.as_ref().map_or(String::new(), |name| format!(" COLLATE {name}"));
            format!("ALTER ATTRIBUTE {} TYPE {}{collation} CASCADE", ident(&new.name), new.data_type)
        }));
        let added = self.attributes.iter().filter(|new| old.find(&new.name).is_none());
        clauses.extend(added.map(|new| format!("ADD ATTRIBUTE {} CASCADE", new.text())));
        let mut statements = Vec::new();
        if !clauses.is_empty() {
            let mut statement = Statement::new(format!("ALTER TYPE {} {}", id.qualified(), clauses.join(", ")));
            if let (false, Some(column)) = (gone.is_empty(), stored) {
                let names: Vec<String> = gone.iter().map(|name| ident(name)).collect();
                statement = statement.destroys(column, format!("drops {} of the {id}, also in the {column}", names.join(", ")));
            }
            for table in tables_of(id, sides.old) {
                let column = |name: &str| Id::new(Kind::Column, [table.path.as_slice(), &[name.to_owned()]].concat());
                for column in gone.iter().map(|name| column(name)) {
                    statement = statement.destroys(&column, format!("drops the {column} with what is in it"));
                }
                for new in &retyped {
                    let before = old.find(&new.name).map_or("", |old| old.data_type.as_str());
                    if let Some(loss) = column::new_type_loses(&column(&new.name), before, &new.data_type) {
                        statement = statement.destroys(&column(&new.name), loss);
                    }
                }
            }
            statements.push(statement);
        }
        statements.extend(self.comments(Some(old), id));
        if gone.is_empty() && retyped.is_empty() {
            Change::Alter(statements)
        } else {
            Change::Disturb(statements, has_expressions)
        }
    }

    fn move_away(&self, id: &Id) -> Option<(Statement, Id)> {
        Some(rename_away(id))
    }
}
