//! `required-column`: a column that needs a value is added without one.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "required-column",
    summary: "a column that needs a value is added without one",
    level: Level::Deny,
    why: "The statement fails on a table that has rows (23502), and where there are none yet, an app that does not know the column cannot insert any more.",
    instead: "Give it a constant default, or leave NULL in it, fill it, and forbid NULL later:
ALTER TABLE users ADD COLUMN state text NOT NULL DEFAULT 'new';",
    check: Check::Squawk(&[Sq::AddingRequiredField], on_an_old_table),
    hazards: &[
        "alter table users add column state text not null;",
        "alter table app.users add state text not null check (state <> '');",
    ],
    safe: &[
        "alter table users add column state text not null default 'new';",
        "alter table users add column state text;",
        "create table a (i int8 primary key); alter table a add column t text not null;",
    ],
};
