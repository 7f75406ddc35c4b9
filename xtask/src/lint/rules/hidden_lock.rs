//! `hidden-lock`: a block, a function or a trigger locks a table, which its text does not show.

use super::prelude::*;

pub(in crate::lint) const NAME: &str = "hidden-lock";

pub(super) const RULE: Rule = Rule {
    name: NAME,
    summary: "a block, a function or a trigger locks a table, which the text does not show",
    level: Level::Warn,
    why: "On a scratch database the statement was seen to take a lock that keeps writers, or readers as well, waiting until the script is committed. Only `db lint --trace` and `db check` see it.",
    instead: "Write the statement that locks out, in a migration of its own; or say that the lock is short:
-- stairwell: allow hidden-lock it adds a column, and nothing follows",
    check: Check::Traced,
    hazards: &[],
    safe: &["do $$ begin perform 1; end $$;"],
};
