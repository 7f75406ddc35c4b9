//! Publications. Path: name. The tables and schemas in them are [`super::PublicationMember`]s.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension};
use crate::schema::statement::Statement;

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    scope: Scope,
    /// `insert`, `update`, …
    publish: Vec<String>,
    via_partition_root: bool,
    /// Since PostgreSQL 18: `none` or `stored`.
    generated_columns: Option<String>,
}

/// Of which tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scope {
    /// All that there are.
    AllTables,
    /// Of its members.
    Members,
}

impl Publication {
    fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = vec![
            ("publish", format!("'{}'", self.publish.join(", "))),
            ("publish_via_partition_root", self.via_partition_root.to_string()),
        ];
        options.extend(self.generated_columns.iter().map(|it| ("publish_generated_columns", it.clone())));
        options
    }

    /// As one with these options is made where none are named.
    fn plain() -> Self {
        let publish = ["insert", "update", "delete", "truncate"].map(str::to_owned).to_vec();
        Self { scope: Scope::Members, publish, via_partition_root: false, generated_columns: Some("none".to_owned()) }
    }

    fn differing(&self, old: &Self) -> Vec<String> {
        let before = old.options();
        let changed = self.options().into_iter().filter(|option| !before.contains(option));
        changed.map(|(name, value)| format!("{name} = {value}")).collect()
    }
}

impl Entity for Publication {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(p.pubname), 'owner', p.pubowner::bigint,
                'definition', json_build_object('scope', CASE WHEN p.puballtables THEN 'all_tables' ELSE 'members' END,
                'publish', to_json(array_remove(ARRAY[CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                    CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END], NULL)),
                'via_partition_root', p.pubviaroot,
                'generated_columns', CASE to_jsonb(p)->>'pubgencols' WHEN 'n' THEN 'none' WHEN 's' THEN 'stored' END))
             FROM pg_publication p WHERE NOT {extension}",
            address = address("pg_publication", "p.oid"),
            extension = owned_by_extension("pg_publication", "p.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("PUBLICATION {}", id.ident())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let mut sql = format!("CREATE {}", self.phrase(id));
        if self.scope == Scope::AllTables {
            sql.push_str(" FOR ALL TABLES");
        }
        let options = self.differing(&Self::plain());
        if !options.is_empty() {
            let _ = write!(sql, " WITH ({})", options.join(", "));
        }
        vec![Statement::new(sql)]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        if self.scope != old.scope {
            return Change::Replace;
        }
        Change::Alter(vec![Statement::new(format!("ALTER {} SET ({})", self.phrase(id), self.differing(old).join(", ")))])
    }
}
