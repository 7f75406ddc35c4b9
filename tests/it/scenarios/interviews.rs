//! An interview platform that comes from Alembic: the same four revisions in both tools, in two databases, step by step.
//!
//! The revisions have our versions as their ids, so that what the two print can be compared as it is.

use crate::commands::case::Case;
use crate::harness::alembic::Alembic;
use crate::harness::database::TestDatabase;
use crate::harness::dump::{assert_same, dump, dump_without, programs_fit, psql};
use crate::harness::shared::checkout;
use crate::harness::{Outcome, Skip};

crate::trials!(
    every_step_leaves_the_schema_and_the_place_that_alembic_leaves,
    history_has_alembics_revisions_in_alembics_order,
    the_offline_script_makes_what_alembics_makes,
);

const FOLDER: &str = "tests/it/scenarios/interviews";

/// The two, each with a database of its own.
struct Sides {
    case: Case,
    alembic: Alembic,
    theirs: TestDatabase,
}

impl Sides {
    fn new() -> Result<Self, Skip> {
        let case = Case::with(&[])?;
        programs_fit(&case.database)?;
        let alembic = Alembic::find()?;
        eprintln!("interviews: beside {}", alembic.version());
        for entry in std::fs::read_dir(checkout(FOLDER).join("migrations")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, case.workspace.migrations().join(path.file_name().unwrap())).unwrap();
        }
        Ok(Self { case, alembic, theirs: TestDatabase::new()? })
    }

    /// What Alembic prints, if it succeeds.
    #[track_caller]
    fn alembic(&self, arguments: &[&str]) -> String {
        self.alembic.run(&checkout(FOLDER), &self.theirs, arguments).ok().stdout
    }

    /// Where both are, which must be one place.
    #[track_caller]
    fn current(&self) -> String {
        let ours = self.case.db(&["current"]).ok().stdout;
        let ours: String = ours.lines().map(without_name).collect();
        let theirs = self.alembic(&["current"]);
        assert_eq!(ours, theirs.trim_end());
        ours
    }

    #[track_caller]
    fn assert_same_schema(&self, when: &str) {
        assert_same(when, &dump(&self.case.database), &dump_without(&self.theirs, &["alembic_version"]));
    }

    /// Fails the test unless the rows are the same, times of their making aside.
    #[track_caller]
    fn assert_same_rows(&self, question: &str) {
        assert_eq!(self.case.database.ask(question), self.theirs.ask(question), "{question}");
    }

    fn both(&self, sql: &str) {
        for database in [&self.case.database, &self.theirs] {
            database.client().batch_execute(sql).unwrap();
        }
    }
}

/// `20260105090000_candidates (head)` as Alembic has it: an id and no name.
fn without_name(line: &str) -> String {
    let (id, rest) = line.split_once(' ').map_or((line, String::new()), |(id, rest)| (id, format!(" {rest}")));
    format!("{}{rest}", id.split('_').next().unwrap_or_default())
}

fn every_step_leaves_the_schema_and_the_place_that_alembic_leaves() -> Outcome {
    let sides = Sides::new()?;
    assert_eq!(sides.current(), "");
    let steps: [(&[&str], &[&str], &str); 9] = [
        (&["up", "head"], &["upgrade", "head"], "20260126110000 (head)"),
        (&["down", "-1"], &["downgrade", "-1"], "20260119083000"),
        (&["up"], &["upgrade", "head"], "20260126110000 (head)"),
        (&["down", "base"], &["downgrade", "base"], ""),
        (&["up", "+1"], &["upgrade", "+1"], "20260105090000"),
        // A prefix that only one has.
        (&["up", "20260112"], &["upgrade", "20260112"], "20260112101500"),
        (&["up", "+2"], &["upgrade", "+2"], "20260126110000 (head)"),
        (&["down", "20260112101500"], &["downgrade", "20260112101500"], "20260112101500"),
        (&["up", "head"], &["upgrade", "head"], "20260126110000 (head)"),
    ];
    for (ours, theirs, place) in steps {
        sides.case.db(ours).ok();
        sides.alembic(theirs);
        sides.assert_same_schema(&ours.join(" "));
        assert_eq!(sides.current(), place, "{ours:?}");
        if ours == ["up", "20260112"] {
            // Rows that a later revision changes.
            sides.both(
                "INSERT INTO candidates (email) VALUES ('ann@example.com');
                 INSERT INTO interviews (candidate_id, scheduled_at) VALUES (1, '2026-01-18 12:00+00'), (1, '2026-02-01 12:00+00')",
            );
        }
    }
    sides.assert_same_rows("SELECT string_agg(id || ' ' || status, ', ' ORDER BY id) FROM interviews");
    sides
        .assert_same_rows("SELECT count(*) FROM candidates WHERE now() - created_at BETWEEN '0' AND interval '1 hour'");
    assert_eq!(sides.case.database.ask("SELECT pg_typeof(created_at) FROM candidates"), "timestamp with time zone");
    Ok(())
}

/// The versions that a text names, the first of each line that has one.
fn versions(text: &str, of_line: fn(&str) -> Option<&str>) -> Vec<String> {
    let version =
        |word: &str| word.get(..14).filter(|start| start.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned);
    text.lines().filter_map(of_line).filter_map(version).collect()
}

fn history_has_alembics_revisions_in_alembics_order() -> Outcome {
    let sides = Sides::new()?;
    sides.case.db(&["up", "+3"]).ok();
    sides.alembic(&["upgrade", "+3"]);
    // `<base> -> 20260105090000, candidates and interviews`
    let theirs = versions(&sides.alembic(&["history"]), |line| line.split_once(" -> ").map(|(_, rest)| rest));
    assert_eq!(theirs.len(), 4);
    let said = sides.case.db(&["history"]).ok().stdout;
    let ours =
        versions(&said, |line| line.split_whitespace().find(|word| word.starts_with("2026") && word.contains('_')));
    assert_eq!(ours, theirs, "{said}");
    Ok(())
}

fn the_offline_script_makes_what_alembics_makes() -> Outcome {
    let sides = Sides::new()?;
    let steps: [(&[&str], &[&str], &str); 4] = [
        (&["sql", "base:20260112101500"], &["upgrade", "20260112101500", "--sql"], "20260112101500"),
        (&["sql", "20260112101500:head"], &["upgrade", "20260112101500:head", "--sql"], "20260126110000 (head)"),
        (&["sql", "head:20260105090000"], &["downgrade", "head:20260105090000", "--sql"], "20260105090000"),
        (&["sql", "20260105090000:base"], &["downgrade", "20260105090000:base", "--sql"], ""),
    ];
    for (ours, theirs, place) in steps {
        psql(&sides.case.database, &sides.case.db(ours).ok().stdout);
        psql(&sides.theirs, &sides.alembic(theirs));
        sides.assert_same_schema(&ours.join(" "));
        assert_eq!(sides.current(), place, "{ours:?}");
    }
    Ok(())
}
