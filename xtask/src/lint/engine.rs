//! Runs the rules over scripts.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use squawk_linter::{Linter, Rule as Sq, Violation};
use squawk_syntax::SourceFile;
use stairwell::sql;

use super::fix::{self, Fix};
use super::rule::{At, Check, Found, Level, Parsed, Rule, Script};
use super::rules::RULES;
use super::world::{Made, World};

/// A script to look at, or only to learn from.
pub(crate) struct Job<'a> {
    pub(crate) text: &'a str,
    pub(crate) in_transaction: bool,
    /// Whether it is history: what it makes is known, and what it does is not judged.
    pub(crate) is_history: bool,
}

/// What was found in a script.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) rule: &'static str,
    /// In bytes of the script.
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Vec<String>,
    /// How it is mended without a thought.
    pub(crate) fix: Option<Fix>,
}

/// What was found in one script.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub(crate) findings: Vec<Finding>,
    /// Statements that must stand alone, by where they begin, and how they come to.
    pub(crate) alone: Vec<(usize, Fix)>,
    /// Statements that squawk cannot read, and why. The database is the judge of these.
    pub(crate) unread: Vec<(Range<usize>, String)>,
}

/// For the parser, which goes down into what is nested. Only what is used of it is ever taken from the system.
const STACK: usize = 1 << 30;

/// A statement with more tokens than this is not read: it is data.
const MOST_TOKENS: usize = 60_000;

/// Nor one with so many brackets in each other, with which the parser would be busy for minutes.
const DEEPEST: usize = 500;

/// Looks at all scripts, in their order. `level` says which rules are on.
pub(crate) fn run(jobs: &[Job<'_>], level: impl Fn(&Rule) -> Level + Sync) -> Vec<Looked> {
    let on: Vec<&'static Rule> = RULES.iter().filter(|rule| level(rule) != Level::Off).collect();
    let looked = thread::scope(|scope| {
        let work = || {
            let mut world = World::default();
            jobs.iter().map(|job| look(job, &on, &mut world)).collect::<Vec<_>>()
        };
        let thread = thread::Builder::new().name("lint".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        thread.map(thread::ScopedJoinHandle::join)
    });
    match looked {
        Ok(Ok(looked)) => looked,
        Ok(Err(panic)) => all_unread(jobs, &reason(&*panic)),
        Err(error) => all_unread(jobs, &error.to_string()),
    }
}

fn all_unread(jobs: &[Job<'_>], why: &str) -> Vec<Looked> {
    jobs.iter().map(|job| Looked { unread: vec![(0..job.text.len(), why.to_owned())], ..Looked::default() }).collect()
}

fn look(job: &Job<'_>, on: &[&'static Rule], world: &mut World) -> Looked {
    let split = sql::split(job.text);
    let mut looked = Looked::default();
    let wanted: Vec<Sq> =
        if job.is_history { Vec::new() } else { on.iter().flat_map(|rule| squawks(&rule.check)).copied().collect() };
    let mut statements = Vec::with_capacity(split.statements.len());
    for statement in &split.statements {
        let range = statement.start..statement.end;
        let text = job.text.get(range.clone()).unwrap_or_default();
        match guarded(|| parse(text, &wanted)) {
            Ok((stmt, violations)) => statements.push(Parsed { start: statement.start, stmt, violations }),
            Err(why) => {
                looked.unread.push((range, why));
                statements.push(Parsed { start: statement.start, stmt: None, violations: Vec::new() });
            }
        }
    }
    let script = Script { statements: &statements, in_transaction: job.in_transaction };
    let mut made = Made::default();
    for (n, parsed) in statements.iter().enumerate() {
        let Some(stmt) = &parsed.stmt else { continue };
        if !job.is_history {
            let at = At { stmt, n, script: &script, world, made: &made };
            // The build finds these, and leaves it at that.
            let fix = fix::of("concurrently-in-transaction", &at);
            looked.alone.extend(fix.map(|fix| (parsed.start, fix)));
            for rule in on {
                match guarded(|| Ok(found(rule, &at, parsed))) {
                    Ok(found) => looked.findings.extend(found.into_iter().map(|found| Finding {
                        rule: rule.name,
                        span: parsed.start + found.span.start..parsed.start + found.span.end,
                        message: found.message,
                        help: found.help,
                        fix: fix::of(rule.name, &at),
                    })),
                    Err(why) => looked.unread.push((parsed.start..parsed.start, why)),
                }
            }
        }
        made.apply(stmt, world);
        world.apply(stmt);
    }
    looked.findings.sort_by_key(|finding| finding.span.start);
    looked
}

fn squawks(check: &Check) -> &'static [Sq] {
    match check {
        Check::Squawk(rules, _) | Check::Both(rules, ..) => rules,
        Check::Build(_) | Check::BuildAnd(..) | Check::Unread | Check::Traced | Check::Ours(_) => &[],
    }
}

/// What a rule finds in a statement.
fn found(rule: &Rule, at: &At<'_>, parsed: &Parsed) -> Vec<Found> {
    let of_squawk = |rules: &[Sq], keep: fn(&At<'_>, &Violation) -> bool| -> Vec<Found> {
        let mine = parsed.violations.iter().filter(|it| rules.contains(&it.code) && keep(at, it));
        mine.map(|it| Found {
            span: usize::from(it.text_range.start())..usize::from(it.text_range.end()),
            message: rule.summary.to_owned(),
            help: Vec::new(),
        })
        .collect()
    };
    let mut found = Vec::new();
    match rule.check {
        Check::Build(_) | Check::Unread | Check::Traced => {}
        Check::Squawk(rules, keep) => found = of_squawk(rules, keep),
        Check::Ours(find) | Check::BuildAnd(_, find) => find(at, &mut found),
        Check::Both(rules, keep, find) => {
            found = of_squawk(rules, keep);
            find(at, &mut found);
        }
    }
    found
}

/// The statement and what squawk finds in it; or why squawk cannot read it.
fn parse(text: &str, wanted: &[Sq]) -> Result<(Option<squawk_syntax::ast::Stmt>, Vec<Violation>), String> {
    let (mut depth, mut deepest, mut tokens) = (0_usize, 0, 0);
    for token in sql::Lexer::new(text).take(MOST_TOKENS + 1) {
        tokens += 1;
        match token.kind {
            sql::TokenKind::Open => depth += 1,
            sql::TokenKind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if tokens > MOST_TOKENS {
        return Err(format!("it has more than {MOST_TOKENS} words"));
    }
    if deepest > DEEPEST {
        return Err(format!("it has more than {DEEPEST} brackets in each other"));
    }
    // squawk has a comment of its own to silence it; there is one way, with a reason, and it is ours.
    let text = text.replace("squawk-", "squawk_");
    let file = SourceFile::parse(&text);
    if let Some(error) = file.errors().first() {
        return Err(error.message().to_owned());
    }
    let stmt = file.tree().stmts().next();
    let mut linter = Linter::from(wanted.iter().copied());
    let violations = linter.lint(&file, &text);
    Ok((stmt, violations))
}

/// A panic is a reason like another.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(reason(&*panic)))
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("squawk panicked: {}", text.unwrap_or("it did not say why"))
}
