//! `incompatible-change`: a column is not any more what an app takes it for.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "incompatible-change",
    summary: "a column is not any more what an app takes it for",
    level: Level::Warn,
    why: "DROP NOT NULL lets an app read NULL that never did; without its default an INSERT that leaves the column out writes NULL or fails; in another schema the table is not found.",
    instead: "Make the app ready for both first, and change it in a later migration.",
    check: Check::Squawk(&[Sq::BanDropNotNull, Sq::BanDropDefault, Sq::BanSetSchema], on_an_old_table),
    hazards: &[
        "alter table users alter column name drop not null;",
        "alter table users alter column state drop default;",
        "alter table users set schema app;",
    ],
    safe: &[
        "create table a (i int8 primary key, t text not null); alter table a alter t drop not null;",
        "alter table users alter column state set default 'new';",
    ],
};
