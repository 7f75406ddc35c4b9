//! `detach-without-concurrently`: a partition is taken out while nobody can read the table.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "detach-without-concurrently",
    summary: "a partition is taken out while nobody can read the table",
    level: Level::Deny,
    why: "DETACH PARTITION takes an ACCESS EXCLUSIVE lock on the partitioned table: it waits for every query, and every later query waits for it.",
    instead: "Do it CONCURRENTLY, in a migration of its own that does not run in a transaction:
-- stairwell: no-transaction
ALTER TABLE sales DETACH PARTITION sales_2020 CONCURRENTLY;",
    check: Check::Squawk(&[Sq::RequireConcurrentPartitionDetach], on_an_old_table),
    hazards: &["alter table sales detach partition sales_2020;"],
    safe: &[
        "-- stairwell: no-transaction
alter table sales detach partition sales_2020 concurrently;",
        "-- stairwell: no-transaction
alter table sales detach partition sales_2020 finalize;",
    ],
};
