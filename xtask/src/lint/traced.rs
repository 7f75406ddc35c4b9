//! What was seen on a scratch database, beside what the rules say by the text alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use stairwell::Version;
use stairwell::migration::Script;
use stairwell::schema::{TableLock, Touch, Trace};
use stairwell::sql::Lexer;

use super::engine::Finding;
use super::rules::{drop_of_referring_table, hidden_lock, several_tables_locked, table_rewrite};

/// What was seen, migration by migration. Empty where there was no scratch database.
pub(crate) type Traced = BTreeMap<Version, Trace>;

/// Rules that a rewrite which was seen is told under, where they find one.
const REWRITES: [&str; 7] = [
    "column-type-change",
    "generated-column",
    "refresh-without-concurrently",
    "serial-column",
    "table-rewrite",
    "vacuum-full",
    "volatile-default",
];

/// Rules that say nothing but that a table is rewritten.
const REFUTABLE: [&str; 4] = ["column-type-change", "generated-column", "serial-column", "volatile-default"];

/// Rules that find more where it was seen what a migration does: an `allow` of them may be needed only there.
pub(crate) const SEEN_ONLY: [&str; 4] =
    ["drop-of-referring-table", "hidden-lock", "several-tables-locked", "table-rewrite"];

/// Takes back what was refuted, and adds what no rule could tell.
pub(crate) fn refine(script: &Script, touches: &[Vec<Touch>], findings: &mut Vec<Finding>) {
    let mut locked: BTreeSet<&str> = BTreeSet::new();
    let mut is_told = findings.iter().any(|finding| finding.rule == several_tables_locked::NAME);
    for (range, touches) in script.statements().iter().zip(touches) {
        let statement = Statement { range, first: first_word(script.text().get(range.clone()).unwrap_or_default()) };
        let rewritten: Vec<&str> = touches.iter().filter(|it| it.rewritten).map(|it| it.table.as_str()).collect();
        let is_known = |rules: &[&str], findings: &[Finding]| {
            findings.iter().any(|finding| rules.contains(&finding.rule) && statement.has(finding))
        };
        // What is stored stays as it is: it is only the type's name that changes, or the default is one for all rows.
        if rewritten.is_empty() {
            let is_type = is_known(&["column-type-change"], findings);
            let is_refuted = |rule| REFUTABLE.contains(&rule) || (is_type && rule == "several-scans");
            findings.retain(|it| !is_refuted(it.rule) || !statement.has(it));
        }
        if !rewritten.is_empty() && !statement.is(&["truncate", "drop"]) && !is_known(&REWRITES, findings) {
            let what = format!("all rows of {} are written anew under an exclusive lock", join(&rewritten));
            findings.push(statement.finding(table_rewrite::NAME, what));
        }
        let gone = |touch: &&Touch| touch.dropped;
        let exclusive: Vec<&Touch> = touches.iter().filter(|it| it.lock == TableLock::AccessExclusive).collect();
        if touches.iter().any(|it| gone(&it)) {
            let others: Vec<&str> = exclusive.iter().filter(|it| !gone(it)).map(|it| it.table.as_str()).collect();
            if !others.is_empty() && !is_known(&[drop_of_referring_table::NAME], findings) {
                let what = format!("what is dropped refers to {}, and locks that as well", join(&others));
                findings.push(statement.finding(drop_of_referring_table::NAME, what));
            }
        } else if let Some(hardest) = touches.iter().max_by_key(|it| it.lock)
            && statement.is(&["do", "select", "call", "insert", "update", "delete", "with", "merge"])
        {
            let what = format!("the statement takes {} on `{}`", hardest.lock, hardest.table);
            findings.push(statement.finding(hidden_lock::NAME, what));
        }
        let before = locked.first().copied();
        locked.extend(exclusive.iter().map(|it| it.table.as_str()));
        // A statement that drops several, or one with what refers to it, is told above.
        if let (Some(first), Some(second)) = (before, exclusive.iter().find(|it| Some(it.table.as_str()) != before))
            && !is_told
        {
            let what = format!("`{}` is locked while `{first}` is", second.table);
            findings.push(statement.finding(several_tables_locked::NAME, what));
            is_told = true;
        }
    }
    findings.sort_by_key(|finding| finding.span.start);
}

/// A statement in its script.
struct Statement<'a> {
    range: &'a Range<usize>,
    first: String,
}

impl Statement<'_> {
    fn has(&self, finding: &Finding) -> bool {
        (self.range.start..self.range.end.max(self.range.start + 1)).contains(&finding.span.start)
    }

    /// Whether it begins with one of these words.
    fn is(&self, words: &[&str]) -> bool {
        words.contains(&self.first.as_str())
    }

    fn finding(&self, rule: &'static str, message: String) -> Finding {
        Finding { rule, span: self.range.clone(), message, help: Vec::new(), fix: None }
    }
}

/// The statement's first word.
fn first_word(statement: &str) -> String {
    let word = Lexer::new(statement).find(|token| !token.is_comment());
    word.map(|token| token.text(statement).to_lowercase()).unwrap_or_default()
}

fn join(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stairwell::migration::Direction;

    fn touch(table: &str, lock: TableLock) -> Touch {
        Touch { table: table.to_owned(), lock, rewritten: false, dropped: false }
    }

    fn refined(text: &str, touches: &[Vec<Touch>], mut findings: Vec<Finding>) -> Vec<(&'static str, String)> {
        let (script, _) = Script::parse("1_a.up.sql".into(), text.as_bytes(), Direction::Up);
        refine(&script.unwrap(), touches, &mut findings);
        findings.into_iter().map(|finding| (finding.rule, finding.message)).collect()
    }

    #[test]
    fn a_type_that_only_changes_its_name_is_no_finding() {
        let text = "alter table users alter name type text;";
        let finding =
            Finding { rule: "column-type-change", span: 18..38, message: String::new(), help: Vec::new(), fix: None };
        let exclusive = touch("users", TableLock::AccessExclusive);
        assert_eq!(refined(text, &[vec![exclusive.clone()]], vec![finding.clone()]), []);
        let rewritten = Touch { rewritten: true, ..exclusive };
        assert_eq!(refined(text, &[vec![rewritten]], vec![finding]).len(), 1);
    }

    #[test]
    fn what_no_text_shows_is_told() {
        let exclusive = |table| touch(table, TableLock::AccessExclusive);
        let hidden = refined("select tidy();", &[vec![exclusive("users")]], Vec::new());
        assert_eq!(hidden, [("hidden-lock", "the statement takes ACCESS EXCLUSIVE on `users`".to_owned())]);
        let rewritten = Touch { rewritten: true, ..exclusive("users") };
        let rules = |found: Vec<(&'static str, String)>| found.into_iter().map(|(rule, _)| rule).collect::<Vec<_>>();
        assert_eq!(rules(refined("alter table users add i d;", &[vec![rewritten]], Vec::new())), ["table-rewrite"]);
        let dropped = Touch { dropped: true, ..exclusive("orders") };
        let found = refined("drop table orders;", &[vec![dropped, exclusive("users")]], Vec::new());
        assert_eq!(rules(found), ["drop-of-referring-table"]);
        let text = "alter table a add i int; alter table b add i int;";
        let found = refined(text, &[vec![exclusive("a")], vec![exclusive("b")]], Vec::new());
        assert_eq!(rules(found), ["several-tables-locked"]);
    }
}
