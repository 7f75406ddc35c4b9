//! How bad a project finds what a rule finds.

use std::collections::BTreeMap;

use super::rule::{Level, Rule};
use super::rules::{RULES, named};

/// The level of every rule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Levels(BTreeMap<String, Level>);

impl Levels {
    /// What a project says, or why that makes no sense.
    pub(crate) fn new(settings: BTreeMap<String, Level>) -> Result<Self, String> {
        for name in settings.keys() {
            match named(name) {
                Some(rule) if rule.is_linters() => {}
                Some(_) => {
                    return Err(format!(
                        "`{name}` has no level of its own: the build finds it\n  = help: a script that means it says so itself: `cargo xtask db lint --explain {name}`"
                    ));
                }
                None => {
                    let near = RULES.iter().map(|rule| rule.name).find(|known| is_near(known, name));
                    let near = near.map_or_else(String::new, |known| format!("\n  = help: `{known}` is one"));
                    return Err(format!("there is no rule `{name}`: `cargo xtask db lint --rules` lists them{near}"));
                }
            }
        }
        Ok(Self(settings))
    }

    /// The level of a rule.
    pub(crate) fn of(&self, rule: &Rule) -> Level {
        self.0.get(rule.name).copied().unwrap_or(rule.level)
    }
}

/// Whether one is likely to be the other, misspelt: they have the same words in another order, or begin alike.
fn is_near(known: &str, name: &str) -> bool {
    let words = |text: &str| {
        let mut words: Vec<String> = text.split(['-', '_', ' ']).map(str::to_lowercase).collect();
        words.sort_unstable();
        words
    };
    words(known) == words(name) || known.get(..6) == name.get(..6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(name: &str, level: Level) -> Result<Levels, String> {
        Levels::new([(name.to_owned(), level)].into())
    }

    #[test]
    fn a_project_turns_rules_off_and_on() {
        let level = |levels: &Levels, name: &str| named(name).map(|rule| levels.of(rule));
        let off = levels("rename", Level::Off).unwrap();
        assert_eq!(level(&off, "rename"), Some(Level::Off));
        assert_eq!(level(&off, "set-not-null"), Some(Level::Deny));
        assert_eq!(level(&levels("wide-index", Level::Warn).unwrap(), "wide-index"), Some(Level::Warn));
    }

    #[test]
    fn a_name_that_is_none_or_has_no_level_is_refused() {
        assert!(levels("renames", Level::Off).unwrap_err().contains("`rename` is one"));
        assert!(levels("without-concurrently-index", Level::Off).unwrap_err().contains("`index-without-concurrently`"));
        assert!(levels("destructive", Level::Off).unwrap_err().contains("the build finds it"));
    }
}
