//! Parameters of relations: `fillfactor=70`, as `pg_class.reloptions` has them.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::schema::quote::literal;

/// Parameters as they are stored. Their order is that in which they were set: kept, as `pg_dump` prints it, and no difference.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Parameters(Vec<String>);

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|parameter| other.contains(parameter))
    }
}

impl Eq for Parameters {}

impl Deref for Parameters {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

/// The JSON of an `attoptions`, without `pg_attver`: a number that some of Debian's builds (15.20, 17) keep there of their own. It differs from
/// table to table, and nobody can set it.
pub(super) fn of_attribute(options: &str) -> String {
    format!("coalesce((SELECT json_agg(o ORDER BY o) FROM unnest({options}) o WHERE o !~ '^pg_attver='), '[]'::json)")
}

/// The JSON of a `reloptions`.
pub(super) fn json(options: &str) -> String {
    format!("coalesce(to_json({options}), '[]'::json)")
}

/// As they stand in the brackets of `WITH` or `SET`.
pub(super) fn list(options: &[String]) -> String {
    options.iter().map(|option| written(option)).collect::<Vec<_>>().join(", ")
}

/// ` WITH (…)`, or nothing where there are none.
pub(super) fn with(options: &[String]) -> String {
    if options.is_empty() { String::new() } else { format!(" WITH ({})", list(options)) }
}

/// What makes `new` of `old`: `RESET (…)` and `SET (…)`.
pub(super) fn changes(old: &[String], new: &[String]) -> Vec<String> {
    let gone: Vec<&str> =
        old.iter().map(|option| name(option)).filter(|gone| !new.iter().any(|option| name(option) == *gone)).collect();
    let set: Vec<String> = new.iter().filter(|option| !old.contains(option)).cloned().collect();
    let mut clauses = Vec::new();
    if !gone.is_empty() {
        clauses.push(format!("RESET ({})", gone.join(", ")));
    }
    if !set.is_empty() {
        clauses.push(format!("SET ({})", list(&set)));
    }
    clauses
}

fn name(option: &str) -> &str {
    option.split_once('=').map_or(option, |(name, _)| name)
}

/// A value is a word or a number to the grammar, or else a string.
fn written(option: &str) -> String {
    let Some((name, value)) = option.split_once('=') else { return option.to_owned() };
    let word = !value.is_empty() && value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if word || value.parse::<i64>().is_ok() { option.to_owned() } else { format!("{name}={}", literal(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_reset_and_what_comes_is_set() {
        let old = ["a=1".to_owned(), "b=on".to_owned()];
        let new = ["b=off".to_owned(), "c=0.5".to_owned()];
        assert_eq!(changes(&old, &new), ["RESET (a)", "SET (b=off, c='0.5')"]);
        assert_eq!(changes(&new, &new), [""; 0]);
        assert_eq!(with(&old), " WITH (a=1, b=on)");
    }

    #[test]
    fn the_order_of_parameters_is_no_difference() {
        let of = |options: &[&str]| Parameters(options.iter().map(|&option| option.to_owned()).collect());
        assert_eq!(of(&["a=1", "b=2"]), of(&["b=2", "a=1"]));
        assert_ne!(of(&["a=1"]), of(&["a=1", "b=2"]));
    }
}
