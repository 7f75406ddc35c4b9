//! `foreign-key-without-index`: a foreign key whose columns have no index.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "foreign-key-without-index",
    summary: "a foreign key whose columns have no index",
    level: Level::Off,
    why: "Each DELETE and each change of a key in the other table reads all of this one.",
    instead: "Build one, CONCURRENTLY where the table is in use:
CREATE INDEX CONCURRENTLY orders_user_id ON orders (user_id);",
    check: Check::Ours(find),
    hazards: &["create table a (id bigint primary key);
create table b (id bigint primary key, a_id bigint references a);"],
    safe: &[
        "create table a (id bigint primary key);
create table b (id bigint primary key, a_id bigint references a);
create index on b (a_id);",
        "create table a (id bigint primary key);
create table b (a_id bigint primary key references a);",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let ast::Stmt::CreateTable(create) = at.stmt else { return };
    let Some(table) = create.table_name().map(|name| key(name.syntax())) else { return };
    let arguments = create.table_arg_list();
    for argument in arguments.iter().flat_map(ast::TableArgList::args) {
        let ast::TableArg::Column(column) = argument else { continue };
        let has = |is: fn(&ast::ColumnConstraint) -> bool| {
            column.clauses().any(|clause| matches!(&clause, ast::ColumnClause::ColumnConstraint(it) if is(it)))
        };
        let refers = has(|it| matches!(it, ast::ColumnConstraint::ReferencesConstraint(_)));
        let is_unique = has(|it| {
            matches!(it, ast::ColumnConstraint::PrimaryKeyConstraint(_) | ast::ColumnConstraint::UniqueConstraint(_))
        });
        let Some(name) = column.name().map(|name| key(name.syntax())) else { continue };
        if refers && !is_unique && !is_indexed(at, &table, &name) {
            found.push(Found::at(column.syntax(), RULE.summary));
        }
    }
}

/// By a statement behind it in the same script.
fn is_indexed(at: &At<'_>, table: &str, column: &str) -> bool {
    let behind = at.script.statements.iter().skip(at.n + 1).filter_map(|parsed| parsed.stmt.as_ref());
    behind.into_iter().any(|stmt| match stmt {
        ast::Stmt::CreateIndex(create) => {
            let first = create.partition_item_list().and_then(|list| list.partition_items().next());
            create.table_relation_name().is_some_and(|it| key(it.syntax()) == table)
                && first.and_then(|item| item.expr()).is_some_and(|expr| key(expr.syntax()) == column)
        }
        _ => false,
    })
}
