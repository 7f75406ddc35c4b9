//! `preferred-type`: another type would do better.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "preferred-type",
    summary: "another type would do better",
    level: Level::Off,
    why: "varchar(n) and char(n) cost a rewrite or a failure when the limit is wrong; timestamp without a zone means another moment for each session; serial leaves a sequence behind that nobody owns; int may be used up. It is a matter of taste, and so it is off.",
    instead: "Use text (with a check, if there is a limit), timestamptz, GENERATED … AS IDENTITY, and bigint.",
    check: Check::Squawk(
        &[
            Sq::PreferTextField,
            Sq::BanCharField,
            Sq::PreferTimestampTz,
            Sq::PreferIdentity,
            Sq::PreferBigintOverInt,
            Sq::PreferBigintOverSmallint,
        ],
        always,
    ),
    hazards: &[
        "create table a (i bigint primary key, name varchar(20));",
        "create table a (i bigint primary key, c char(3));",
        "create table a (i bigint primary key, at timestamp);",
        "create table a (i bigserial primary key);",
        "alter table users add column n smallint;",
    ],
    safe: &["create table a (i bigint generated always as identity primary key, t text, at timestamptz);"],
};
