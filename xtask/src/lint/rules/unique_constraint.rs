//! `unique-constraint`: a unique constraint builds its index under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "unique-constraint",
    summary: "a unique constraint builds its index under an exclusive lock",
    level: Level::Deny,
    why: "ADD CONSTRAINT … UNIQUE takes an ACCESS EXCLUSIVE lock and keeps it while the index is built: nobody reads or writes.",
    instead: "Build the index first, without a lock, and make it the constraint in a later migration:
-- stairwell: no-transaction
CREATE UNIQUE INDEX CONCURRENTLY users_email_key ON users (email);
-- and then
ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE USING INDEX users_email_key;",
    check: Check::Squawk(&[Sq::DisallowedUniqueConstraint], on_an_old_table),
    hazards: &[
        "alter table users add constraint users_email_key unique (email);",
        "alter table users add unique (email, name);",
        "alter table users add column code text unique;",
    ],
    safe: &[
        "alter table users add constraint users_email_key unique using index users_email_key;",
        "create table a (i int8 primary key, t text unique);",
        "create table a (i int8 primary key, t text); alter table a add unique (t);",
    ],
};
