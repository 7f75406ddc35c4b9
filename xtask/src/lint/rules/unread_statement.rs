//! `unread-statement`: the linter cannot read a statement, and has not looked at it.

use super::prelude::*;

pub(in crate::lint) const NAME: &str = "unread-statement";

pub(super) const RULE: Rule = Rule {
    name: NAME,
    summary: "the linter cannot read this statement, and has not looked at it",
    level: Level::Warn,
    why: "It is read by squawk's parser, which knows nearly all that Postgres does, and the database is the judge: the migration runs all the same.",
    instead: "Look at it twice; then say so:
-- stairwell: allow unread-statement Postgres takes it, and it locks nothing",
    check: Check::Unread,
    hazards: &["set local role default frobnicate;", "alter table users frobnicate;"],
    safe: &["alter table users set (fillfactor = 90);"],
};
