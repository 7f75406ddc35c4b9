//! Storage parameters (`fillfactor=70`) and the options of foreign data, as Postgres stores both: `name=value`.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::schema::quote::{ident, literal};

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

/// The JSON of a `reloptions`.
pub(super) fn json(options: &str) -> String {
    format!("coalesce(to_json({options}), '[]'::json)")
}

/// `a=1, b='x y'`, as `WITH (…)` and `SET (…)` have them.
pub(super) fn list(parameters: &[String]) -> String {
    let one = |parameter: &String| {
        let (name, value) = split(parameter);
        let plain = !value.is_empty()
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
            && (ident(value) == value || value.parse::<f64>().is_ok());
        // The name of a parameter of the TOAST table has a dot that is no part of a quoted name.
        let name = name.split('.').map(ident).collect::<Vec<_>>().join(".");
        if plain { format!("{name}={value}") } else { format!("{name}={}", literal(value)) }
    };
    parameters.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// ` WITH (…)`, or nothing.
pub(super) fn with(parameters: &[String]) -> String {
    if parameters.is_empty() { String::new() } else { format!(" WITH ({})", list(parameters)) }
}

/// `SET (…)` and `RESET (…)`, what it takes to make these of those.
pub(super) fn changes(new: &[String], old: &[String]) -> Vec<String> {
    let set: Vec<String> = new.iter().filter(|parameter| !old.contains(parameter)).cloned().collect();
    let kept = |name: &str| new.iter().any(|other| split(other).0 == name);
    let reset: Vec<String> = old
        .iter()
        .map(|parameter| split(parameter).0)
        .filter(|name| !kept(name))
        .map(|name| name.split('.').map(ident).collect::<Vec<_>>().join("."))
        .collect();
    let mut clauses = Vec::new();
    if !reset.is_empty() {
        clauses.push(format!("RESET ({})", reset.join(", ")));
    }
    if !set.is_empty() {
        clauses.push(format!("SET ({})", list(&set)));
    }
    clauses
}

/// ` OPTIONS (a 'x')`, or nothing.
pub(super) fn options(options: &[String]) -> String {
    if options.is_empty() {
        return String::new();
    }
    let one = |option: &String| {
        let (name, value) = split(option);
        format!("{} {}", ident(name), literal(value))
    };
    format!(" OPTIONS ({})", options.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// `OPTIONS (ADD a 'x', SET b 'y', DROP c)`, if the two differ.
pub(super) fn option_changes(new: &[String], old: &[String]) -> Option<String> {
    let has = |options: &[String], name: &str| options.iter().any(|option| split(option).0 == name);
    let mut parts: Vec<String> = Vec::new();
    for option in old {
        let (name, _) = split(option);
        if !has(new, name) {
            parts.push(format!("DROP {}", ident(name)));
        }
    }
    for option in new.iter().filter(|option| !old.contains(option)) {
        let (name, value) = split(option);
        let verb = if has(old, name) { "SET" } else { "ADD" };
        parts.push(format!("{verb} {} {}", ident(name), literal(value)));
    }
    (!parts.is_empty()).then(|| format!("OPTIONS ({})", parts.join(", ")))
}

fn split(parameter: &str) -> (&str, &str) {
    parameter.split_once('=').unwrap_or((parameter, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parameters: &[&str]) -> Parameters {
        Parameters(parameters.iter().map(|&parameter| parameter.to_owned()).collect())
    }

    #[test]
    fn what_goes_is_reset_and_what_comes_is_set() {
        let (old, new) = (of(&["a=1", "b=fast"]), of(&["b=on", "c=0.5"]));
        assert_eq!(changes(&new, &old), ["RESET (a)", "SET (b='on', c=0.5)"]);
        assert_eq!(changes(&new, &new), [""; 0]);
        assert_eq!(with(&old), " WITH (a=1, b=fast)");
    }

    #[test]
    fn the_order_of_parameters_is_no_difference() {
        assert_eq!(of(&["a=1", "b=2"]), of(&["b=2", "a=1"]));
        assert_ne!(of(&["a=1"]), of(&["a=1", "b=2"]));
    }
}
