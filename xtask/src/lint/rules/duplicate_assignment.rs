//! `duplicate-assignment`: one UPDATE sets a column twice.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "duplicate-assignment",
    summary: "one UPDATE sets a column twice",
    level: Level::Deny,
    why: "Postgres refuses it (42601), and the migration fails.",
    instead: "Keep one of the two.",
    check: Check::Squawk(&[Sq::BanDuplicateColumnAssignments], always),
    hazards: &["update users set name = 'a', name = 'b' where id = 1;"],
    safe: &["update users set name = 'a', state = 'b' where id = 1;"],
};
