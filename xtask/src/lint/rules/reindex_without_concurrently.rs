//! `reindex-without-concurrently`: an index is built anew while nobody can write, or read through it.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "reindex-without-concurrently",
    summary: "an index is built anew while nobody can write, or read through it",
    level: Level::Deny,
    why: "REINDEX holds a SHARE lock on the table and an ACCESS EXCLUSIVE lock on the index until it is built.",
    instead: "Do it CONCURRENTLY, in a migration of its own that does not run in a transaction:
-- stairwell: no-transaction
REINDEX INDEX CONCURRENTLY users_email;",
    check: Check::Squawk(&[Sq::RequireConcurrentReindex], always),
    hazards: &["reindex index i;", "reindex table app.users;", "reindex (verbose) index i;"],
    safe: &[
        "-- stairwell: no-transaction
reindex table concurrently users;",
        "-- stairwell: no-transaction
reindex (concurrently, verbose) index i;",
    ],
};
