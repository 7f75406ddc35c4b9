//! Materialized views. Path: schema, name.

use std::fmt::Write as _;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use super::{Change, ColumnGrants, Entity, Sides, parameters};
use crate::schema::aside::Aside;
use crate::schema::catalog::Grant;
use crate::schema::id::Id;
use crate::schema::quote::{ident, literal};
use crate::schema::read::{address, column_grants, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A materialized view. Its rows come from its query, so it may be dropped and made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaterializedView {
    /// As Postgres prints it, without the semicolon.
    query: String,
    columns: Vec<Column>,
    /// `fillfactor=70`, `toast.autovacuum_enabled=off`, …
    options: Parameters,
    access_method: String,
    tablespace: Option<String>,
    replica_identity: ReplicaIdentity,
    /// A state that `REFRESH` changes, and no part of the schema.
    populated: Aside<bool>,
}

/// A column of a materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    collation: Option<String>,
    comment: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    grants: BTreeSet<Grant>,
    settings: Settings,
}

/// What of a column is changed in place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Settings {
    /// Where it is not that of the type.
    storage: Option<String>,
    /// What of the two the type would have: to go back.
    type_storage: Aside<Option<String>>,
    compression: Option<String>,
    statistics: Option<i32>,
    /// `n_distinct=5`, …
    options: Parameters,
}

/// What of a changed row is written for logical replication; that by an index is the index's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ReplicaIdentity {
    #[serde(rename = "d")]
    Default,
    #[serde(rename = "f")]
    Full,
    #[serde(rename = "n")]
    Nothing,
}

impl Settings {
    fn changes(&self, old: &Self) -> Vec<String> {
        let mut clauses = Vec::new();
        if self.statistics != old.statistics {
            clauses.push(format!("SET STATISTICS {}", self.statistics.unwrap_or(-1)));
        }
        if self.storage != old.storage
            && let Some(storage) = self.storage.as_ref().or(self.type_storage.0.as_ref())
        {
            clauses.push(format!("SET STORAGE {storage}"));
        }
        if self.compression != old.compression {
            clauses.push(format!("SET COMPRESSION {}", self.compression.as_deref().unwrap_or("default")));
        }
        clauses.extend(parameters::changes(&old.options, &self.options));
        clauses
    }
}

impl MaterializedView {
    fn alter(id: &Id, action: &str) -> Statement {
        Statement::new(format!("ALTER MATERIALIZED VIEW {} {action}", id.qualified()))
    }

    /// Settings and comments of the columns.
    fn columns(&self, old: Option<&Self>, id: &Id) -> Vec<Statement> {
        let mut statements = Vec::new();
        for column in &self.columns {
            let before = old.and_then(|old| old.columns.iter().find(|before| before.name == column.name));
            let name = ident(&column.name);
            let fresh = Settings::default();
            for clause in column.settings.changes(before.map_or(&fresh, |before| &before.settings)) {
                statements.push(Self::alter(id, &format!("ALTER COLUMN {name} {clause}")));
            }
            if column.comment.as_ref() != before.and_then(|before| before.comment.as_ref()) {
                let comment = column.comment.as_ref().map_or("NULL".to_owned(), |text| literal(text));
                statements.push(Statement::new(format!("COMMENT ON COLUMN {}.{name} IS {comment}", id.qualified())));
            }
        }
        statements
    }

    fn identity(&self, id: &Id) -> Statement {
        let identity = match self.replica_identity {
            ReplicaIdentity::Default => "DEFAULT",
            ReplicaIdentity::Full => "FULL",
            ReplicaIdentity::Nothing => "NOTHING",
        };
        // ALTER MATERIALIZED VIEW has no such action.
        Statement::new(format!("ALTER TABLE {} REPLICA IDENTITY {identity}", id.qualified()))
    }
}

impl Entity for MaterializedView {
    fn query(_server: u32) -> String {
        let storage = |column: &str| {
            format!("CASE {column} WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'x' THEN 'EXTENDED' ELSE 'MAIN' END")
        };
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname), 'owner', c.relowner::bigint,
                'grants', {grants}, 'definition', json_build_object('query', rtrim(pg_get_viewdef(c.oid), ';'),
                'options', {options}, 'access_method', (SELECT m.amname FROM pg_am m WHERE m.oid = c.relam),
                'tablespace', (SELECT t.spcname FROM pg_tablespace t WHERE t.oid = c.reltablespace),
                'replica_identity', CASE WHEN c.relreplident IN ('f', 'n') THEN c.relreplident ELSE 'd' END,
                'populated', c.relispopulated,
                'columns', (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                    'collation', (SELECT quote_ident(s.nspname) || '.' || quote_ident(k.collname)
                        FROM pg_collation k JOIN pg_namespace s ON s.oid = k.collnamespace WHERE k.oid = a.attcollation),
                    'comment', col_description(a.attrelid, a.attnum), 'grants', {column_grants},
                    'settings', json_build_object('storage', CASE WHEN a.attstorage <> y.typstorage THEN {attstorage} END,
                        'type_storage', {typstorage},
                        'compression', CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END,
                        'statistics', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END,
                        'options', {column_options})) ORDER BY a.attnum), '[]'::json)
                    FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class o ON o.oid = c.reltoastrelid
             WHERE c.relkind = 'm' AND {theirs} AND NOT {extension}",
            address = address("pg_class", "c.oid"),
            grants = grants('r', "c.relacl", "c.relowner"),
            column_grants = column_grants("a.attacl", "c.relowner"),
            options = parameters::json(
                "array_cat(c.reloptions, (SELECT array_agg('toast.' || t) FROM unnest(o.reloptions) t))"
            ),
            column_options = parameters::of_attribute("a.attoptions"),
            attstorage = storage("a.attstorage"),
            typstorage = storage("y.typstorage"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("MATERIALIZED VIEW {}", id.qualified())
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
        let mut sql = format!("CREATE MATERIALIZED VIEW {}", id.qualified());
        if self.access_method != "heap" {
            let _ = write!(sql, " USING {}", ident(&self.access_method));
        }
        sql.push_str(&parameters::with(&self.options));
        if let Some(tablespace) = &self.tablespace {
            let _ = write!(sql, " TABLESPACE {}", ident(tablespace));
        }
        let _ = write!(sql, " AS\n{}", self.query);
        if !self.populated.0 {
            sql.push_str("\nWITH NO DATA");
        }
        let mut statements = vec![Statement::new(sql)];
        if self.replica_identity != ReplicaIdentity::Default {
            statements.push(self.identity(id));
        }
        statements.extend(self.columns(None, id));
        statements
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP MATERIALIZED VIEW {}", id.qualified()))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        let shape = |view: &Self| {
            let columns = view.columns.iter().map(|it| (it.name.clone(), it.data_type.clone(), it.collation.clone()));
            (view.query.clone(), columns.collect::<Vec<_>>())
        };
        if shape(self) != shape(old) {
            return Change::Replace;
        }
        let mut statements = Vec::new();
        if self.access_method != old.access_method {
            statements.push(Self::alter(id, &format!("SET ACCESS METHOD {}", ident(&self.access_method))));
        }
        if self.tablespace != old.tablespace {
            let tablespace = self.tablespace.as_deref().unwrap_or("pg_default");
            statements.push(Self::alter(id, &format!("SET TABLESPACE {}", ident(tablespace))));
        }
        let clauses = parameters::changes(&old.options, &self.options);
        statements.extend(clauses.iter().map(|clause| Self::alter(id, clause)));
        if self.replica_identity != old.replica_identity {
            statements.push(self.identity(id));
        }
        statements.extend(self.columns(Some(old), id));
        Change::Alter(statements)
    }
}
