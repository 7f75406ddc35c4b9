//! Commands that only look: SELECT is enough for them, and they create nothing.

use super::case::{A, B, Case, Role};
use crate::harness::{Outcome, xtask};

crate::trials!(who_may_only_select_can_look, looking_creates_nothing);

const LOOKS: [&[&str]; 9] = [
    &["status"],
    &["status", "--json"],
    &["current"],
    &["history"],
    &["history", "--verbose"],
    &["show", "a"],
    &["up", "--dry-run"],
    &["down", "--dry-run"],
    &["sql"],
];

fn who_may_only_select_can_look() -> Outcome {
    let role = Role::new("")?;
    let case = Case::with(&[A, B])?;
    case.db(&["up", "1"]).ok();
    let grant = format!("GRANT USAGE ON SCHEMA stairwell TO {0}; GRANT SELECT ON stairwell.ledger TO {0}", role.name);
    case.database.client().batch_execute(&grant).unwrap();
    for look in LOOKS {
        xtask::run(case.command(look).env("DATABASE_URL", role.url(&case.database))).ok();
    }
    Ok(())
}

fn looking_creates_nothing() -> Outcome {
    let case = Case::with(&[A, B])?;
    let objects = "SELECT count(*) FROM pg_class WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%' OR nspname = 'information_schema')";
    for look in LOOKS {
        case.db(look).ok();
    }
    assert_eq!(case.database.ask(objects), "0");
    assert_eq!(case.database.ask("SELECT to_regnamespace('stairwell') IS NULL"), "t");
    assert_eq!(case.locked(), [""; 0]);
    Ok(())
}
