//! `primary-key-constraint`: a primary key builds its index under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "primary-key-constraint",
    summary: "a primary key builds its index under an exclusive lock",
    level: Level::Deny,
    why: "ADD PRIMARY KEY takes an ACCESS EXCLUSIVE lock and keeps it while the rows are read for NULL and the index is built: nobody reads or writes.",
    instead: "Build the index first, without a lock, and make it the key in a later migration:
-- stairwell: no-transaction
CREATE UNIQUE INDEX CONCURRENTLY users_pkey ON users (id);
-- and then
ALTER TABLE users ADD CONSTRAINT users_pkey PRIMARY KEY USING INDEX users_pkey;",
    check: Check::Squawk(&[Sq::AddingSerialPrimaryKeyField], on_an_old_table),
    hazards: &[
        "alter table users add primary key (id);",
        "alter table users add constraint users_pkey primary key (id);",
        "alter table users add column id bigint primary key;",
    ],
    safe: &[
        "create table a (i int8); alter table a add primary key (i);",
        "create table users (id int8 not null);
-- later
alter table users add constraint users_pkey primary key using index users_pkey;",
    ],
};
