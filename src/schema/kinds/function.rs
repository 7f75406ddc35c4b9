//! Functions and procedures. Path: schema, name, types of the input arguments as `format_type` writes them, with `, ` between.

use serde::{Deserialize, Serialize};

use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::quote::ident;
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// A function, a window function, or a procedure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    routine: Routine,
    /// What Postgres prints of it, from its name on.
    text: String,
    /// Names of its input arguments, as far as they have any.
    inputs: Vec<Option<String>>,
    /// How many of the arguments have a default.
    defaults: u32,
    /// `SETOF` and the type.
    result: String,
    /// Of a result that is a row of the arguments which are output: their names and types.
    columns: Vec<(Option<String>, String)>,
}

/// What it is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Routine {
    Function,
    Procedure,
    Window,
}

impl Routine {
    fn word(self) -> &'static str {
        match self {
            Self::Function | Self::Window => "FUNCTION",
            Self::Procedure => "PROCEDURE",
        }
    }
}

/// The types of the input arguments of a row of `pg_proc`, as SQL.
pub(super) fn input_types(alias: &str) -> String {
    format!(
        "(SELECT coalesce(string_agg(format_type(i.type, NULL), ', ' ORDER BY i.n), '')
            FROM unnest({alias}.proargtypes) WITH ORDINALITY i(type, n))"
    )
}

/// The names of the input arguments of a row of `pg_proc`, as JSON.
pub(super) fn input_names(alias: &str) -> String {
    format!(
        "(SELECT coalesce(json_agg(nullif(i.name, '') ORDER BY i.n), '[]'::json)
            FROM unnest({alias}.proargnames) WITH ORDINALITY i(name, n)
            WHERE {alias}.proargmodes IS NULL OR {alias}.proargmodes[i.n] IN ('i', 'b', 'v'))"
    )
}

/// Whether `OR REPLACE` takes the new names of the input arguments: a name can be given, but not changed or taken away.
pub(super) fn names_kept(new: &[Option<String>], old: &[Option<String>]) -> bool {
    let mut new = new.iter();
    old.iter().all(|old| {
        let new = new.next();
        old.is_none() || new == Some(old)
    })
}

/// `public.add(integer, integer)`.
pub(super) fn signature(id: &Id) -> String {
    let arguments = id.path.get(2).map_or("", String::as_str);
    format!("{}.{}({arguments})", ident(id.schema()), id.ident())
}

impl Function {
    fn replaceable(&self, old: &Self) -> bool {
        // Section `CREATE FUNCTION` of the manual, and `ProcedureCreate` in its source.
        (self.routine, &self.result, &self.columns) == (old.routine, &old.result, &old.columns)
            && self.defaults >= old.defaults
            && names_kept(&self.inputs, &old.inputs)
    }
}

impl Entity for Function {
    fn query(_server: u32) -> String {
        // What has an internal dependency comes with a range type: its constructors.
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, p.proname, {types}),
                'owner', p.proowner::bigint, 'grants', {grants}, 'definition', json_build_object(
                'routine', CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'w' THEN 'window' ELSE 'function' END,
                'text', rtrim(regexp_replace(pg_get_functiondef(p.oid), '^CREATE OR REPLACE (FUNCTION|PROCEDURE) ', ''), E'\\n'),
                'inputs', {names}, 'defaults', p.pronargdefaults,
                'result', CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || format_type(p.prorettype, NULL),
                'columns', CASE WHEN p.prorettype = 'record'::regtype THEN (SELECT coalesce(json_agg(
                    json_build_array(nullif(p.proargnames[o.n], ''), format_type(o.type, NULL)) ORDER BY o.n), '[]'::json)
                    FROM unnest(p.proallargtypes) WITH ORDINALITY o(type, n) WHERE p.proargmodes[o.n] IN ('o', 'b', 't'))
                    ELSE '[]'::json END))
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE p.prokind <> 'a' AND {theirs} AND NOT {extension} AND NOT EXISTS (SELECT FROM pg_depend d
                WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')",
            address = address("pg_proc", "p.oid"),
            types = input_types("p"),
            grants = grants('f', "p.proacl", "p.proowner"),
            names = input_names("p"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_proc", "p.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("{} {}", self.routine.word(), signature(id))
    }

    fn acl_kind(&self) -> Option<char> {
        Some('f')
    }

    fn create(&self, _id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("CREATE {} {}", self.routine.word(), self.text))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, old: &Self, _id: &Id, _sides: Sides<'_>) -> Change {
        if self.replaceable(old) {
            Change::Alter(vec![Statement::new(format!("CREATE OR REPLACE {} {}", self.routine.word(), self.text))])
        } else {
            Change::Replace
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_may_get_a_name_but_not_another_one() {
        let names = |names: &[&str]| names.iter().map(|n| (!n.is_empty()).then(|| (*n).to_owned())).collect::<Vec<_>>();
        assert!(names_kept(&names(&["a", "b"]), &names(&["a", ""])));
        assert!(names_kept(&names(&["a"]), &[]));
        assert!(!names_kept(&names(&["a", "c"]), &names(&["a", "b"])));
        assert!(!names_kept(&[], &names(&["a"])));
    }
}
