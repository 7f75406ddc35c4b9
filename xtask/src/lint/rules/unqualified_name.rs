//! `unqualified-name`: a table is named without its schema.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "unqualified-name",
    summary: "a table is named without its schema",
    level: Level::Off,
    why: "Which table it is depends on the search_path of whoever runs it.",
    instead: "Name the schema:
CREATE TABLE app.users (id bigint PRIMARY KEY);",
    check: Check::Squawk(&[Sq::RequireTableSchema], always),
    hazards: &["create table users (id bigint primary key);", "alter table users add column a text;"],
    safe: &["create table app.users (id bigint primary key);"],
};
