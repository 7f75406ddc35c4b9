//! What the rules are written with.

pub(super) use squawk_linter::{Rule as Sq, Violation};
pub(super) use squawk_syntax::ast::{self, AstNode};
pub(super) use stairwell::Rule as Build;

pub(super) use crate::lint::rule::{At, Check, Found, Level, Rule};
pub(super) use crate::lint::tree::{altered, constraint_name, is_not_valid, is_serial, key, words};

/// What squawk has found counts.
pub(super) fn always(_: &At<'_>, _: &Violation) -> bool {
    true
}

/// What squawk has found counts unless it is about a table that the script has made itself.
pub(super) fn on_an_old_table(at: &At<'_>, _: &Violation) -> bool {
    at.relation().is_none_or(|table| at.is_old(&table))
}

/// The words of what squawk points at.
pub(super) fn words_at(at: &At<'_>, violation: &Violation) -> String {
    let covers = |node: &squawk_syntax::SyntaxNode| node.text_range().contains_range(violation.text_range);
    at.node().descendants().filter(covers).last().map(|node| words(&node)).unwrap_or_default()
}

/// Whether squawk points at a `GENERATED …`; it has one rule for that and for defaults.
pub(super) fn is_generated(at: &At<'_>, violation: &Violation) -> bool {
    words_at(at, violation).starts_with("generated ") || words_at(at, violation).starts_with("constraint ")
}

/// `SET x = 0`, or its like.
pub(super) fn is_set_to_zero(at: &At<'_>, setting: &str) -> bool {
    let words = words(at.node());
    let value = match at.stmt {
        ast::Stmt::Set(_) => ["set", "set local", "set session"]
            .iter()
            .find_map(|set| words.strip_prefix(&format!("{set} {setting} ")))
            .map(|rest| rest.trim_start_matches("= ").trim_start_matches("to ")),
        ast::Stmt::Select(_) => words.split_once(&format!("set_config ( '{setting}' , ")).map(|(_, rest)| rest),
        _ => None,
    };
    let value = value.map(|value| value.trim_start_matches('\''));
    value.is_some_and(|value| {
        let digits = value.trim_start_matches('0');
        digits.len() < value.len() && !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
    })
}
