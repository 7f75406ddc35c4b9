//! Parameters of relations: `fillfactor=70`, as `pg_class.reloptions` has them.

use serde::{Deserialize, Serialize};

use crate::schema::quote::literal;

/// Parameters as they are stored. Their order is that in which they were set, and no difference.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(Vec<String>);

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|option| other.0.contains(option))
    }
}

impl Eq for Parameters {}

impl Parameters {
    /// The JSON of a `text[]`.
    pub(super) fn json(options: &str) -> String {
        format!("coalesce(to_json({options}), '[]'::json)")
    }

    /// ` WITH (…)`, or nothing where there are none.
    pub(super) fn with(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!(" WITH ({})", list(self.0.iter())) }
    }

    /// What makes these of `old`: `RESET (…)` and `SET (…)`.
    pub(super) fn changes(&self, old: &Self) -> Vec<String> {
        let stays = |gone: &&str| self.0.iter().any(|option| name(option) == *gone);
        let gone: Vec<&str> = old.0.iter().map(|option| name(option)).filter(|name| !stays(name)).collect();
        let set = list(self.0.iter().filter(|option| !old.0.contains(option)));
        let mut clauses = Vec::new();
        if !gone.is_empty() {
            clauses.push(format!("RESET ({})", gone.join(", ")));
        }
        if !set.is_empty() {
            clauses.push(format!("SET ({set})"));
        }
        clauses
    }
}

fn list<'a>(options: impl Iterator<Item = &'a String>) -> String {
    options.map(|option| written(option)).collect::<Vec<_>>().join(", ")
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
        let of = |options: &[&str]| Parameters(options.iter().map(|&option| option.to_owned()).collect());
        let (old, new) = (of(&["a=1", "b=on"]), of(&["b=off", "c=0.5"]));
        assert_eq!(new.changes(&old), ["RESET (a)", "SET (b=off, c='0.5')"]);
        assert_eq!(new.changes(&new), [""; 0]);
        assert_eq!(old, of(&["b=on", "a=1"]));
        assert_eq!(old.with(), " WITH (a=1, b=on)");
    }
}
