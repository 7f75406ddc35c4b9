//! `rename`: something that an app uses gets another name.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "rename",
    summary: "something that an app uses gets another name",
    level: Level::Deny,
    why: "Every app that runs knows the old name, and fails until it is replaced; while a deploy goes on, both run.",
    instead: "Keep both for a while. A column: add the new one, write both, fill it, read the new one, drop the old one. A table: rename it, and make a view of the old name in the same migration, with an allow of this rule.",
    check: Check::Squawk(&[Sq::RenamingColumn, Sq::RenamingTable, Sq::RenamingObject], keep),
    hazards: &[
        "alter table users rename column name to full_name;",
        "alter table users rename to people;",
        "alter table users rename name to full_name;",
        "alter type mood rename value 'sad' to 'blue';",
        "alter schema app rename to shop;",
        "alter view v rename to w;",
        "alter type mood rename to temper;",
    ],
    safe: &[
        "create table a (i int8 primary key); alter table a rename to b;",
        "alter table users rename constraint c to d;",
        "alter index users_email rename to users_by_email;",
    ],
};

fn keep(at: &At<'_>, violation: &Violation) -> bool {
    let words = words(at.node());
    // Apps know neither by name.
    !words.contains(" rename constraint ") && !words.starts_with("alter index ") && on_an_old_table(at, violation)
}
