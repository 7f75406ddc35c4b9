//! `enum-value-order`: an enum gets a value at its end, whatever the order means.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "enum-value-order",
    summary: "an enum gets a value at its end, whatever the order means",
    level: Level::Warn,
    why: "Values compare in their order, which cannot be changed later without making the type anew.",
    instead: "Say where it belongs:
ALTER TYPE mood ADD VALUE 'calm' AFTER 'sad';",
    check: Check::Squawk(&[Sq::RequireEnumValueOrdering], always),
    hazards: &["alter type mood add value 'calm';", "alter type app.mood add value if not exists 'calm';"],
    safe: &[
        "alter type mood add value 'calm' before 'sad';",
        "alter type mood add value if not exists 'calm' after 'sad';",
    ],
};
