//! `narrow-primary-key`: a primary key that ends at two thousand million.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "narrow-primary-key",
    summary: "a primary key that ends at two thousand million",
    level: Level::Warn,
    why: "An integer key is used up at 2,147,483,647, serial or not, and to widen it later rewrites the table and all that refer to it.",
    instead: "Use bigint, or uuid.",
    check: Check::Ours(find),
    hazards: &[
        "create table a (id integer primary key);",
        "create table a (id serial primary key);",
        "create table a (id int generated always as identity, primary key (id));",
        "create table a (id smallint primary key);",
    ],
    safe: &[
        "create table a (id bigint primary key);",
        "create table a (id uuid primary key);",
        "create table a (x int, y int, primary key (x, y));",
        "create table a (id bigint generated always as identity primary key, n int);",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let ast::Stmt::CreateTable(create) = at.stmt else { return };
    let arguments = create.table_arg_list();
    let all = || arguments.iter().flat_map(ast::TableArgList::args);
    // Of several columns each may be narrow.
    let key_columns = all().find_map(|argument| match argument {
        ast::TableArg::TableConstraint(ast::TableConstraint::PrimaryKeyConstraint(primary)) => {
            let list = primary.index_parameters()?.column_list()?;
            Some(list.column_name_refs().map(|name| key(name.syntax())).collect::<Vec<_>>())
        }
        _ => None,
    });
    for argument in all() {
        let ast::TableArg::Column(column) = argument else { continue };
        let (Some(name), Some(ty)) = (column.name().map(|name| key(name.syntax())), column.ty()) else { continue };
        let is_key = key_columns.as_ref().is_some_and(|columns| *columns == [name])
            || column.clauses().any(|clause| {
                matches!(clause, ast::ColumnClause::ColumnConstraint(ast::ColumnConstraint::PrimaryKeyConstraint(_)))
            });
        let is_narrow = matches!(
            words(ty.syntax()).as_str(),
            "int" | "integer" | "int4" | "smallint" | "int2" | "serial" | "serial4" | "smallserial" | "serial2"
        );
        if is_key && is_narrow {
            found.push(Found::at(column.syntax(), RULE.summary));
        }
    }
}
