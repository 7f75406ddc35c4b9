//! Aggregates. Path: schema, name, types of the arguments, the direct ones first.

use serde::{Deserialize, Serialize};

use super::function::{input_names, input_types, names_kept, signature};
use super::{Change, Entity, Sides};
use crate::schema::id::Id;
use crate::schema::read::{address, grants, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// An aggregate, an ordered-set aggregate, or a hypothetical-set aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    kind: Direct,
    /// How many of the arguments are direct.
    direct: u32,
    /// With names and `ORDER BY`.
    arguments: String,
    inputs: Vec<Option<String>>,
    result: String,
    /// `SFUNC = int4pl`, …, in the order in which pg_dump writes them.
    options: Vec<String>,
}

/// What the direct arguments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Direct {
    Normal,
    OrderedSet,
    HypotheticalSet,
}

/// `PREFIXFUNC = function`, where there is one.
fn function(word: &str, column: &str) -> String {
    format!("CASE WHEN a.{column}::oid <> 0 THEN '{word} = ' || a.{column}::text END")
}

/// What a final function does to the state, where that is not what it does by itself.
fn modify(word: &str, column: &str) -> String {
    format!(
        "CASE WHEN a.{column} <> CASE a.aggkind WHEN 'n' THEN 'r' ELSE 'w' END THEN
            '{word} = ' || CASE a.{column} WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END"
    )
}

impl Aggregate {
    fn write(&self, id: &Id, verb: &str) -> Vec<Statement> {
        let name = format!("{}.{}", crate::schema::quote::ident(id.schema()), id.ident());
        vec![Statement::new(format!(
            "{verb} AGGREGATE {name}({}) (\n    {}\n)",
            self.arguments,
            self.options.join(",\n    ")
        ))]
    }
}

impl Entity for Aggregate {
    fn query(_server: u32) -> String {
        let options = [
            "'SFUNC = ' || a.aggtransfn::text".to_owned(),
            "'STYPE = ' || format_type(a.aggtranstype, NULL)".to_owned(),
            "'SSPACE = ' || nullif(a.aggtransspace, 0)".to_owned(),
            "'INITCOND = ' || quote_literal(a.agginitval)".to_owned(),
            function("FINALFUNC", "aggfinalfn"),
            "CASE WHEN a.aggfinalextra THEN 'FINALFUNC_EXTRA' END".to_owned(),
            modify("FINALFUNC_MODIFY", "aggfinalmodify"),
            function("COMBINEFUNC", "aggcombinefn"),
            function("SERIALFUNC", "aggserialfn"),
            function("DESERIALFUNC", "aggdeserialfn"),
            function("MSFUNC", "aggmtransfn"),
            function("MINVFUNC", "aggminvtransfn"),
            "CASE WHEN a.aggmtranstype <> 0 THEN 'MSTYPE = ' || format_type(a.aggmtranstype, NULL) END".to_owned(),
            "'MSSPACE = ' || nullif(a.aggmtransspace, 0)".to_owned(),
            "'MINITCOND = ' || quote_literal(a.aggminitval)".to_owned(),
            function("MFINALFUNC", "aggmfinalfn"),
            "CASE WHEN a.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END".to_owned(),
            modify("MFINALFUNC_MODIFY", "aggmfinalmodify"),
            "(SELECT format('SORTOP = OPERATOR(%I.%s)', s.nspname, o.oprname) FROM pg_operator o
                JOIN pg_namespace s ON s.oid = o.oprnamespace WHERE o.oid = a.aggsortop)"
                .to_owned(),
            "CASE WHEN a.aggkind = 'h' THEN 'HYPOTHETICAL' END".to_owned(),
            "CASE p.proparallel WHEN 's' THEN 'PARALLEL = SAFE' WHEN 'r' THEN 'PARALLEL = RESTRICTED' END".to_owned(),
        ]
        .join(", ");
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, p.proname, {types}),
                'owner', p.proowner::bigint, 'grants', {grants}, 'definition', json_build_object(
                'kind', CASE a.aggkind WHEN 'n' THEN 'normal' WHEN 'o' THEN 'ordered_set' ELSE 'hypothetical_set' END,
                'direct', a.aggnumdirectargs,
                'arguments', CASE WHEN p.pronargs = 0 THEN '*' ELSE pg_get_function_arguments(p.oid) END,
                'inputs', {names}, 'result', format_type(p.prorettype, NULL),
                'options', to_json(array_remove(ARRAY[{options}], NULL))))
             FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE {theirs} AND NOT {extension}",
            address = address("pg_proc", "p.oid"),
            types = input_types("p"),
            grants = grants('f', "p.proacl", "p.proowner"),
            names = input_names("p"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_proc", "p.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        let signature = signature(id);
        match signature.strip_suffix("()") {
            Some(name) => format!("AGGREGATE {name}(*)"),
            None => format!("AGGREGATE {signature}"),
        }
    }

    fn grant_phrase(&self, id: &Id, privileges: &str) -> String {
        format!("{privileges} ON FUNCTION {}", signature(id))
    }

    fn acl_kind(&self) -> Option<char> {
        Some('f')
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        self.write(id, "CREATE")
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, old: &Self, id: &Id, _sides: Sides<'_>) -> Change {
        let same = (self.kind, self.direct, &self.result) == (old.kind, old.direct, &old.result);
        if same && names_kept(&self.inputs, &old.inputs) {
            Change::Alter(self.write(id, "CREATE OR REPLACE"))
        } else {
            Change::Replace
        }
    }
}
