//! `concurrently-in-transaction`: a statement that cannot run in a transaction stands in a script that does.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "concurrently-in-transaction",
    summary: "a statement that cannot run in a transaction stands in a script that does",
    level: Level::Deny,
    why: "Postgres refuses it (25001), and the migration fails.",
    instead: "Give it a migration of its own that does not run in a transaction:
-- stairwell: no-transaction
REINDEX INDEX CONCURRENTLY users_email;",
    check: Check::Build(&[Build::InTransaction, Build::SeveralStatements]),
    hazards: &[
        "create index concurrently i on t (a);",
        "drop index concurrently i;",
        "reindex table concurrently t;",
        "vacuum t;",
        "alter table t detach partition p concurrently;",
        "-- stairwell: no-transaction
create index concurrently i on t (a);
create index concurrently j on t (b);",
    ],
    safe: &[
        "-- stairwell: no-transaction
reindex index concurrently i;",
        "-- stairwell: no-transaction
vacuum (analyze) t;",
    ],
};
