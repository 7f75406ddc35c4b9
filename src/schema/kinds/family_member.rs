//! Operators and functions that are in an operator family by themselves and not by a class. Path: schema, family, access method, and
//! `OPERATOR 1` or `FUNCTION 1`, then the types that it is for.
//!
//! Each is an object of its own, since Postgres drops it with its operator or function.

use serde::{Deserialize, Serialize};

use super::operator_family::using;
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A member of an operator family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyMember {
    /// `OPERATOR 1 s.<(a, b)`, as `CREATE OPERATOR CLASS` has it, too.
    text: String,
}

/// The text of a row of `pg_amop` with the alias `m`; `types` is for a family, where they need not be the operator's.
pub(super) const OPERATOR: &str = "format('OPERATOR %s %s%s', m.amopstrategy, (SELECT format('%I.%s(%s,%s)', on_.nspname, o.oprname,
        CASE WHEN o.oprleft = 0 THEN 'NONE' ELSE format_type(o.oprleft, NULL) END, format_type(o.oprright, NULL))
        FROM pg_operator o JOIN pg_namespace on_ ON on_.oid = o.oprnamespace WHERE o.oid = m.amopopr),
    (SELECT format(' FOR ORDER BY %I.%I', sn.nspname, s.opfname) FROM pg_opfamily s
        JOIN pg_namespace sn ON sn.oid = s.opfnamespace WHERE s.oid = m.amopsortfamily))";

/// The same for `pg_amproc`.
pub(super) const FUNCTION: &str = "format('FUNCTION %s (%s, %s) %s', m.amprocnum, format_type(m.amproclefttype, NULL),
    format_type(m.amprocrighttype, NULL), m.amproc::oid::regprocedure)";

impl Entity for FamilyMember {
    fn query(_server: u32) -> String {
        let query = |table: &str, family: &str, head: &str, left: &str, right: &str, text: &str| {
            format!(
                "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, f.opfname, a.amname,
                    format('{head} (%s, %s)', m.{number}, format_type(m.{left}, NULL), format_type(m.{right}, NULL))),
                    'definition', json_build_object('text', {text}))
                 FROM {table} m JOIN pg_opfamily f ON f.oid = m.{family} JOIN pg_namespace n ON n.oid = f.opfnamespace
                    JOIN pg_am a ON a.oid = f.opfmethod
                 WHERE {theirs} AND NOT {extension} AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = '{table}'::regclass AND d.objid = m.oid AND d.deptype IN ('i', 'e'))",
                address = address(table, "m.oid"),
                number = if table == "pg_amop" { "amopstrategy" } else { "amprocnum" },
                theirs = user_schema("n"),
                extension = owned_by_extension("pg_opfamily", "f.oid"),
            )
        };
        format!(
            "{} UNION ALL {}",
            query("pg_amop", "amopfamily", "OPERATOR %s", "amoplefttype", "amoprighttype", OPERATOR),
            query("pg_amproc", "amprocfamily", "FUNCTION %s", "amproclefttype", "amprocrighttype", FUNCTION),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("OPERATOR FAMILY {}", using(id))
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("ALTER {} ADD {}", self.phrase(id), self.text))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let member = id.path.get(3).map_or("", String::as_str);
        vec![Statement::new(format!("ALTER {} DROP {member}", self.phrase(id)))]
    }

    fn change(&self, _old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        Change::Replace
    }
}
