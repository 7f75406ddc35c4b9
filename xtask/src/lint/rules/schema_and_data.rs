//! `schema-and-data`: rows are filled in under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "schema-and-data",
    summary: "rows are filled in under an exclusive lock",
    level: Level::Deny,
    why: "The lock of the schema change is kept until the transaction ends: nobody reads or writes the table while its rows are changed.",
    instead: "Change the schema here, and fill the rows in a later migration; in batches if they are many.",
    check: Check::Ours(find),
    hazards: &[
        "alter table users add column state text;
update users set state = 'new' where state is null;",
        "alter table users add column a int8;
insert into audit select id from users;",
        "alter table users add column a int8;
delete from orders where at < now();",
    ],
    safe: &[
        "create table a (i int8 primary key);
insert into a select 1;",
        "update users set state = 'new' where state is null;",
        "alter table users add column a int8;
insert into kinds values (1);",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let changes_rows = match at.stmt {
        ast::Stmt::Update(update) => update.relation_name().is_none_or(|name| at.is_old(&key(name.syntax()))),
        ast::Stmt::Delete(delete) => delete.relation_name().is_none_or(|name| at.is_old(&key(name.syntax()))),
        ast::Stmt::Insert(_) => words(at.node()).contains(" select "),
        ast::Stmt::Merge(_) => true,
        _ => false,
    };
    if changes_rows && let Some(table) = at.locked_before().first() {
        found.push(Found::at(at.node(), format!("rows are changed while `{table}` is locked against reading")));
    }
}
