//! `drop-index-without-concurrently`: an index is dropped while nobody can read.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "drop-index-without-concurrently",
    summary: "an index is dropped while nobody can read",
    level: Level::Deny,
    why: "DROP INDEX takes an ACCESS EXCLUSIVE lock on the table: it waits for every query, and every later query waits for it.",
    instead: "Drop it CONCURRENTLY, in a migration of its own that does not run in a transaction:
-- stairwell: no-transaction
DROP INDEX CONCURRENTLY users_email;",
    check: Check::Squawk(&[Sq::RequireConcurrentIndexDeletion], keep),
    hazards: &["drop index users_email;", "drop index if exists app.users_email, app.users_name;"],
    safe: &[
        "-- stairwell: no-transaction
drop index concurrently users_email;",
        "create table t (i int8 primary key); create index t_i on t (i); drop index t_i;",
    ],
};

fn keep(at: &At<'_>, _: &Violation) -> bool {
    let ast::Stmt::DropIndex(drop) = at.stmt else { return true };
    drop.index_refs().any(|index| at.is_old(&key(index.syntax())))
}
