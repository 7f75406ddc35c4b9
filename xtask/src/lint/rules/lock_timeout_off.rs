//! `lock-timeout-off`: the script waits for locks without an end.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "lock-timeout-off",
    summary: "the script waits for locks without an end",
    level: Level::Deny,
    why: "Whoever wants the same lock later waits behind it: one long query, and all of the app stands still. The runner sets lock_timeout, gives up in time, and tries again.",
    instead: "Leave it out, or say how long the script may wait in the comments at its top:
-- stairwell: lock-timeout 10s",
    check: Check::Ours(find),
    hazards: &[
        "set local lock_timeout = 0;",
        "set local lock_timeout to '0s';",
        "select set_config('lock_timeout', '0', true);",
    ],
    safe: &["set local lock_timeout = '2s';", "set local lock_timeout to default;"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    if is_set_to_zero(at, "lock_timeout") {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
