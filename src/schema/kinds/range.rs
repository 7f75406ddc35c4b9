//! Range types with their multirange types. Path: schema, name.

use serde::{Deserialize, Serialize};

use super::composite::anew;
use super::enumeration::{name_away, rename_away};
use super::shell_type::shell_address;
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::{ident, qualified};
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A range type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    subtype: String,
    /// Where it is not the subtype's own.
    operator_class: Option<String>,
    /// Where it is not the subtype's own.
    collation: Option<String>,
    canonical: Option<String>,
    subtype_diff: Option<String>,
    /// Schema and name.
    multirange: Vec<String>,
}

impl Range {
    /// What does not change in place.
    fn fixed(&self) -> impl PartialEq + '_ {
        (&self.subtype, &self.operator_class, &self.collation, &self.canonical, &self.subtype_diff)
    }
}

/// The name that Postgres gives to a multirange type if it is not told one.
fn multirange_by_itself(id: &Id) -> Vec<String> {
    let name = match id.name().split_once("range") {
        Some((before, after)) => format!("{before}multirange{after}"),
        None => format!("{}_multirange", id.name()),
    };
    vec![id.schema().to_owned(), name]
}

impl Entity for Range {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'parent', CASE WHEN r.rngcanonical::oid <> 0 THEN {shell} END,
                'path', json_build_array(n.nspname, t.typname), 'owner', t.typowner::bigint, 'grants', {grants},
                'definition', json_build_object('subtype', format_type(r.rngsubtype, NULL),
                'operator_class', (SELECT format('%I.%I', m.nspname, o.opcname) FROM pg_opclass o
                    JOIN pg_namespace m ON m.oid = o.opcnamespace WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
                'collation', (SELECT format('%I.%I', m.nspname, k.collname) FROM pg_collation k
                    JOIN pg_namespace m ON m.oid = k.collnamespace WHERE k.oid = r.rngcollation AND k.oid <> s.typcollation),
                'canonical', CASE WHEN r.rngcanonical::oid <> 0 THEN r.rngcanonical::text END,
                'subtype_diff', CASE WHEN r.rngsubdiff::oid <> 0 THEN r.rngsubdiff::text END,
                'multirange', (SELECT json_build_array(m.nspname, mt.typname) FROM pg_type mt
                    JOIN pg_namespace m ON m.oid = mt.typnamespace WHERE mt.oid = r.rngmultitypid)))
             FROM pg_range r JOIN pg_type t ON t.oid = r.rngtypid JOIN pg_namespace n ON n.oid = t.typnamespace
                JOIN pg_type s ON s.oid = r.rngsubtype
             WHERE {theirs} AND NOT {extension}",
            address = address("pg_type", "t.oid"),
            shell = shell_address("t.oid"),
            grants = grants('T', "t.typacl", "t.typowner"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_type", "t.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("TYPE {}", id.qualified())
    }

    fn acl_kind(&self) -> Option<char> {
        Some('T')
    }

    fn slots(&self, id: &Id) -> Vec<(&'static str, Vec<String>)> {
        let mut slots = vec![("type", self.multirange.clone())];
        if self.canonical.is_none() {
            // Otherwise its shell has that.
            slots.push(("type", id.path.clone()));
        }
        slots
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let multirange = qualified(&self.multirange);
        let options = [
            ("SUBTYPE", Some(&self.subtype)),
            ("SUBTYPE_OPCLASS", self.operator_class.as_ref()),
            ("COLLATION", self.collation.as_ref()),
            ("CANONICAL", self.canonical.as_ref()),
            ("SUBTYPE_DIFF", self.subtype_diff.as_ref()),
            ("MULTIRANGE_TYPE_NAME", Some(&multirange).filter(|_| self.multirange != multirange_by_itself(id))),
        ];
        let options: Vec<String> =
            options.iter().filter_map(|(name, value)| value.map(|value| format!("{name} = {value}"))).collect();
        vec![Statement::new(format!("CREATE TYPE {} AS RANGE (\n    {}\n)", id.qualified(), options.join(",\n    ")))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        // One with a canonical function goes with its shell.
        let drop = || Statement::new(format!("DROP TYPE {}", id.qualified()));
        self.canonical.is_none().then(drop).into_iter().collect()
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        if self.fixed() == old.fixed() && self.multirange.first() == old.multirange.first() {
            let name = self.multirange.last().map_or(String::new(), |name| ident(name));
            let sql = format!("ALTER TYPE {} RENAME TO {name}", qualified(&old.multirange));
            return Change::Alter(vec![Statement::new(sql)]);
        }
        if self.canonical.is_some() || old.canonical.is_some() {
            return Change::Impossible(format!(
                "the {id} has a canonical function, which is a part of it: make a range type of another name, and move what uses this one"
            ));
        }
        anew(id, sides)
    }

    fn move_away(&self, id: &Id) -> Option<(Statement, Id)> {
        let (statement, away) = rename_away(id);
        // The multirange type and the constructors, which have the names of the two, do not come along by themselves.
        let multirange = qualified(&self.multirange);
        let range_name = ident(away.name());
        let multirange_name = ident(&name_away(self.multirange.last().map_or("", String::as_str)));
        let constructor = |name: &str, arguments: &str, to: &str| format!("ALTER FUNCTION {name}({arguments}) RENAME TO {to}");
        let (range, subtype, moved) = (id.qualified(), &self.subtype, away.qualified());
        let statements = [
            statement.sql(),
            format!("ALTER TYPE {multirange} RENAME TO {multirange_name}"),
            constructor(&range, &format!("{subtype}, {subtype}"), &range_name),
            constructor(&range, &format!("{subtype}, {subtype}, text"), &range_name),
            constructor(&multirange, "", &multirange_name),
            constructor(&multirange, &moved, &multirange_name),
            constructor(&multirange, &format!("VARIADIC {moved}[]"), &multirange_name),
        ];
        Some((Statement::new(statements.join(";\n")), away))
    }
}
