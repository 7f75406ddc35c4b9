//! Several commands at once on one database.

use super::case::{Case, at_once};
use crate::harness::Outcome;
use crate::harness::Skip;

crate::trials!(two_at_once_apply_each_migration_once, up_and_down_at_once_leave_the_ledger_true,);

/// Thirty migrations, the tenth of them outside of a transaction. Each leaves a row, so that a second run of one would show.
fn thirty() -> Result<Case, Skip> {
    let case = Case::with(&[("1_start", "create table ran (n int); insert into ran values (1);", "drop table ran;")])?;
    for n in 2..=30 {
        let (up, down) = if n == 10 {
            (
                "-- stairwell: no-transaction\ncreate index concurrently ran_n on ran (n);".to_owned(),
                "-- stairwell: no-transaction\ndrop index concurrently ran_n;".to_owned(),
            )
        } else {
            (format!("insert into ran values ({n});"), format!("delete from ran where n = {n};"))
        };
        case.workspace.write(&format!("{n}_step.up.sql"), up);
        case.workspace.write(&format!("{n}_step.down.sql"), down);
    }
    Ok(case)
}

fn two_at_once_apply_each_migration_once() -> Outcome {
    let case = thirty()?;
    for ran in at_once((0..2).map(|_| case.command(&["up"])).collect()) {
        ran.ok();
    }
    assert_eq!(case.database.applied().len(), 30);
    assert_eq!(case.database.ask("select count(*) || ' ' || count(distinct n) from ran"), "29 29");
    assert_eq!(case.database.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ran_n'::regclass"), "t");
    assert_eq!(case.locked().len(), 60);
    case.db(&["up", "--locked"]).ok();
    Ok(())
}

fn up_and_down_at_once_leave_the_ledger_true() -> Outcome {
    let case = thirty()?;
    case.db(&["up", "15"]).ok();
    // Whoever comes second finds the ledger changed; it may go on or give up, and must not lie.
    for ran in at_once(vec![case.command(&["up"]), case.command(&["down", "5"])]) {
        assert!(matches!(ran.code, 0 | 1), "{ran:?}");
    }
    let rows: usize = case.database.ask("select count(*) from ran").parse().unwrap();
    let applied = case.database.applied();
    let without_row = usize::from(applied.iter().any(|version| version == "10"));
    assert_eq!(rows + without_row, applied.len());
    case.db(&["up"]).ok();
    assert_eq!(case.database.applied().len(), 30);
    Ok(())
}
