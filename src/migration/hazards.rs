//! Findings about statements that would run, and do harm: what outlives the script, fails for certain, or loses data.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Rule};
use crate::migration::lint_rules::lint_rule;
use crate::migration::{Direction, Directives, MOST_FINDINGS};
use crate::sql::{self, Reach, SessionState};

/// All of them, without those that the script allows, and with each `allow` that allows nothing.
///
/// A `destructive` that nothing here asks for stays without a word: a narrowing change of a type loses data as well, and no lexer sees it.
pub(super) fn check(
    path: &str,
    text: &Arc<str>,
    split: &sql::Script,
    directives: &Directives,
    direction: Direction,
) -> Vec<Diagnostic> {
    let mut findings = session_state(text, split);
    findings.extend(enum_values(text, split));
    // The way back destroys by its nature: `db down` is what asks there.
    if direction == Direction::Up {
        findings.extend(review(text, split));
    }
    let unused = unused_allows(text, split, directives, &findings);
    // Who says `destructive` has asked for a look at the whole script already.
    let is_declared = |rule| directives.destructive.is_some() && matches!(rule, Rule::Destructive | Rule::OpaqueSql);
    findings.retain(|finding| !directives.allows(finding.rule) && !is_declared(finding.rule));
    findings.truncate(MOST_FINDINGS + 1);
    findings.extend(unused);
    findings.into_iter().map(|finding| finding.at(path)).collect()
}

fn session_state(text: &Arc<str>, split: &sql::Script) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for statement in &split.statements {
        let Some(state) = sql::session_state(text, statement) else { continue };
        let help = match state {
            SessionState::Set => "write `SET LOCAL …`, which ends with the script, or name objects with their schema",
            SessionState::Characteristics => "write `SET TRANSACTION …`, which ends with the script",
            SessionState::SetConfig => "pass `true` as the third argument: the setting then ends with the script",
            SessionState::Reset => "remove it: what `SET LOCAL` has set ends with the script by itself",
            SessionState::Discard | SessionState::Listen => "remove it: a script has no session of its own",
        };
        findings.push(
            Diagnostic::error(Rule::SessionState, "a script must leave the session as it was")
                .pointing(text, statement.start..statement.end, "outlives the script")
                .note("scripts share one session, and through a pooler an app's queries as well")
                .help(help),
        );
    }
    findings
}

fn enum_values(text: &Arc<str>, split: &sql::Script) -> Vec<Diagnostic> {
    let used = sql::enum_values_used(text, &split.statements).into_iter();
    let finding = |used: sql::EnumValueUse| {
        let message = format!("'{}' is used in the script that adds it to the enum `{}`", used.value, used.of);
        Diagnostic::error(Rule::EnumValueUsed, message)
            .pointing(text, used.span, "used here")
            .note("Postgres refuses a new value until it is committed (55P04), and a script commits as a whole")
            .help("move this statement to a later migration")
            .help("if it is no value of that enum: `-- stairwell: allow enum-value-used <reason>`")
    };
    used.map(finding).collect()
}

fn review(text: &Arc<str>, split: &sql::Script) -> Vec<Diagnostic> {
    let review = sql::review(text, &split.statements);
    let destructive = review.losses.into_iter().map(|loss| {
        let place = loss.hidden.map(|place| format!(", inside of {place},")).unwrap_or_default();
        let (does, label) = match loss.reach {
            Reach::Named => ("drops or overwrites data", "what is there is lost"),
            Reach::Dependents => ("may drop more than it names", "what depends on it is lost"),
        };
        let message = format!("statement {}{place} {does}: {}", loss.statement + 1, loss.what);
        let finding = Diagnostic::error(Rule::Destructive, message)
            .pointing(text, loss.span, label)
            .note("a backup is the only way back, so whoever reviews it should know that it is meant")
            .help("if it is, say why in the comments at the top of the file: `-- stairwell: destructive <reason>`");
        if loss.what.ends_with("without WHERE") {
            finding.help("if it is meant for some rows: say which; a backfill has `WHERE <column> IS NULL`")
        } else if loss.reach == Reach::Dependents {
            finding.help("or drop by name what depends on it, and leave CASCADE out")
        } else {
            finding
        }
    });
    let opaque = review.opaque.into_iter().map(|opaque| {
        let message = format!("statement {}, a DO block, hides from review what it executes", opaque.statement + 1);
        Diagnostic::error(Rule::OpaqueSql, message)
            .pointing(text, opaque.span, "put together while it runs")
            .help("write the statements out; if what it executes may lose data: `-- stairwell: destructive <reason>`")
            .help("if it may not: `-- stairwell: allow opaque-sql <reason>`")
            .as_warning()
    });
    destructive.chain(opaque).collect()
}

/// A warning for each `allow` of a rule that has found nothing: the next reader would look for what it silences.
fn unused_allows(
    text: &Arc<str>,
    split: &sql::Script,
    directives: &Directives,
    findings: &[Diagnostic],
) -> Vec<Diagnostic> {
    let is_used = |rule: &str| {
        let empty = rule == Rule::Empty.name() && split.statements.is_empty();
        empty || findings.iter().any(|finding| finding.rule.name() == rule)
    };
    // Whether the linter's rules find something the linter knows.
    let unused = directives.allow.iter().filter(|allow| lint_rule(&allow.rule).is_none() && !is_used(&allow.rule));
    unused.map(|allow| unused_allow(text, allow)).collect()
}

/// The warning for an `allow` of a rule that has found nothing in the script of this text.
pub fn unused_allow(text: &Arc<str>, allow: &super::Allow) -> Diagnostic {
    Diagnostic::error(Rule::UnusedAllow, format!("`allow {}` silences nothing in this script", allow.rule))
        .help("delete the line")
        .pointing(text, allow.span.clone(), "this directive")
        .as_warning()
}

#[cfg(test)]
mod tests {
    use super::super::Script;
    use super::*;
    use crate::diagnostic::Severity;

    fn found(text: &str, direction: Direction) -> Vec<Diagnostic> {
        Script::parse("1_a.sql".into(), text.as_bytes(), direction).1
    }

    fn rules(text: &str) -> Vec<&'static str> {
        found(text, Direction::Up).into_iter().map(|finding| finding.rule.name()).collect()
    }

    #[test]
    fn each_is_told_with_its_line_and_what_to_write() {
        let text = "set search_path = app;\nset session characteristics as transaction read only;\nselect set_config('a.b', 'c', false);\n\
             reset role;\ndiscard temp;\nalter type mood add value 'new';\nupdate t set mood = 'new' where true;\n\
             drop table é, users;\ntruncate t;\ndrop view v cascade;\ndo $$ begin delete from t; execute 'drop type m'; execute format(q, t); end $$;\n";
        let findings = found(text, Direction::Up);
        insta::assert_snapshot!(findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"));
    }

    #[test]
    fn a_directive_silences_its_rule_and_no_other() {
        for (directive, silenced) in [
            ("destructive the table is empty", &["session-state"][..]),
            ("allow session-state the runner resets it", &["destructive", "opaque-sql"]),
            ("allow opaque-sql it only analyzes", &["session-state", "destructive"]),
            ("destructive it is empty\n-- stairwell: allow opaque-sql it only analyzes", &["session-state"]),
        ] {
            let text = format!("-- stairwell: {directive}\nset role a; drop table t; do $$ begin execute q; end $$;");
            assert_eq!(rules(&text), silenced, "{directive}");
        }
        assert_eq!(rules("-- stairwell: allow destructive I want to\ndrop table t;"), ["directive", "destructive"]);
    }

    #[test]
    fn an_allow_that_silences_nothing_is_a_warning() {
        for rule in ["empty", "session-state", "enum-value-used", "opaque-sql"] {
            let findings = found(&format!("-- stairwell: allow {rule} a reason\nselect 1;"), Direction::Up);
            let [finding] = findings.as_slice() else { panic!("{findings:?}") };
            assert_eq!((finding.rule, finding.severity), (Rule::UnusedAllow, Severity::Warning));
            assert!(finding.to_string().contains(&format!("`allow {rule}`")), "{finding}");
        }
    }

    #[test]
    fn a_way_back_may_drop_and_must_leave_the_session_as_well() {
        let findings = found("drop table t; do $$ begin execute q; end $$; set role a;", Direction::Down);
        assert_eq!(findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [Rule::SessionState]);
    }
}
