//! One of everything, made, changed and taken away. Also as `pg_dump` sees it: what our own catalog lacks is missing on both sides of our own proof.

use stairwell::schema::{Catalog, MissingRoles, Source, Without, Workshop, compare};

use super::{Verdict, law};
use crate::harness::database::TestDatabase;
use crate::harness::{Outcome, dump};

crate::trials!(everything_is_made_changed_and_taken_away, pg_dump_prints_the_same_of_what_was_made_by_hand);

const EVERYTHING: &str = include_str!("everything.sql");

/// The same with other values.
const OTHER: &[(&str, &str)] = &[
    ("TO pg_monitor", "TO pg_read_all_data"),
    (" IS '", " IS 'another "),
    ("fillfactor = 70", "fillfactor = 80"),
    ("COST 7 ROWS 3", "COST 9 ROWS 5"),
    ("SET STATISTICS ", "SET STATISTICS 1"),
    ("START 5", "START 9"),
    ("EXTERNAL", "MAIN"),
    ("n_distinct = 5", "n_distinct = 6"),
    ("security_barrier", "security_invoker"),
    ("LOCAL CHECK", "CASCADED CHECK"),
    ("work_mem = '4MB'", "work_mem = '8MB'"),
    ("ENABLE REPLICA TRIGGER", "ENABLE ALWAYS TRIGGER"),
    ("DISABLE RULE", "ENABLE ALWAYS RULE"),
    (", FORCE ROW", ", NO FORCE ROW"),
    ("USING (c > 1)", "USING (c > 5)"),
    ("IDENTITY FULL", "IDENTITY NOTHING"),
    ("x '1'", "x '2', z '3'"),
    ("u 'v'", "u 'w'"),
    ("o 'p'", "o 'q'"),
    ("n 'm'", "n 'k'"),
    ("WHERE (id > 0)", "WHERE (id > 5)"),
    ("publish = 'insert'", "publish = 'insert, delete'"),
    ("host=none", "host=nowhere"),
    ("INCREMENT -2 CACHE 3", "INCREMENT -3 CACHE 4"),
    ("DEFAULT 8", "DEFAULT 9"),
    ("DEFAULT 3,", "DEFAULT 4,"),
    ("DEFAULT 'q'", "DEFAULT 'r'"),
    ("length(VALUE) < 9", "length(VALUE) < 8"),
    ("SELECT ON TABLES", "INSERT ON TABLES"),
    ("DISABLE TRIGGER ptr", "ENABLE REPLICA TRIGGER ptr"),
    ("MATCH FULL ON DELETE SET NULL", "ON DELETE CASCADE"),
    ("(a * 2)", "(a * 3)"),
];

/// What there is, step by step, and in words how it came to be from what there was before.
fn steps() -> [(&'static str, String); 4] {
    let other = OTHER.iter().fold(EVERYTHING.to_owned(), |text, (one, another)| {
        assert!(text.contains(one), "{one}");
        text.replace(one, another)
    });
    let everything = || EVERYTHING.to_owned();
    [("made", everything()), ("changed", other), ("changed back", everything()), ("taken away", String::new())]
}

fn everything_is_made_changed_and_taken_away() -> Outcome {
    let workshop = Workshop::open(TestDatabase::new()?.database(), MissingRoles::Refuse).unwrap();
    let mut now = catalog(&workshop, "");
    for (what, sql) in steps() {
        let wanted = catalog(&workshop, &sql);
        assert_eq!(law(&workshop, &now, &wanted), Ok(Verdict::Holds), "{what}");
        now = wanted;
    }
    Ok(())
}

fn pg_dump_prints_the_same_of_what_was_made_by_hand() -> Outcome {
    let ours = TestDatabase::new()?;
    dump::programs_fit(&ours)?;
    let workshop = Workshop::open(ours.database(), MissingRoles::Refuse).unwrap();
    let mut now = catalog(&workshop, "");
    for (what, sql) in steps() {
        let wanted = catalog(&workshop, &sql);
        dump::psql(&ours, &compare(&now, &wanted).unwrap().to_sql());
        let theirs = TestDatabase::new()?;
        dump::psql(&theirs, &sql);
        let dumps = (dump::dump(&ours), dump::dump(&theirs));
        // A database with a subscription cannot be dropped.
        dump::psql(&theirs, "DROP SUBSCRIPTION IF EXISTS su");
        dump::assert_same(what, &dumps.0, &dumps.1);
        now = wanted;
    }
    Ok(())
}

fn catalog(workshop: &Workshop, sql: &str) -> Catalog {
    let mut scratch = workshop.scratch().unwrap();
    scratch.load(&[Source::new("everything.sql", sql).unwrap()]).unwrap();
    scratch.catalog(&Without::default()).unwrap()
}
