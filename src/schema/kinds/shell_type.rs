//! Types by name only, which their own functions are written with: `CREATE TYPE x;`. Path: schema, name.
//!
//! A base type needs functions that take or return it, as a range type with a canonical function does. So it comes in two: the shell,
//! then the functions, then the type itself. All of them go with the shell, by `DROP TYPE … CASCADE`, which is the only way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::composite::stored_in;
use super::{Change, Entity, Sides};
use crate::schema::catalog::{Catalog, Tie};
use crate::schema::id::{Id, Kind};
use crate::schema::read::{address, owned_by_extension, part, user_schema};
use crate::schema::statement::Statement;

/// A shell, of a type or of nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellType {
    /// Those options of a base type which no `ALTER TYPE` changes. They stand here so that type and functions are made again together.
    fixed: BTreeMap<String, String>,
}

/// The address of the shell of a type that is more than that; `pg_depend` has none.
pub(super) fn shell_address(oid: &str) -> String {
    part("pg_type", oid, "-1")
}

/// Takes the cycles out: what a type needs and needs the type then needs its shell.
pub(in crate::schema) fn cut(catalog: &mut Catalog) {
    let types: Vec<Id> = catalog.needs.keys().filter(|id| matches!(id.kind, Kind::BaseType | Kind::Range)).cloned().collect();
    for id in types {
        let shell = Id::new(Kind::ShellType, id.path.clone());
        if !catalog.objects.contains_key(&shell) {
            continue;
        }
        let functions: Vec<Id> = catalog.needs(&id).map(|(needed, _)| needed).filter(|n| n.kind == Kind::Function).cloned().collect();
        for function in functions {
            let Some(needs) = catalog.needs.get_mut(&function) else { continue };
            if needs.remove(&id).is_some() {
                needs.insert(shell.clone(), Tie::Part);
            }
        }
    }
}

impl Entity for ShellType {
    fn query(_server: u32) -> String {
        let fixed = super::base_type::options(super::base_type::FIXED);
        format!(
            "SELECT json_build_object('address', CASE WHEN t.typisdefined THEN {shell} ELSE {address} END,
                'path', json_build_array(n.nspname, t.typname), 'owner', CASE WHEN NOT t.typisdefined THEN t.typowner::bigint END,
                'definition', json_build_object('fixed', CASE WHEN t.typisdefined AND t.typtype = 'b' THEN {fixed} ELSE '{{}}'::json END))
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_range r ON r.rngtypid = t.oid
             WHERE (NOT t.typisdefined OR t.typtype = 'r' AND r.rngcanonical::oid <> 0 OR t.typtype = 'b'
                AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)) AND {theirs} AND NOT {extension}",
            shell = shell_address("t.oid"),
            address = address("pg_type", "t.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_type", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TYPE {}", id.qualified())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("CREATE TYPE {}", id.qualified()))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        // Without the type's own functions it cannot go, nor they without it. All else that needs it has gone before.
        vec![Statement::new(format!("DROP TYPE {} CASCADE", id.qualified()))]
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        let names: Vec<&str> =
            super::base_type::FIXED.iter().map(|(name, _)| *name).filter(|name| self.fixed.get(*name) != old.fixed.get(*name)).collect();
        match stored_in(sides.old, &Id::new(Kind::BaseType, id.path.clone())) {
            Some(column) => Change::Impossible(format!(
                "{} of the type {} cannot be changed, and {column} holds values of it: make a new type, and move the values by hand",
                names.join(", "),
                id.qualified()
            )),
            None => Change::Replace,
        }
    }
}
