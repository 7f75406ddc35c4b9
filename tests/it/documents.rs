//! What the documents promise is there.

use std::collections::BTreeSet;
use std::fs;

use libtest_mimic::Trial;

use crate::harness::Outcome;
use crate::harness::shared::checkout;

/// Adds the tests of the documents. The names of the trials so far are what the documents may name.
pub(crate) fn add(trials: &mut Vec<Trial>) {
    let names: BTreeSet<String> =
        trials.iter().filter_map(|trial| Some(trial.name().rsplit_once("::")?.1.to_owned())).collect();
    let test = move || every_fault_of_the_table_has_its_test(&names);
    trials.push(crate::harness::trial(module_path!(), "every_fault_of_the_table_has_its_test", test));
    let links = "every_link_from_one_document_to_another_leads_to_a_file";
    trials.push(crate::harness::trial(module_path!(), links, every_link_from_one_document_to_another_leads_to_a_file));
}

fn every_link_from_one_document_to_another_leads_to_a_file() -> Outcome {
    let root = checkout("");
    let mut documents = vec![root.join("README.md"), root.join("migrations/README.md")];
    for folder in ["docs", "docs/lint"] {
        let files = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        documents.extend(files.filter(|path| path.is_file()));
    }
    let mut broken = Vec::new();
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        // Neither another site nor a heading of the same document.
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or_default();
            if !document.parent().unwrap().join(file).is_file() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

fn every_fault_of_the_table_has_its_test(trials: &BTreeSet<String>) -> Outcome {
    let rows: Vec<Vec<&str>> = include_str!("../../docs/reliability.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").collect())
        .filter(|cells: &Vec<&str>| cells[0].parse::<u32>().is_ok())
        .collect();
    let mut wrong = Vec::new();
    let mut named = BTreeSet::new();
    for (number, row) in (1..).zip(&rows) {
        let [n, happens, does, tests] = row[..] else {
            wrong.push(format!("row {number} has {} cells, and not 4", row.len()));
            continue;
        };
        if n != number.to_string() {
            wrong.push(format!("row {number} is missing, or not in its place"));
        }
        if happens.is_empty() || does.is_empty() {
            wrong.push(format!("row {number} says nothing"));
        }
        for test in tests.split(", ").map(|test| test.trim_matches('`')) {
            if !test.starts_with(&format!("f{number:02}_")) || !trials.contains(test) {
                wrong.push(format!("row {number} names `{test}`, which is no test of it"));
            }
            named.insert(test);
        }
    }
    // A test that the table does not name is a promise that nobody can look up.
    let is_fault = |trial: &&String| {
        trial.split_once('_').and_then(|(row, _)| row.strip_prefix('f')).is_some_and(|row| row.parse::<u32>().is_ok())
    };
    let unnamed = trials.iter().filter(is_fault).filter(|trial| !named.contains(trial.as_str()));
    wrong.extend(unnamed.map(|trial| format!("no row names `{trial}`")));
    if rows.len() != 40 {
        wrong.push(format!("{} rows, and not 40", rows.len()));
    }
    assert!(wrong.is_empty(), "docs/reliability.md:\n{}", wrong.join("\n"));
    Ok(())
}
