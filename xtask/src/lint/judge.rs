//! What of all that was found counts: what is silenced, off, or history does not.

use std::ops::Range;
use std::sync::Arc;

use stairwell::migration::{Migration, Mode, Script, unused_allow};
use stairwell::schema::Trace;
use stairwell::sql::{Lexer, TokenKind};
use stairwell::{Diagnostic, Inspection, Rule as Name, Severity};

use super::engine::{Finding, Job, Looked, run};
use super::fix::Fix;
use super::levels::Levels;
use super::rule::{Level, Rule};
use super::rules::{literal_secret, named, of_build, unread_statement};
use super::traced::{SEEN_ONLY, Traced, refine};

/// A migration that was judged.
#[derive(Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) migration: &'a Migration,
    /// In the order of the script.
    pub(crate) findings: Vec<Diagnostic>,
    /// How its statements are mended, by their numbers.
    pub(crate) fixes: Vec<(usize, Fix)>,
}

/// Looks at all migrations, and judges those of which `is_judged` says so.
pub(crate) fn judge<'a>(
    inspection: &'a Inspection,
    levels: &Levels,
    is_judged: impl Fn(&Migration) -> bool,
    traced: &Traced,
) -> Vec<Judged<'a>> {
    let migrations = inspection.set().migrations();
    // What stands behind the last one that is judged makes nothing that it could know.
    let end = migrations.iter().rposition(&is_judged).map_or(0, |n| n + 1);
    let migrations = migrations.get(..end).unwrap_or_default();
    let job = |migration: &'a Migration| Job {
        text: migration.up.text(),
        in_transaction: migration.up.mode() == Mode::Transaction,
        is_history: !is_judged(migration),
    };
    let jobs: Vec<Job<'_>> = migrations.iter().map(job).collect();
    let looked = run(&jobs, |rule| levels.of(rule));
    let judged = migrations.iter().zip(looked).filter(|(migration, _)| is_judged(migration));
    judged.map(|(migration, looked)| one(inspection, levels, migration, looked, traced)).collect()
}

/// What counts in one script.
fn one<'a>(
    inspection: &Inspection,
    levels: &Levels,
    migration: &'a Migration,
    looked: Looked,
    traced: &Traced,
) -> Judged<'a> {
    let script = &migration.up;
    let mut places = looked.findings;
    let text: Arc<str> = without_secrets(script, &places).into();
    let unread = looked.unread.into_iter().map(|(span, why)| Finding {
        rule: unread_statement::NAME,
        span,
        message: format!("the linter cannot read this statement: {why}"),
        help: Vec::new(),
        fix: None,
    });
    places.extend(unread);
    let trace = traced.get(&migration.version);
    if let Some(Trace::Seen(touches)) = trace {
        refine(script, touches, &mut places);
    }
    places.retain(|finding| named(finding.rule).is_some_and(|rule| levels.of(rule) != Level::Off));
    let directives = script.directives();
    let is_unused = |rule: &Rule| {
        let may_be_seen = trace.is_none() && SEEN_ONLY.contains(&rule.name);
        levels.of(rule) != Level::Off && !may_be_seen && !places.iter().any(|finding| finding.rule == rule.name)
    };
    let unused: Vec<Diagnostic> = directives
        .allow
        .iter()
        .filter(|allow| named(&allow.rule).is_some_and(|rule| rule.is_linters() && is_unused(rule)))
        .map(|allow| unused_allow(&text, allow).at(script.path()))
        .collect();
    places.retain(|finding| match named(finding.rule) {
        Some(rule) if rule.is_linters() => !directives.allow.iter().any(|allow| allow.rule == rule.name),
        // A way of its own to say that it is meant.
        _ => directives.destructive.is_none(),
    });
    let mut findings: Vec<Diagnostic> = of_the_build(inspection, script.path()).cloned().collect();
    findings.extend(places.iter().filter_map(|finding| {
        let rule = named(finding.rule)?;
        Some(diagnostic(rule, levels.of(rule), script.path(), &text, finding))
    }));
    findings.extend(unused);
    findings.sort_by_key(|finding| finding.position().map(|position| (position.line, position.column)));
    Judged { migration, findings, fixes: fixes(script, &places, &looked.alone) }
}

/// The script's text as it may be shown: what is found may end up in the log of a CI machine. Every byte stays in its place.
fn without_secrets(script: &Script, places: &[Finding]) -> String {
    let mut text = script.text().to_owned();
    let secrets = places.iter().filter(|finding| finding.rule == literal_secret::NAME);
    for secret in secrets {
        let Some(range) = script.statements().iter().find(|range| range.contains(&secret.span.start)) else { continue };
        let statement = script.text().get(range.clone()).unwrap_or_default();
        let literals = Lexer::new(statement).filter(|it| matches!(it.kind, TokenKind::Text | TokenKind::DollarText));
        for literal in literals {
            let (start, end) = (range.start + literal.start + 1, (range.start + literal.end).saturating_sub(1));
            let hidden = |c: char| if c == '\n' { "\n".to_owned() } else { "*".repeat(c.len_utf8()) };
            if let Some(hidden) = text.get(start..end).map(|inner| inner.chars().map(hidden).collect::<String>()) {
                text.replace_range(start..end, &hidden);
            }
        }
    }
    text
}

/// One for each statement: what is mended may be mended further next time.
fn fixes(script: &Script, places: &[Finding], alone: &[(usize, Fix)]) -> Vec<(usize, Fix)> {
    let fix = |(n, range): (usize, &Range<usize>)| {
        let is_there = |finding: &&Finding| range.contains(&finding.span.start) && finding.fix.is_some();
        let of_rule = places.iter().find(is_there).and_then(|finding| finding.fix.as_ref());
        let stands_alone = script.directives().no_transaction && script.statements().len() == 1;
        let begins_there = |(start, _): &&(usize, Fix)| *start == range.start && !stands_alone;
        let of_place = || alone.iter().find(begins_there).map(|(_, fix)| fix);
        Some((n, of_rule.or_else(of_place)?.clone()))
    };
    script.statements().iter().enumerate().filter_map(fix).collect()
}

/// What the build finds in a script, whether the lock has accepted it or not.
fn of_the_build<'a>(inspection: &'a Inspection, path: &'a str) -> impl Iterator<Item = &'a Diagnostic> {
    let all = inspection.findings.iter().chain(&inspection.accepted);
    all.filter(move |finding| {
        finding.path.as_deref() == Some(path) && (of_build(finding.rule).is_some() || finding.rule == Name::UnusedAllow)
    })
}

/// How a finding is told.
fn diagnostic(rule: &'static Rule, level: Level, path: &str, text: &Arc<str>, finding: &Finding) -> Diagnostic {
    let name = if rule.is_linters() { Name::Lint(rule.name) } else { Name::Destructive };
    let told = Diagnostic::error(name, finding.message.as_str())
        .at(path)
        .pointing(text, finding.span.clone(), "")
        .note(rule.why);
    let told = finding.help.iter().fold(told, |told, help| told.help(help.as_str()));
    let told = match &finding.fix {
        Some(fix) => told.help(fix.help()),
        None if finding.help.is_empty() => told.help(rule.instead),
        None => told,
    };
    if level == Level::Deny { told } else { told.as_warning() }
}

impl Judged<'_> {
    /// Whether something was found that is denied.
    pub(crate) fn is_denied(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}
