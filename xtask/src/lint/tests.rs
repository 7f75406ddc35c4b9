//! The labelled set: what the rules' own files call a hazard is found, and what they call safe is left alone.

use stairwell::migration::{Direction, LINT_RULES, Script};

use super::engine::{Job, run};
use super::rule::{Check, Level, Rule};
use super::rules::{RULES, of_build, unread_statement};

/// The rules that find something in the last of these migrations; `on` is one that is off otherwise.
fn finding(example: &str, on: &Rule) -> Vec<&'static str> {
    let scripts: Vec<&str> = example.split("-- later\n").collect();
    let parsed: Vec<_> =
        scripts.iter().map(|text| Script::parse("1_a.up.sql".into(), text.as_bytes(), Direction::Up)).collect();
    let jobs: Vec<Job<'_>> = scripts
        .iter()
        .zip(&parsed)
        .enumerate()
        .map(|(n, (text, (script, _)))| Job {
            text,
            in_transaction: script.as_ref().is_none_or(|script| !script.directives().no_transaction),
            is_history: n + 1 < scripts.len(),
        })
        .collect();
    let looked = run(&jobs, |rule| if rule.name == on.name { Level::Deny } else { rule.level });
    let last = looked.last().unwrap();
    let mut names: Vec<&'static str> = last.findings.iter().map(|finding| finding.rule).collect();
    if !last.unread.is_empty() && on.is_linters() {
        names.push(unread_statement::NAME);
    }
    let build = parsed.last().map(|(_, findings)| findings.as_slice()).unwrap_or_default();
    for finding in build {
        names.extend(of_build(finding.rule).map(|rule| rule.name));
    }
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn no_hazard_of_the_labelled_set_is_missed() {
    let mut missed = Vec::new();
    for rule in &RULES {
        for hazard in rule.hazards {
            let found = finding(hazard, rule);
            if !found.contains(&rule.name) {
                missed.push(format!("{}: {hazard}: {found:?}", rule.name));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn nothing_safe_of_the_labelled_set_raises_an_alarm() {
    let mut alarms = Vec::new();
    for rule in &RULES {
        for safe in rule.safe {
            let found = finding(safe, rule);
            if !found.is_empty() {
                alarms.push(format!("{}: {safe}: {found:?}", rule.name));
            }
        }
    }
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}

#[test]
fn the_labelled_set_is_large_and_has_something_for_each_rule() {
    let count: usize = RULES.iter().map(|rule| rule.hazards.len() + rule.safe.len()).sum();
    assert!(count >= 150, "{count}");
    for rule in &RULES {
        let has_hazards = !rule.hazards.is_empty() || matches!(rule.check, Check::Traced);
        assert!(has_hazards && !rule.safe.is_empty(), "{}", rule.name);
    }
}

#[test]
fn a_script_may_silence_every_rule_that_is_the_linters_own() {
    let mut own: Vec<&str> = RULES.iter().filter(|rule| rule.is_linters()).map(|rule| rule.name).collect();
    own.sort_unstable();
    assert_eq!(own, LINT_RULES, "src/migration/lint_rules.rs is what a build knows of them");
}

#[test]
fn a_statement_that_would_exhaust_the_stack_or_the_parser_is_a_warning() {
    let deep = format!("select {}1{};", "(".repeat(20_000), ")".repeat(20_000));
    let long = format!("insert into t values {};", vec!["(1)"; 40_000].join(", "));
    let jobs = [deep.as_str(), long.as_str(), "alter table users rename to people;"].map(|text| Job {
        text,
        in_transaction: true,
        is_history: false,
    });
    let looked = run(&jobs, |rule| rule.level);
    assert_eq!(looked[1].unread.len(), 1);
    assert_eq!(looked[2].findings.len(), 1, "what comes after it is looked at");
}
