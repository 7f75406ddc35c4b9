//! Indexes that are built or dropped concurrently: what a crash or a failure left of them.

use super::ledger::literal;
use super::session::{Failed, Row, Session};
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
        Ok(Index::of_rows(&session.send(&self.question())?))
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
        question(&which)
    }
}

/// A statement that builds one concurrently and leaves its name to the server. Only an imported history has such.
pub(super) struct Unnamed<'a> {
    pub(super) table: &'a str,
}

impl<'a> Unnamed<'a> {
    /// The table of a script's statement, if it is such a one.
    pub(super) fn of(statement: &'a str) -> Option<Self> {
        let split = sql::split(statement);
        let index = sql::concurrent_index(statement, split.statements.first()?)?;
        if index.name.is_some() { None } else { Some(Self { table: index.table? }) }
    }

    /// Looks at the index of its table that came behind this row of the ledger.
    pub(super) fn look(&self, session: &mut Session, row: &str) -> Result<Index, Failed> {
        let which = format!(
            "i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({}) AND pg_catalog.age(c.xmin) OPERATOR(pg_catalog.<) \
             (SELECT pg_catalog.age(l.xmin) FROM {row})",
            literal(self.table)
        );
        Ok(Index::of_rows(&session.send(&question(&which))?))
    }
}

impl Index {
    fn of_rows(rows: &[Row]) -> Self {
        let value = |n| rows.first().and_then(|row| row.get(n));
        match (value(0), value(1)) {
            (Some("valid"), _) => Self::Valid,
            (Some("built"), _) => Self::BeingBuilt,
            (Some(_), Some(name)) => Self::Invalid(name.to_owned()),
            _ => Self::Absent,
        }
    }
}

fn question(which: &str) -> String {
    format!(
        "SELECT CASE WHEN i.indisvalid THEN 'valid' \
         WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p \
         WHERE p.index_relid OPERATOR(pg_catalog.=) i.indexrelid) THEN 'built' \
         ELSE 'invalid' END, i.indexrelid::pg_catalog.regclass \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid WHERE {which}"
    )
}
