//! Operators. Path: schema, name, type on the left (`NONE` for a prefix operator), type on the right.

use serde::{Deserialize, Serialize};

use super::{Change, Definition, Entity, Sides};
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::quote::ident;
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::Statement;

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    function: String,
    commutator: Option<Other>,
    negator: Option<Other>,
    restrict: Option<String>,
    join: Option<String>,
    hashes: bool,
    merges: bool,
}

/// Another operator, for types that follow from the first one's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Other {
    schema: String,
    name: String,
}

impl Other {
    fn text(&self) -> String {
        format!("OPERATOR({}.{})", ident(&self.schema), self.name)
    }

    fn json(column: &str) -> String {
        format!(
            "(SELECT json_build_object('schema', m.nspname, 'name', x.oprname) FROM pg_operator x
                JOIN pg_namespace m ON m.oid = x.oprnamespace WHERE x.oid = o.{column})"
        )
    }

    fn operator<'a>(&self, catalog: &'a Catalog, left: &str, right: &str) -> Option<&'a Operator> {
        let path = [&self.schema, &self.name, left, right].map(str::to_owned);
        match catalog.definition(&Id::new(Kind::Operator, path.to_vec())) {
            Some(Definition::Operator(operator)) => Some(operator),
            _ => None,
        }
    }
}

/// `s.+`: an operator's name is written without quotes.
pub(super) fn name(id: &Id) -> String {
    format!("{}.{}", ident(id.schema()), id.name())
}

/// The types that it is for.
fn arguments(id: &Id) -> (&str, &str) {
    let at = |place: usize| id.path.get(place).map_or("NONE", String::as_str);
    (at(2), at(3))
}

/// Whether what one operator says of another becomes true by itself. Postgres enters an operator as commutator or negator of those that it
/// names, where they have none yet, and takes it out of them when it goes.
fn by_itself(new: Option<&Other>, old: Option<&Other>, types: (&str, &str), sides: Sides<'_>) -> bool {
    match (new, old) {
        (new, old) if new == old => true,
        (Some(new), None) => {
            new.operator(sides.old, types.0, types.1).is_none() && new.operator(sides.new, types.0, types.1).is_some()
        }
        (None, Some(old)) => old.operator(sides.new, types.0, types.1).is_none(),
        _ => false,
    }
}

impl Entity for Operator {
    fn query(_server: u32) -> String {
        // One without a function is named by another one and is not there yet.
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, o.oprname,
                CASE WHEN o.oprleft = 0 THEN 'NONE' ELSE format_type(o.oprleft, NULL) END, format_type(o.oprright, NULL)),
                'owner', o.oprowner::bigint, 'definition', json_build_object('function', o.oprcode::text,
                'commutator', {commutator}, 'negator', {negator},
                'restrict', CASE WHEN o.oprrest::oid <> 0 THEN o.oprrest::text END,
                'join', CASE WHEN o.oprjoin::oid <> 0 THEN o.oprjoin::text END,
                'hashes', o.oprcanhash, 'merges', o.oprcanmerge))
             FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
             WHERE o.oprcode::oid <> 0 AND {theirs} AND NOT {extension}",
            address = address("pg_operator", "o.oid"),
            commutator = Other::json("oprcom"),
            negator = Other::json("oprnegate"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_operator", "o.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        let (left, right) = arguments(id);
        format!("OPERATOR {} ({left}, {right})", name(id))
    }

    fn create(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        let (left, right) = arguments(id);
        let mut options = vec![format!("FUNCTION = {}", self.function)];
        if left != "NONE" {
            options.push(format!("LEFTARG = {left}"));
        }
        options.push(format!("RIGHTARG = {right}"));
        for (word, other) in [("COMMUTATOR", &self.commutator), ("NEGATOR", &self.negator)] {
            options.extend(other.as_ref().map(|other| format!("{word} = {}", other.text())));
        }
        for (word, function) in [("RESTRICT", &self.restrict), ("JOIN", &self.join)] {
            options.extend(function.as_ref().map(|function| format!("{word} = {function}")));
        }
        if self.hashes {
            options.push("HASHES".to_owned());
        }
        if self.merges {
            options.push("MERGES".to_owned());
        }
        vec![Statement::new(format!("CREATE OPERATOR {} (\n    {}\n)", name(id), options.join(",\n    ")))]
    }

    fn drop(&self, id: &Id, _sides: Sides<'_>) -> Vec<Statement> {
        vec![Statement::new(format!("DROP {}", self.phrase(id)))]
    }

    fn change(&self, old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        let (left, right) = arguments(id);
        let others = by_itself(self.commutator.as_ref(), old.commutator.as_ref(), (right, left), sides)
            && by_itself(self.negator.as_ref(), old.negator.as_ref(), (left, right), sides);
        if !others || (&self.function, self.hashes, self.merges) != (&old.function, old.hashes, old.merges) {
            return Change::Replace;
        }
        let mut clauses = Vec::new();
        for (word, new, old) in [("RESTRICT", &self.restrict, &old.restrict), ("JOIN", &self.join, &old.join)] {
            if new != old {
                clauses.push(format!("{word} = {}", new.as_ref().map_or("NONE", String::as_str)));
            }
        }
        if clauses.is_empty() {
            return Change::Alter(Vec::new());
        }
        Change::Alter(vec![Statement::new(format!("ALTER {} SET ({})", self.phrase(id), clauses.join(", ")))])
    }
}
