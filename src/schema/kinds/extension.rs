//! Extensions. Path: name. What an extension is made of is its own, and no part of a catalog.
//!
//! A version counts only where it is not the one that the server installs by default: `schema.sql` seldom names one, and the default
//! moves with the server's packages.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::aside::Aside;
use crate::schema::id::Id;
use crate::schema::quote::{ident, literal};
use crate::schema::read::{FIRST_NORMAL_OID, address};
use crate::schema::statement::Statement;

/// An extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    schema: String,
    /// Where it is not the server's default.
    version: Option<String>,
    relocatable: Aside<bool>,
    server: Aside<Available>,
}

/// What the server knows of an extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Available {
    /// What is installed where no version is named.
    default: Option<String>,
    /// The comment that it comes with.
    comment: Option<String>,
    /// The versions that the installed one can be updated to, where that is not the default.
    reachable: Vec<String>,
}

impl Entity for Extension {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(x.extname),
                'definition', json_build_object('schema', n.nspname, 'relocatable', x.extrelocatable,
                'version', CASE WHEN x.extversion <> a.default_version THEN x.extversion END,
                'server', json_build_object('default', a.default_version, 'comment', a.comment,
                    'reachable', CASE WHEN x.extversion = a.default_version THEN '[]'::json ELSE
                        coalesce((SELECT json_agg(u.target) FROM pg_extension_update_paths(x.extname) u
                            WHERE u.source = x.extversion AND u.path IS NOT NULL), '[]'::json) END)))
             FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace LEFT JOIN pg_available_extensions a ON a.name = x.extname
             WHERE x.oid >= {FIRST_NORMAL_OID}",
            address = address("pg_extension", "x.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("EXTENSION {}", id.ident())
    }

    fn initial_comment(&self) -> Option<&str> {
        self.server.0.comment.as_deref()
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let version = self.version.as_ref().map_or(String::new(), |version| format!(" VERSION {}", literal(version)));
        vec![Statement::new(format!("CREATE EXTENSION {} WITH SCHEMA {}{version}", id.ident(), ident(&self.schema)))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP EXTENSION {}", id.ident()))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        let mut statements = Vec::new();
        if self.version != old.version {
            let target = self.version.as_ref().or(self.server.0.default.as_ref());
            let Some(target) = target.filter(|target| old.server.0.reachable.contains(target)) else {
                return Change::Impossible(format!(
                    "it has no way to the version {}\n  = help: drop and create it by hand, with what depends on it; or leave the version out",
                    target.map_or("that is wanted", String::as_str)
                ));
            };
            let to = if self.version.is_some() { format!(" TO {}", literal(target)) } else { String::new() };
            statements.push(Statement::new(format!("ALTER EXTENSION {} UPDATE{to}", id.ident())));
        }
        if self.schema != old.schema {
            if !self.relocatable.0 {
                return Change::Impossible(
                    "it cannot be moved into another schema\n  = help: drop and create it by hand, with what depends on it".to_owned(),
                );
            }
            statements.push(Statement::new(format!("ALTER EXTENSION {} SET SCHEMA {}", id.ident(), ident(&self.schema))));
        }
        Change::Alter(statements)
    }
}
