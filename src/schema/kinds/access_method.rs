//! Access methods. Path: name.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{FIRST_NORMAL_OID, address, owned_by_extension};
use crate::schema::statement::Statement;

/// An access method, of indexes or of tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessMethod {
    #[serde(rename = "type")]
    of: Of,
    handler: String,
}

/// What it gives access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    Index,
    Table,
}

impl Entity for AccessMethod {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(a.amname), 'definition', json_build_object(
                'type', CASE a.amtype WHEN 'i' THEN 'index' ELSE 'table' END, 'handler', a.amhandler::text))
             FROM pg_am a WHERE a.oid >= {FIRST_NORMAL_OID} AND NOT {extension}",
            address = address("pg_am", "a.oid"),
            extension = owned_by_extension("pg_am", "a.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("ACCESS METHOD {}", id.ident())
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let of = match self.of {
            Of::Index => "INDEX",
            Of::Table => "TABLE",
        };
        vec![Statement::new(format!("CREATE ACCESS METHOD {} TYPE {of} HANDLER {}", id.ident(), self.handler))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP ACCESS METHOD {}", id.ident()))]
    }

    fn change(&self, _old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        let users = sides.old.needed_by();
        let table = users.get(id).into_iter().flatten().find(|(user, _)| user.kind == crate::schema::Kind::Table);
        match table {
            Some((table, _)) => Change::Impossible(format!(
                "the {id} cannot be changed in place, and the {table} is kept by it: make one of another name, and move the table to that"
            )),
            None => Change::Replace,
        }
    }
}
