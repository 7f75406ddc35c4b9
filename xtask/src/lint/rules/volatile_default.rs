//! `volatile-default`: a default that differs from row to row rewrites the table under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "volatile-default",
    summary: "a default that differs from row to row rewrites the table under an exclusive lock",
    level: Level::Deny,
    why: "A constant default is only noted; one that is computed for each row, as gen_random_uuid(), writes every row anew under an ACCESS EXCLUSIVE lock.",
    instead: "Add the column without it, set the default, and fill the old rows in batches later:
ALTER TABLE users ADD COLUMN token uuid;
ALTER TABLE users ALTER COLUMN token SET DEFAULT gen_random_uuid();",
    check: Check::Squawk(&[Sq::AddingFieldWithDefault], keep),
    hazards: &[
        "alter table users add column token uuid default gen_random_uuid();",
        "alter table users add column at timestamptz not null default clock_timestamp();",
        "alter table users add column r float8 default random();",
        "alter table users add column n int8 default nextval('s');",
    ],
    safe: &[
        "alter table users add column at timestamptz default now();",
        "alter table users add column state text default 'new';",
        "alter table users add column zone text not null default('before there were (several) zones');",
        "alter table users add column tags text[] not null default '{}';",
        "alter table users alter column token set default gen_random_uuid();",
        "create table a (i int8 primary key); alter table a add column u uuid default gen_random_uuid();",
    ],
};

fn keep(at: &At<'_>, violation: &Violation) -> bool {
    // To squawk, brackets around a constant are a call.
    let words = words_at(at, violation);
    let value = words.trim_start_matches("default ").trim_start_matches("( ");
    let is_constant = value.starts_with('\'') && !value.contains(" ( ");
    on_an_old_table(at, violation) && !is_generated(at, violation) && !is_constant
}
