//! Views. Path: schema, name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use super::{Change, ColumnGrants, Entity, Sides, parameters};
use crate::schema::catalog::Grant;
use crate::schema::id::Id;
use crate::schema::quote::{ident, literal};
use crate::schema::read::{address, column_grants, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// As Postgres prints it, without the semicolon.
    query: String,
    columns: Vec<Column>,
    /// `security_barrier=true`, `check_option=local`, …
    options: Parameters,
}

/// A column of a view. Its name and type decide whether `CREATE OR REPLACE VIEW` will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    collation: Option<String>,
    /// For an `INSERT` into the view.
    default: Option<String>,
    comment: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    grants: BTreeSet<Grant>,
}

impl View {
    fn write(&self, id: &Id, verb: &str) -> Statement {
        let options = parameters::with(&self.options);
        Statement::new(format!("{verb} VIEW {}{options} AS\n{}", id.qualified(), self.query))
    }

    /// Defaults and comments of the columns.
    fn columns(&self, old: Option<&Self>, id: &Id) -> Vec<Statement> {
        let mut statements = Vec::new();
        for column in &self.columns {
            let before = old.and_then(|old| old.columns.iter().find(|before| before.name == column.name));
            let (view, name) = (id.qualified(), ident(&column.name));
            if column.default.as_ref() != before.and_then(|before| before.default.as_ref()) {
                let action = column.default.as_ref().map_or("DROP DEFAULT".to_owned(), |text| format!("SET DEFAULT {text}"));
                statements.push(Statement::new(format!("ALTER VIEW {view} ALTER COLUMN {name} {action}")));
            }
            if column.comment.as_ref() != before.and_then(|before| before.comment.as_ref()) {
                let comment = column.comment.as_ref().map_or("NULL".to_owned(), |text| literal(text));
                statements.push(Statement::new(format!("COMMENT ON COLUMN {view}.{name} IS {comment}")));
            }
        }
        statements
    }
}

impl Entity for View {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname), 'owner', c.relowner::bigint,
                'grants', {grants}, 'definition', json_build_object('query', rtrim(pg_get_viewdef(c.oid), ';'), 'options', {options},
                'columns', (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                    'collation', (SELECT quote_ident(s.nspname) || '.' || quote_ident(k.collname)
                        FROM pg_collation k JOIN pg_namespace s ON s.oid = k.collnamespace WHERE k.oid = a.attcollation),
                    'default', (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
                        WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum),
                    'comment', col_description(a.attrelid, a.attnum), 'grants', {column_grants}) ORDER BY a.attnum), '[]'::json)
                    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind = 'v' AND {theirs} AND NOT {extension} AND c.relpersistence <> 't'",
            address = address("pg_class", "c.oid"),
            grants = grants('r', "c.relacl", "c.relowner"),
            column_grants = column_grants("a.attacl", "c.relowner"),
            options = parameters::json("c.reloptions"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("VIEW {}", id.qualified())
    }

    fn grant_phrase(&self, id: &Id, privileges: &str) -> String {
        format!("{privileges} ON TABLE {}", id.qualified())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('r')
    }

    fn column_grants(&self) -> ColumnGrants<'_> {
        self.columns.iter().map(|column| (column.name.as_str(), &column.grants)).collect()
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let mut statements = vec![self.write(id, "CREATE")];
        statements.extend(self.columns(None, id));
        statements
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP VIEW {}", id.qualified()))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        // OR REPLACE keeps the columns that there are and adds others behind them.
        let kept = self.columns.iter().zip(&old.columns).all(|(new, old)| {
            (&new.name, &new.data_type, &new.collation) == (&old.name, &old.data_type, &old.collation)
        });
        if !kept || self.columns.len() < old.columns.len() {
            return Change::Replace;
        }
        let mut statements = Vec::new();
        if self.query == old.query {
            let clauses = parameters::changes(&old.options, &self.options);
            statements
                .extend(clauses.iter().map(|clause| Statement::new(format!("ALTER VIEW {} {clause}", id.qualified()))));
        } else {
            // Options that it does not name are reset, too.
            statements.push(self.write(id, "CREATE OR REPLACE"));
        }
        statements.extend(self.columns(Some(old), id));
        Change::Alter(statements)
    }
}
