//! A migration as a person names it.

use super::History;
use crate::migration::{Direction, behind_version};
use crate::set::MigrationSet;
use crate::version::Version;

/// No migration, or more than one, has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// None has.
    #[error(
        "there is no migration `{text}`{}\n  = help: `cargo xtask db status` lists them; a version, the beginning of one, or a name will do",
        meant(near)
    )]
    Unknown {
        /// What was given.
        text: String,
        /// Some that have it in their names.
        near: Vec<String>,
    },
    /// Several have.
    #[error("`{text}` may be {}\n  = help: give more of the version", listed(candidates))]
    Ambiguous {
        /// What was given.
        text: String,
        /// As their files are called.
        candidates: Vec<String>,
    },
}

/// The migration that is meant: by its version, its name, both (`20261121093000_create_users`, also as one of its files), or the beginning
/// of a version that no other has. It is looked for among the files and in the ledger.
pub fn resolve(text: &str, set: &MigrationSet, history: &History) -> Result<Version, ReferenceError> {
    let asked = bare(text);
    let here = set.migrations().iter().map(|migration| Named::new(migration.version, migration.id().to_owned()));
    let gone =
        history.rows.iter().filter(|row| set.get(row.version).is_none()).map(|row| Named::new(row.version, row.id()));
    let mut all: Vec<Named> = here.chain(gone).collect();
    all.sort_by_key(|named| named.version);
    let number = asked.parse::<u64>().ok();
    // The first way that finds any decides: a version that is given whole is meant, even if another begins with it.
    let ways: [&dyn Fn(&Named) -> bool; 4] = [
        &|named| Some(named.version.get()) == number,
        &|named| named.id == asked,
        &|named| behind_version(&named.id) == asked,
        &|named| number.is_some() && named.version.to_string().starts_with(asked),
    ];
    for way in ways {
        let found: Vec<&Named> = all.iter().filter(|named| way(named)).collect();
        match found.as_slice() {
            [] => {}
            [named] => return Ok(named.version),
            several => {
                let candidates = several.iter().map(|named| named.id.clone()).collect();
                return Err(ReferenceError::Ambiguous { text: text.to_owned(), candidates });
            }
        }
    }
    let near = all.iter().filter(|named| !asked.is_empty() && named.id.contains(asked)).map(|named| named.id.clone());
    Err(ReferenceError::Unknown { text: text.to_owned(), near: near.collect() })
}

/// A migration of the files or of the ledger.
struct Named {
    version: Version,
    /// As its files are called.
    id: String,
}

impl Named {
    fn new(version: Version, id: String) -> Self {
        Self { version, id }
    }
}

/// How many are named.
const MOST_NAMED: usize = 3;

fn listed(ids: &[String]) -> String {
    let named: Vec<String> = ids.iter().take(MOST_NAMED).map(|id| format!("`{id}`")).collect();
    match ids.len().saturating_sub(MOST_NAMED) {
        0 => named.join(" or "),
        more => format!("{} or one of {more} others", named.join(", ")),
    }
}

fn meant(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; is {} meant?", listed(near)) }
}

/// Without the folder and the ending of a file.
fn bare(text: &str) -> &str {
    let file = text.rsplit(['/', '\\']).next().unwrap_or(text);
    [Direction::Up, Direction::Down].iter().find_map(|way| file.strip_suffix(way.suffix())).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{history, set_of};

    #[test]
    fn a_migration_is_meant_by_version_name_file_or_the_beginning_of_a_version() {
        let files = ["1_a", "10_b", "2026_users", "2027_users", "20261121_x"];
        let texts: Vec<_> = files.iter().map(|id| (format!("{id}.up.sql"), "select 1;")).collect();
        let set = set_of(&texts.iter().map(|(file, text)| (file.as_str(), *text)).collect::<Vec<_>>());
        let found = |text: &str| resolve(text, &set, &History::default()).map(Version::get);
        let is_unknown = |text: &str| matches!(found(text), Err(ReferenceError::Unknown { .. }));
        for (text, version) in [
            ("1", 1),
            ("01", 1),
            ("10", 10),
            ("a", 1),
            ("2026", 2026),
            ("20261", 20_261_121),
            ("20261121_x", 20_261_121),
            ("migrations/20261121_x.up.sql", 20_261_121),
            ("x", 20_261_121),
            ("2027_users", 2027),
        ] {
            assert_eq!(found(text), Ok(version), "{text}");
        }
        for text in ["", "3", "user", "2026_", "../x.sql", "-1", "99999999999999999999"] {
            assert!(is_unknown(text), "{text}");
        }
        let said = ["users", "20", "user", "nope"].map(|text| found(text).unwrap_err().to_string());
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn what_is_only_in_the_ledger_is_found_as_well() {
        let set = set_of(&[("1_a.up.sql", "select 1;"), ("2_b.up.sql", "select 1;")]);
        let applied = history(&set, [1, 2]);
        let left = set_of(&[("1_a.up.sql", "select 1;")]);
        assert_eq!(resolve("b", &left, &applied).map(Version::get), Ok(2));
        assert!(resolve("b", &left, &History::default()).is_err());
    }
}
