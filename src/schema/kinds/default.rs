//! Defaults of columns that are not generated. Path: schema, table, column.

use serde::{Deserialize, Serialize};

use super::{Change, Definition, Entity, Inline, Sides, column, inheritance, lineage};
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::read::{address, owned_by_extension, user_schema};
use crate::schema::statement::{Pass, Statement};

/// What a column has where a row says nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Default {
    expression: String,
}

impl Default {
    /// As Postgres prints it.
    pub(super) fn expression(&self) -> &str {
        &self.expression
    }

    /// As a person writes it: `''` where Postgres prints `''::text` for a column of that type.
    fn written(&self, id: &Id, sides: Sides<'_>) -> &str {
        match sides.new.definition(&column_of(id)) {
            Some(Definition::Column(column)) => without_cast(&self.expression, &column::base(column.data_type())),
            _ => &self.expression,
        }
    }
}

/// A string constant without a cast to this type, if it is no more than that. The names of users' types stay: a value that was just added to
/// an enum is found by it.
fn without_cast<'a>(expression: &'a str, data_type: &str) -> &'a str {
    let constant = expression.strip_suffix(data_type).and_then(|rest| rest.strip_suffix("::"));
    let is_constant = |text: &str| {
        text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).is_some_and(|inner| !inner.replace("''", "").contains('\''))
    };
    constant.filter(|text| !data_type.contains('.') && is_constant(text)).unwrap_or(expression)
}

/// The default of this id.
pub(super) fn expression<'a>(catalog: &'a Catalog, id: &Id) -> Option<&'a str> {
    match catalog.definition(id) {
        Some(Definition::Default(default)) => Some(default.expression()),
        _ => None,
    }
}

fn column_of(id: &Id) -> Id {
    Id::new(Kind::Column, id.path.clone())
}

fn clause(id: &Id, what: &str) -> String {
    format!("ALTER COLUMN {} {what}", id.ident())
}

/// Whether a change of the default in this table, if there is one, may go on to all its children: they shall have the same.
fn goes_on(id: &Id, sides: Sides<'_>) -> bool {
    let table = lineage::table_of(id).path;
    lineage::children(sides.new, &table).all(|child| {
        // One that is attached later has its own by then.
        if inheritance::attached_now(child, sides).is_some() {
            return true;
        }
        let below = lineage::same_in(id, child);
        expression(sides.new, &below) == expression(sides.new, id) && goes_on(&below, sides)
    })
}

/// Whether a parent's change, or the parent's new column, brings this default, or takes it away.
fn comes_from_parent(id: &Id, sides: Sides<'_>) -> bool {
    let table = lineage::table_of(id).path;
    lineage::parents(sides.new, &table).filter(|(it, _)| inheritance::persists(it, sides)).any(|(it, _)| {
        let above = lineage::same_in(id, lineage::parent_of(it));
        let changes = expression(sides.new, &above) != expression(sides.old, &above);
        sides.new.get(&column_of(&above)).is_some() && changes && goes_on(&above, sides)
    })
}

fn statements(id: &Id, sides: Sides<'_>, pass: Pass, what: &str) -> Vec<Statement> {
    if comes_from_parent(id, sides) {
        return Vec::new();
    }
    let only = if goes_on(id, sides) { "" } else { "ONLY " };
    vec![Statement::alter_table(format!("{only}{}", id.relation()), id, pass, clause(id, what))]
}

impl Entity for Default {
    fn query(_server: u32) -> String {
        format!(
            "SELECT json_build_object('address', {address}, 'path', json_build_array(n.nspname, c.relname, a.attname),
                'definition', json_build_object('expression', pg_get_expr(d.adbin, d.adrelid)))
             FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
             JOIN pg_class c ON c.oid = d.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE a.attgenerated = '' AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {theirs} AND NOT {extension}",
            address = address("pg_attrdef", "d.oid"),
            theirs = user_schema("n"),
            extension = owned_by_extension("pg_class", "c.oid"),
        )
    }

    fn phrase(&self, id: &Id) -> String {
        format!("COLUMN {}", id.qualified())
    }

    fn create(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        statements(id, sides, Pass::AddConstraint, &format!("SET DEFAULT {}", self.written(id, sides)))
    }

    fn inline(&self, id: &Id, sides: Sides<'_>) -> Option<Inline> {
        let column = column_of(id);
        if sides.old.get(&column).is_some() {
            return None;
        }
        if column::is_serial(&column, sides).is_some() {
            return Some(Inline::Implied { host: column });
        }
        let Some(Definition::Column(definition)) = sides.new.definition(&column) else { return None };
        match definition.inline(&column, sides) {
            Some(Inline::Implied { host }) => {
                let same = lineage::parents(sides.new, &host.path)
                    .any(|(it, _)| expression(sides.new, &lineage::same_in(id, lineage::parent_of(it))) == Some(&self.expression));
                same.then_some(Inline::Implied { host })
            }
            Some(_) => Some(Inline::Suffix { column, text: format!("DEFAULT {}", self.written(id, sides)) }),
            None if definition.follows_parent(&column, sides) => None,
            // Children that have the column already have their own default.
            None if goes_on(id, sides) => Some(Inline::Suffix { column, text: format!("DEFAULT {}", self.written(id, sides)) }),
            None => None,
        }
    }

    fn drop(&self, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
        // An identity and an expression leave no room for a default, and a column's change sees to its own.
        statements(id, sides, Pass::Drop, "DROP DEFAULT")
    }

    fn change(&self, _old: &Self, id: &Id, sides: Sides<'_>) -> Change {
        Change::Alter(statements(id, sides, Pass::AddConstraint, &format!("SET DEFAULT {}", self.written(id, sides))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_loses_the_cast_that_its_column_makes() {
        let table = [
            ("''::text", "text", "''"),
            ("'it''s'::character varying", "character varying", "'it''s'"),
            ("'{}'::text[]", "text", "'{}'::text[]"),
            ("'a'::text", "jsonb", "'a'::text"),
            ("('a'::text || 'b'::text)", "text", "('a'::text || 'b'::text)"),
            ("'a'::text || 'b'::text", "text", "'a'::text || 'b'::text"),
            ("'ok'::public.mood", "public.mood", "'ok'::public.mood"),
            ("now()", "text", "now()"),
        ];
        for (expression, data_type, written) in table {
            assert_eq!(without_cast(expression, data_type), written);
        }
    }
}
