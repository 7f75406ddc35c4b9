//! Pairs of schemas that other projects test themselves with; see `../shared/corpora/schemas`.

use std::fs;
use std::path::Path;

use stairwell::schema::{Catalog, MissingRoles, Source, Without, Workshop};

use super::{Verdict, law};
use crate::harness::database::TestDatabase;
use crate::harness::shared::shared;
use crate::harness::{Outcome, Skip};

crate::trials!(a_script_between_two_schemas_of_others_gives_the_one_and_back_the_other);

/// How many of the pairs are tried otherwise: one of this many.
const ONE_OF: usize = 40;

/// Cases in which no way is right to be refused, each with a word of why.
const NO_WAY: &[(&str, &str)] =
    &[("partition", "a table that becomes partitioned"), ("inherit", "what it inherits holds data")];

fn a_script_between_two_schemas_of_others_gives_the_one_and_back_the_other() -> Outcome {
    let corpus = shared("corpora/schemas")?;
    let database = TestDatabase::new()?;
    let server: u32 = database.ask("SHOW server_version_num").parse().map_or(0, |n: u32| n / 10_000);
    if server != 15 {
        return Err(Skip(format!("the pairs load on PostgreSQL 15, and this is {server}")));
    }
    let workshop = Workshop::open(database.database(), MissingRoles::Create).unwrap();
    let cases = fs::read_to_string(corpus.join("good_cases.txt")).unwrap();
    let step = if std::env::var_os("PAIRS").is_some() { 1 } else { ONE_OF };
    let (mut held, mut refused, mut broken) = (0, Vec::new(), Vec::new());
    for case in cases.split_whitespace().step_by(step) {
        let folder = corpus.join("pairs").join(case);
        let read = |file: &str| catalog(&workshop, &folder.join(file));
        let (Some(old), Some(new)) = (read("old.sql"), read("new.sql")) else {
            eprintln!("{case}: does not load here");
            continue;
        };
        match law(&workshop, &old, &new) {
            Ok(Verdict::Holds) => held += 1,
            Ok(Verdict::Refused(why)) => refused.push(format!("{case}: {why}")),
            Err(why) => broken.push(format!("{case}: {why}")),
        }
    }
    eprintln!("{held} pairs hold, {} are refused", refused.len());
    for case in &refused {
        eprintln!("refused: {case}");
    }
    assert!(broken.is_empty(), "{} pairs are broken:\n{}", broken.len(), broken.join("\n\n"));
    let surprising: Vec<&String> =
        refused.iter().filter(|case| !NO_WAY.iter().any(|(word, _)| case.contains(word))).collect();
    assert!(surprising.is_empty(), "{surprising:#?}");
    Ok(())
}

/// The catalog of a file, or `None` where a server of this kind refuses it.
fn catalog(workshop: &Workshop, file: &Path) -> Option<Catalog> {
    let mut scratch = workshop.scratch().unwrap();
    let sources = Source::read(file).ok()?;
    scratch.load(&sources).ok()?;
    Some(scratch.catalog(&Without::default()).unwrap())
}
