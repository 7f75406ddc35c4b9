//! `enum-value-used`: a value is used in the transaction that adds it to its enum.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "enum-value-used",
    summary: "a value is used in the transaction that adds it to its enum",
    level: Level::Deny,
    why: "Postgres refuses a new value until it is committed (55P04), and a script commits as a whole.",
    instead: "Use it in a later migration.",
    check: Check::Build(&[Build::EnumValueUsed]),
    hazards: &["alter type mood add value 'calm' after 'sad';
update people set mood = 'calm' where mood = 'sad';"],
    safe: &["alter type mood add value 'calm' after 'sad';"],
};
