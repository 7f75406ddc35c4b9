//! `transaction-control`: `BEGIN`, `COMMIT` and their kin; rows 48 and 50 of the union.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "transaction-control",
    summary: "a script begins or ends a transaction",
    level: Level::Deny,
    why: "Each migration runs in one transaction with its row of the ledger. One that commits by itself is half done when what follows fails.",
    instead: "Leave it out, and split the script where it wants to commit.",
    check: Check::Build(&[Build::TransactionControl]),
    hazards: &[
        "begin;
select 1;
commit;",
        "select 1; rollback;",
        "begin; select 1;",
        "prepare transaction 'a';",
    ],
    safe: &["select 1;"],
};
