//! `destructive`: what drops or overwrites data; rows 34 to 37 of the union.

use super::column_type_change::{self, Type};
use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "destructive",
    summary: "data is dropped or overwritten",
    level: Level::Deny,
    why: "A backup is the only way back, so whoever reviews the migration should know that it is meant.",
    instead: "Stop using it, deploy that, and drop it in a later migration, which says why at its top:
-- stairwell: destructive nobody has read it since March",
    check: Check::BuildAnd(&[Build::Destructive], find),
    hazards: &[
        "drop table users;",
        "drop schema app;",
        "drop type mood;",
        "alter table users drop column name;",
        "drop materialized view m;",
        "truncate users;",
        "delete from users;",
        "update users set name = null;",
        "drop view v cascade;",
        "drop owned by app;",
        "create table users (id int8 primary key, price numeric(10, 2));
-- later
alter table users alter price type numeric(10);",
        "create table users (id int8 primary key, at timestamptz);
-- later
alter table users alter at type date;",
        "create table users (id int8 primary key, name text);
-- later
alter table users alter name type varchar(20) using name::varchar(20);",
    ],
    safe: &[
        "delete from users where id = 1;",
        "create table a (i int8 primary key); drop table a;",
        "create table a (i int8 primary key, at timestamptz); alter table a alter at type date;",
    ],
};

/// A type that holds less. The build does not know what a column was.
fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let Some((table, alter)) = at.old_table() else { return };
    for change in column_type_change::changes(at, &table, alter) {
        if let Some(old) = &change.old
            && (is_rounded(old, &change.new) || (change.is_converted && is_cut(old, &change.new)))
        {
            let message = format!("`{}` loses what {} has and {} has not", change.column, old, change.new);
            found.push(Found::at(change.node.syntax(), message));
        }
    }
}

/// Whether the server drops digits without a word.
fn is_rounded(old: &Type, new: &Type) -> bool {
    let digits = |ty: &Type, n: usize, otherwise: u32| ty.modifiers.get(n).copied().unwrap_or(otherwise);
    let is_whole = |ty: &Type| matches!(ty.name.as_str(), "int2" | "int4" | "int8");
    match (old.name.as_str(), new.name.as_str()) {
        ("numeric", "numeric") => {
            // Without a scale, behind a precision, it is 0; without both there is no end.
            let scale = |ty: &Type| if ty.modifiers.is_empty() { u32::MAX } else { digits(ty, 1, 0) };
            scale(new) < scale(old)
        }
        ("numeric", "float4" | "float8")
        | ("float8", "float4")
        | ("timestamptz" | "timestamp", "date" | "time" | "timetz")
        | ("timetz", "time") => true,
        ("timestamptz" | "timestamp" | "time" | "timetz" | "interval", _) => {
            old.name == new.name && digits(new, 0, 6) < digits(old, 0, 6)
        }
        ("numeric" | "float4" | "float8", _) => is_whole(new),
        _ => false,
    }
}

/// Whether an explicit conversion cuts what is too long; without one the server refuses it.
fn is_cut(old: &Type, new: &Type) -> bool {
    let length = |ty: &Type| ty.modifiers.first().copied();
    let is_text = |ty: &Type| matches!(ty.name.as_str(), "text" | "varchar" | "char" | "character" | "bpchar");
    is_text(old) && is_text(new) && length(new).is_some_and(|new| length(old).is_none_or(|old| new < old))
}
