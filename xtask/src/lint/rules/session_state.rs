//! `session-state`: a setting outlives the script.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "session-state",
    summary: "a setting outlives the script",
    level: Level::Deny,
    why: "Scripts share one session, and through a pooler an app's queries as well.",
    instead: "Write SET LOCAL, which ends with the script:
SET LOCAL work_mem = '1GB';",
    check: Check::Build(&[Build::SessionState]),
    hazards: &[
        "set search_path = app;",
        "set role admin;",
        "select set_config('search_path', 'app', false);",
        "discard temp;",
        "listen a;",
        "reset all;",
    ],
    safe: &["set local work_mem = '1GB';"],
};
