//! Operator families. Path: schema, name, access method.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::ident;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// An operator family; its members are objects of their own, or operator classes'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorFamily {}

/// `s.x USING btree`, also for a class.
pub(super) fn using(id: &Id) -> String {
    let method = id.path.get(2).map_or(String::new(), |method| ident(method));
    format!("{}.{} USING {method}", ident(id.schema()), id.ident())
}

impl Entity for OperatorFamily {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, f.opfname, m.amname),
                'owner', f.opfowner::bigint, 'definition', json_build_object())
             FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace JOIN pg_am m ON m.oid = f.opfmethod
             WHERE {theirs} AND NOT {extension}",
            address = address("pg_opfamily", "f.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_opfamily", "f.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("OPERATOR FAMILY {}", using(id))
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("CREATE {}", self.phrase(id)))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Alter(Vec::new())
    }
}
