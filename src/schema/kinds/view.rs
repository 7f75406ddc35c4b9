//! Views. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::{ident, literal};
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// As Postgres prints it, without the semicolon.
    query: String,
    columns: Vec<Column>,
    /// `security_barrier=true`, …
    options: Vec<String>,
}

/// A column of a view: what decides whether `CREATE OR REPLACE VIEW` will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    collation: Option<String>,
    comment: Option<String>,
}

impl View {
    fn write(&self, id: &Id, verb: &str) -> Statement {
        let options = if self.options.is_empty() { String::new() } else { format!(" WITH ({})", self.options.join(", ")) };
        Statement::new(format!("{verb} VIEW {}{options} AS\n{}", id.qualified(), self.query))
    }

    fn comments(&self, old: Option<&Self>, id: &Id) -> Vec<Statement> {
        let before = |name: &str| old.and_then(|old| old.columns.iter().find(|c| c.name == name)).and_then(|c| c.comment.as_ref());
        let changed = self.columns.iter().filter(|column| column.comment.as_ref() != before(&column.name));
        changed
            .map(|column| {
                let comment = column.comment.as_ref().map_or("NULL".to_owned(), |text| literal(text));
                Statement::new(format!("COMMENT ON COLUMN {}.{} IS {comment}", id.qualified(), ident(&column.name)))
            })
            .collect()
    }
}

impl Entity for View {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname), 'owner', c.relowner::bigint,
                'grants', {grants}, 'definition', json_build_object('query', rtrim(pg_get_viewdef(c.oid), ';'),
                'options', coalesce(to_json(c.reloptions), '[]'::json),
                'columns', (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                    'collation', (SELECT quote_ident(k.collname) FROM pg_collation k WHERE k.oid = a.attcollation),
                    'comment', col_description(a.attrelid, a.attnum)) ORDER BY a.attnum)
                    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind = 'v' AND {theirs} AND NOT {extension} AND c.relpersistence <> 't'",
            address = address("pg_class", "c.oid"),
            grants = grants('r', "c.relacl", "c.relowner"),
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

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let mut statements = vec![self.write(id, "CREATE")];
        statements.extend(self.comments(None, id));
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
        if self.query != old.query || self.options != old.options {
            statements.push(self.write(id, "CREATE OR REPLACE"));
        }
        statements.extend(self.comments(Some(old), id));
        Change::Alter(statements)
    }
}
