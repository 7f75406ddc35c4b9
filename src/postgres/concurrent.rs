//! Indexes that are built or dropped concurrently: what a crash or a failure left of them.

use super::ledger::literal;
use super::session::{Failed, Session};
use crate::sql;

/// What became of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Index {
    Absent,
    /// Left by a build that failed or was interrupted; the name is ready to be put into a statement.
    Invalid(String),
    /// Invalid as long as another backend builds it.
    BeingBuilt,
    Valid,
}

/// A statement that builds or drops an index concurrently.
pub(super) struct Concurrent<'a> {
    pub(super) creates: bool,
    pub(super) name: &'a str,
    table: Option<&'a str>,
}

impl<'a> Concurrent<'a> {
    /// The index of a script's statement, if it is such a one and names its index.
    pub(super) fn of(statement: &'a str) -> Option<Self> {
        let split = sql::split(statement);
        let first = split.statements.first()?;
        let index = sql::concurrent_index(statement, first)?;
        Some(Self { creates: index.table.is_some(), name: index.name?, table: index.table })
    }

    /// Looks at it as it is now.
    pub(super) fn look(&self, session: &mut Session) -> Result<Index, Failed> {
        let rows = session.send(&self.question())?;
        let value = |n| rows.first().and_then(|row| row.get(n));
        Ok(match (value(0), value(1)) {
            (Some("valid"), _) => Index::Valid,
            (Some("built"), _) => Index::BeingBuilt,
            (Some(_), Some(name)) => Index::Invalid(name.to_owned()),
            _ => Index::Absent,
        })
    }

    fn question(&self) -> String {
        let which = match self.table {
            // An index is made in the schema of its table, whatever the search path is. The cast cuts a name that is too long, as
            // the server does.
            Some(table) => format!(
                "i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({}) \
                 AND c.relname OPERATOR(pg_catalog.=) (pg_catalog.parse_ident({}))[1]::pg_catalog.name",
                literal(table),
                literal(self.name)
            ),
            None => format!("c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})", literal(self.name)),
        };
        format!(
            "SELECT CASE WHEN i.indisvalid THEN 'valid' \
             WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p \
             WHERE p.index_relid OPERATOR(pg_catalog.=) i.indexrelid) THEN 'built' \
             ELSE 'invalid' END, i.indexrelid::pg_catalog.regclass \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid WHERE {which}"
        )
    }
}
