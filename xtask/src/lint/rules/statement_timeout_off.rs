//! `statement-timeout-off`: a statement may take for ever.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "statement-timeout-off",
    summary: "a statement may take for ever",
    level: Level::Warn,
    why: "What it has locked stays locked as long.",
    instead: "Give it the time that it needs at most:
SET LOCAL statement_timeout = '10min';",
    check: Check::Ours(find),
    hazards: &["set local statement_timeout = 0;", "set local statement_timeout to '0';"],
    safe: &["set local statement_timeout = '10min';"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    if is_set_to_zero(at, "statement_timeout") {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
