//! Operator classes. Path: schema, name, access method.

use serde::{Deserialize, Serialize};

use super::family_member::{FUNCTION, OPERATOR};
use super::operator_family::using;
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::ident;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// An operator class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorClass {
    default: bool,
    #[serde(rename = "type")]
    data_type: String,
    family: String,
    /// Where it is not the type itself.
    storage: Option<String>,
    members: Vec<String>,
}

impl Entity for OperatorClass {
    fn query(_server: u32) -> String {
        let members = |table: &str, text: &str, number: &str| {
            format!(
                "(SELECT coalesce(array_agg({text} ORDER BY m.{number}, {text}), '{{}}') FROM {table} m
                    JOIN pg_depend d ON d.classid = '{table}'::regclass AND d.objid = m.oid AND d.deptype = 'i'
                    AND d.refclassid = 'pg_opclass'::regclass AND d.refobjid = c.oid)"
            )
        };
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.opcname, a.amname),
                'owner', c.opcowner::bigint, 'definition', json_build_object('default', c.opcdefault,
                'type', format_type(c.opcintype, NULL), 'family', format('%I.%I', fn.nspname, f.opfname),
                'storage', CASE WHEN c.opckeytype <> 0 THEN format_type(c.opckeytype, NULL) END,
                'members', to_json({operators} || {functions})))
             FROM pg_opclass c JOIN pg_namespace n ON n.oid = c.opcnamespace JOIN pg_am a ON a.oid = c.opcmethod
                JOIN pg_opfamily f ON f.oid = c.opcfamily JOIN pg_namespace fn ON fn.oid = f.opfnamespace
             WHERE {theirs} AND NOT {extension}",
            address = address("pg_opclass", "c.oid"),
            operators = members("pg_amop", OPERATOR, "amopstrategy"),
            functions = members("pg_amproc", FUNCTION, "amprocnum"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_opclass", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("OPERATOR CLASS {}", using(id))
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let default = if self.default { " DEFAULT" } else { "" };
        let method = id.path.get(2).map_or(String::new(), |method| ident(method));
        let mut items: Vec<String> = self.storage.iter().map(|storage| format!("STORAGE {storage}")).collect();
        items.extend(self.members.iter().cloned());
        if items.is_empty() {
            // The list cannot be empty, and this says nothing.
            items.push(format!("STORAGE {}", self.data_type));
        }
        vec![Statement::new(format!(
            "CREATE OPERATOR CLASS {}.{}{default} FOR TYPE {} USING {method} FAMILY {} AS\n    {}",
            ident(id.schema()),
            id.ident(),
            self.data_type,
            self.family,
            items.join(",\n    ")
        ))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Replace
    }
}
