//! `drop-in-use`: something that an app may use is dropped.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "drop-in-use",
    summary: "something that an app may use is dropped",
    level: Level::Warn,
    why: "It holds no rows, but an app that still uses it fails from then on.",
    instead: "Stop using it, deploy that, and drop it in a later migration.",
    check: Check::Squawk(
        &[
            Sq::BanDropView,
            Sq::BanDropFunction,
            Sq::BanDropSequence,
            Sq::BanDropDomain,
            Sq::BanDropExtension,
            Sq::BanDropConstraint,
            Sq::BanDropTrigger,
            Sq::BanDropPolicy,
        ],
        keep,
    ),
    hazards: &[
        "drop view v;",
        "drop function f(int);",
        "drop sequence s;",
        "drop domain d;",
        "drop extension hstore;",
        "alter table users drop constraint c;",
        "drop trigger touch on users;",
    ],
    safe: &[
        "create view v as select 1 as i; drop view v;",
        "drop function f(int);
create function f(int) returns int language sql as $$ select 1 $$;",
        "drop view v;
create view v as select 1 as i;",
        "create table users (id int8 primary key, email text);
-- later
alter table users add constraint c check (email is not null) not valid;
-- later
alter table users validate constraint c;
-- later
alter table users alter column email set not null, drop constraint c;",
        "create table users (id int8 primary key, email text);
-- later
alter table users add constraint c check ((email is not null)) not valid;
-- later
alter table users validate constraint c;
-- later
alter table users alter column email set not null;
alter table users drop constraint c;",
    ],
};

fn keep(at: &At<'_>, _: &Violation) -> bool {
    // What is made again in the same script is replaced.
    let dropped = match at.stmt {
        ast::Stmt::AlterTable(alter) => {
            // A check that has done its work goes.
            let sets_not_null = words(alter.syntax()).contains(" set not null");
            return at.old_table().is_some() && !sets_not_null && !is_known_otherwise(at, alter);
        }
        stmt => words(stmt.syntax()),
    };
    let Some((kind, name)) = kind_and_name(&dropped) else { return true };
    let same = |stmt: &ast::Stmt| {
        let made = words(stmt.syntax());
        made.strip_prefix("create ").is_some_and(|made| {
            let made = made.strip_prefix("or replace ").unwrap_or(made);
            made.strip_prefix(kind)
                .is_some_and(|rest| rest.trim_start().trim_start_matches("if not exists ").starts_with(name))
        })
    };
    let all = at.script.statements.iter().filter_map(|parsed| parsed.stmt.as_ref());
    !all.into_iter().any(same)
}

/// Whether what is dropped are checks that a column is not null, of columns that are so without them.
fn is_known_otherwise(at: &At<'_>, alter: &ast::AlterTable) -> bool {
    let Some(table) = altered(alter).and_then(|table| at.world.table(&key(&table))) else { return false };
    alter.actions().all(|action| {
        let ast::AlterTableAction::DropConstraint(drop) = action else { return false };
        let check = drop.constraint_name_ref().and_then(|name| table.checks.get(&key(name.syntax())));
        check.is_some_and(|check| {
            let condition = check.condition.trim_matches(|c| matches!(c, '(' | ')' | ' '));
            let column = condition.strip_suffix(" is not null").map(|column| column.trim_matches(['"', '(', ')', ' ']));
            column.and_then(|column| table.columns.get(column)).is_some_and(|column| column.not_null)
        })
    })
}

/// Of `drop view if exists app . v cascade`: the kind, and the name.
fn kind_and_name(words: &str) -> Option<(&str, &str)> {
    let (kind, rest) = words.strip_prefix("drop ")?.split_once(' ')?;
    let rest = rest.strip_prefix("if exists ").unwrap_or(rest);
    let end = rest.find([',', '(', ';']).unwrap_or(rest.len());
    let name = rest.get(..end)?.trim();
    Some((kind, name.strip_suffix(" cascade").or_else(|| name.strip_suffix(" restrict")).unwrap_or(name)))
}
