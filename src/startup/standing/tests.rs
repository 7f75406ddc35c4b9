use super::*;
use crate::plan::State;
use crate::set::{Inspection, Source};

/// Migrations `1_m`, `2_m` … with these up scripts.
fn set(files: &[(u64, &str)]) -> MigrationSet {
    let both = |(version, up): &(u64, &str)| {
        [(format!("{version}_m.up.sql"), (*up).to_owned()), (format!("{version}_m.down.sql"), "select 1;".to_owned())]
    };
    let sources = files.iter().flat_map(both).map(|(path, text)| Ok(Source { path, bytes: text.into_bytes() }));
    Inspection::of(sources, "stairwell.lock", |_, bytes: Vec<u8>| Ok(bytes.into())).set().clone()
}

fn plain(versions: &[u64]) -> MigrationSet {
    set(&versions.iter().map(|version| (*version, "select 1;")).collect::<Vec<_>>())
}

/// What the ledger says when all of a set has been applied.
fn applied(set: &MigrationSet) -> History {
    History::assumed(set, set.head().map(|migration| migration.version))
}

/// Current, pending, ahead, and the rules that are violated.
fn seen(standing: &Standing) -> String {
    let conflict = standing
        .conflict
        .as_ref()
        .map(|findings| findings.0.iter().map(|finding| finding.rule.name()).collect::<Vec<_>>().join(" "));
    let current = standing.current.as_deref().unwrap_or("-").to_owned();
    let words = [
        current,
        format!("pending {} ahead", standing.pending),
        standing.ahead.join(","),
        conflict.unwrap_or_default(),
    ];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_database_stands_where_set_and_ledger_say() {
    let order = OutOfOrder::Refuse;
    for (have, ledger, standing) in [
        (&[1, 2, 3][..], &[][..], "- pending 3 ahead"),
        (&[1, 2, 3], &[1, 2], "2_m pending 1 ahead"),
        (&[1, 2, 3], &[1, 2, 3], "3_m pending 0 ahead"),
        // Another release was here.
        (&[1, 2], &[1, 2, 3, 4], "4_m pending 0 ahead 3_m,4_m"),
        // What is older than the newest that this program has, and unknown to it, is another history.
        (&[1, 3], &[1, 2, 3], "3_m pending 0 ahead missing"),
        (&[1, 2, 3], &[1, 3], "3_m pending 1 ahead out-of-order"),
        // Two branches: nobody has tried this order.
        (&[1, 2], &[1, 3], "3_m pending 1 ahead 3_m missing out-of-order"),
        (&[], &[], "- pending 0 ahead"),
        (&[], &[1], "1_m pending 0 ahead 1_m"),
    ] {
        let found = Standing::of(&plain(have), &applied(&plain(ledger)), order);
        assert_eq!(seen(&found), standing, "{have:?} {ledger:?}");
    }
}

#[test]
fn an_edited_migration_is_a_conflict_and_an_edited_comment_is_not() {
    let was = applied(&set(&[(1, "select 1;"), (2, "select 2;")]));
    let edited = Standing::of(&set(&[(1, "select 11;"), (2, "select 2;")]), &was, OutOfOrder::Refuse);
    assert_eq!(seen(&edited), "2_m pending 0 ahead edited");
    let comment = Standing::of(&set(&[(1, "-- one\nselect 1;"), (2, "select 2;")]), &was, OutOfOrder::Refuse);
    assert_eq!(seen(&comment), "2_m pending 0 ahead");
    // A newer release on top does not excuse it.
    let more = applied(&set(&[(1, "select 1;"), (2, "select 2;"), (3, "select 3;")]));
    let edited = Standing::of(&set(&[(1, "select 11;"), (2, "select 2;")]), &more, OutOfOrder::Refuse);
    assert_eq!(seen(&edited), "3_m pending 0 ahead 3_m edited");
}

#[test]
fn what_is_out_of_order_may_be_allowed() {
    let found = Standing::of(&plain(&[1, 2, 3]), &applied(&plain(&[1, 3])), OutOfOrder::Allow);
    assert_eq!(seen(&found), "3_m pending 1 ahead");
}

#[test]
fn what_is_half_done_is_pending_and_what_is_half_undone_is_a_conflict() {
    let set = plain(&[1, 2]);
    let mut history = applied(&set);
    history.rows[1].state = State::Applying;
    assert_eq!(seen(&Standing::of(&set, &history, OutOfOrder::Refuse)), "1_m pending 1 ahead");
    history.rows[1].state = State::Reverting;
    assert_eq!(seen(&Standing::of(&set, &history, OutOfOrder::Refuse)), "1_m pending 0 ahead interrupted");
    // What a newer release has under way is its own business.
    assert_eq!(seen(&Standing::of(&plain(&[1]), &history, OutOfOrder::Refuse)), "1_m pending 0 ahead 2_m");
}
