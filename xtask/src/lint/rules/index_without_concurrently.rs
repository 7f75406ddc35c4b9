//! `index-without-concurrently`: an index is built while nobody can write.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "index-without-concurrently",
    summary: "an index is built while nobody can write",
    level: Level::Deny,
    why: "CREATE INDEX holds a SHARE lock on the table until it is built: INSERT, UPDATE and DELETE wait, for minutes on a large table.",
    instead: "Build it CONCURRENTLY, in a migration of its own that does not run in a transaction:
-- stairwell: no-transaction
CREATE INDEX CONCURRENTLY users_email ON users (email);",
    check: Check::Squawk(&[Sq::RequireConcurrentIndexCreation], on_an_old_table),
    hazards: &["create index users_email on users (email);", "create unique index on app.users (lower(email));"],
    safe: &[
        "create table users (i int8 primary key, email text); create index users_email on users (email);",
        "-- stairwell: no-transaction
create index concurrently users_email on users (email);",
        "create temp table x as select 1 as i; create index on x (i);",
    ],
};
