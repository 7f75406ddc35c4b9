//! `column-type-change`: a column gets another type, which rewrites the table under an exclusive lock.

use std::fmt;

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "column-type-change",
    summary: "a column gets another type, which rewrites the table under an exclusive lock",
    level: Level::Deny,
    why: "Every row and every index over the column is written anew under an ACCESS EXCLUSIVE lock, unless the old type only gets wider. And an app that reads the old type breaks.",
    instead: "Add a column of the new type, write both, fill the old rows in batches, read the new one, and drop the old one in later migrations.",
    check: Check::Ours(find),
    hazards: &[
        "alter table users alter column id type bigint;",
        "alter table users alter name set data type varchar(20);",
        "create table users (id int8 primary key, name varchar(40));
-- later
alter table users alter name type varchar(20);",
        "create table users (id int8 primary key, price numeric(10, 2));
-- later
alter table users alter price type numeric(12, 4);",
        "create table users (id int8 primary key, name varchar(40));
-- later
alter table users alter name type text using lower(name);",
    ],
    safe: &[
        "create table users (id int8 primary key, name varchar(40));
-- later
alter table users alter name type varchar(80);",
        "create table users (id int8 primary key, name varchar(40));
-- later
alter table users alter name type text;",
        "create table users (id int8 primary key, price numeric(10, 2));
-- later
alter table users alter price type numeric(12, 2);",
        "create table users (id int8 primary key, at timestamptz(3));
-- later
alter table users alter at type timestamptz;",
        "create table a (i int4); alter table a alter i type int8;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let Some((table, alter)) = at.old_table() else { return };
    for change in changes(at, &table, alter) {
        if !change.is_wider() {
            let message = match &change.old {
                Some(old) => {
                    let (column, new) = (&change.column, &change.new);
                    format!("`{column}` is {old} and becomes {new}, which rewrites the table under an exclusive lock")
                }
                None => RULE.summary.to_owned(),
            };
            found.push(Found::at(change.node.syntax(), message));
        }
    }
}

/// A column that gets another type.
pub(super) struct Change {
    pub(super) node: ast::SetType,
    pub(super) column: String,
    /// Not there where no migration has made it.
    pub(super) old: Option<Type>,
    pub(super) new: Type,
    /// Whether it says `USING`.
    pub(super) is_converted: bool,
}

impl Change {
    /// Whether the server takes all values as they are.
    pub(super) fn is_wider(&self) -> bool {
        !self.is_converted && self.old.as_ref().is_some_and(|old| is_wider(old, &self.new))
    }
}

/// Each column of the table that gets another type.
pub(super) fn changes(at: &At<'_>, table: &str, alter: &ast::AlterTable) -> Vec<Change> {
    let change = |action| {
        let ast::AlterTableAction::AlterColumn(alter) = action else { return None };
        let (Some(ast::AlterColumnOption::SetType(node)), Some(column)) = (alter.option(), alter.column_name_ref())
        else {
            return None;
        };
        let column = key(column.syntax());
        let old = at.world.table(table).and_then(|it| it.columns.get(&column)).map(|column| column.ty.as_str());
        Some(Change {
            old: old.filter(|old| !old.is_empty()).map(Type::of),
            new: Type::of(&node.ty().map(|ty| words(ty.syntax())).unwrap_or_default()),
            is_converted: node.using_expr().is_some(),
            column,
            node,
        })
    };
    alter.actions().filter_map(change).collect()
}

/// A type's name, as Postgres calls it, and what stands in its parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) name: String,
    pub(super) modifiers: Vec<u32>,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.modifiers.is_empty() {
            return Ok(());
        }
        let modifiers: Vec<String> = self.modifiers.iter().map(u32::to_string).collect();
        write!(f, "({})", modifiers.join(", "))
    }
}

impl Type {
    fn of(words: &str) -> Self {
        let (name, rest) = words.split_once(" ( ").unwrap_or((words, ""));
        let (inside, behind) = rest.split_once(" )").unwrap_or((rest, ""));
        let name = match format!("{name}{behind}").trim() {
            "varchar" | "character varying" => "varchar",
            "decimal" | "numeric" | "dec" => "numeric",
            "timestamptz" | "timestamp with time zone" => "timestamptz",
            "timestamp" | "timestamp without time zone" => "timestamp",
            "time" | "time without time zone" => "time",
            "timetz" | "time with time zone" => "timetz",
            "varbit" | "bit varying" => "varbit",
            "int" | "integer" | "serial" | "serial4" => "int4",
            "bigint" | "bigserial" | "serial8" => "int8",
            "smallint" | "smallserial" | "serial2" => "int2",
            "real" => "float4",
            "double precision" | "float" => "float8",
            other => other,
        }
        .to_owned();
        let modifiers = inside.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        Self { name, modifiers }
    }
}

/// Whether Postgres takes the values as they are: what `ATColumnChangeRequiresRewrite` says of these types.
fn is_wider(old: &Type, new: &Type) -> bool {
    let no_less = |n: usize| match (old.modifiers.get(n), new.modifiers.get(n)) {
        (_, None) => true,
        (Some(old), Some(new)) => old <= new,
        (None, Some(_)) => false,
    };
    match (old.name.as_str(), new.name.as_str()) {
        ("varchar", "text") | ("cidr", "inet") => true,
        ("varchar", "varchar")
        | ("varbit", "varbit")
        | ("timestamptz", "timestamptz")
        | ("timestamp", "timestamp")
        | ("time", "time")
        | ("timetz", "timetz")
        | ("interval", "interval") => no_less(0),
        // Another scale rounds.
        ("numeric", "numeric") => {
            new.modifiers.is_empty()
                || (no_less(0) && old.modifiers.get(1) == new.modifiers.get(1) && !old.modifiers.is_empty())
        }
        (old_name, new_name) => old_name == new_name && old.modifiers == new.modifiers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_gets_wider_is_taken_as_it_is() {
        for (old, new, wider) in [
            ("varchar ( 4 )", "character varying ( 8 )", true),
            ("varchar ( 8 )", "varchar ( 4 )", false),
            ("varchar", "varchar ( 4 )", false),
            ("varchar ( 4 )", "varchar", true),
            ("character ( 4 )", "text", false),
            ("numeric ( 4 , 2 )", "numeric", true),
            ("numeric", "numeric ( 4 , 2 )", false),
            ("timestamp ( 3 ) with time zone", "timestamptz", true),
            ("timestamp", "timestamptz", false),
            ("int4", "int8", false),
        ] {
            assert_eq!(is_wider(&Type::of(old), &Type::of(new)), wider, "{old} to {new}");
        }
    }
}
