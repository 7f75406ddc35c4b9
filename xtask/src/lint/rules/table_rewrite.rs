//! `table-rewrite`: the table is written anew under an exclusive lock.

use super::prelude::*;

pub(in crate::lint) const NAME: &str = "table-rewrite";

pub(super) const RULE: Rule = Rule {
    name: NAME,
    summary: "the table is written anew under an exclusive lock",
    level: Level::Deny,
    why: "Every row is copied under an ACCESS EXCLUSIVE lock, as SET LOGGED, UNLOGGED, TABLESPACE and ACCESS METHOD do it: nobody reads or writes. Whatever else does so is seen where the migration runs on a scratch database.",
    instead: "Make a new table as it should be and copy the rows in batches, let pg_repack do that, or choose a time at which the table may stand still.",
    check: Check::Ours(find),
    hazards: &[
        "alter table users set logged;",
        "alter table users set unlogged;",
        "alter table users set tablespace fast;",
        "alter table users set access method heap;",
        "alter table all in tablespace slow set tablespace fast;",
        "alter index users_email set tablespace fast;",
        "alter materialized view m set tablespace fast;",
    ],
    safe: &[
        "create unlogged table a (i int8 primary key); alter table a set logged;",
        "alter table users set (fillfactor = 70);",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let words = words(at.node());
    let of_index_or_view = words.starts_with("alter index ") || words.starts_with("alter materialized view ");
    if words.starts_with("alter table all in tablespace") || (of_index_or_view && words.contains(" set tablespace ")) {
        found.push(Found::at(at.node(), "files are copied to another tablespace under an exclusive lock"));
        return;
    }
    let Some((_, alter)) = at.old_table() else { return };
    for action in alter.actions() {
        if matches!(
            action,
            ast::AlterTableAction::SetLogged(_)
                | ast::AlterTableAction::SetUnlogged(_)
                | ast::AlterTableAction::SetTablespace(_)
                | ast::AlterTableAction::SetAccessMethod(_)
        ) {
            found.push(Found::at(action.syntax(), RULE.summary));
        }
    }
}
