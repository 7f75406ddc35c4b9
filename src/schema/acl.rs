//! Privileges as Postgres stores them: `alice=arw*/postgres` (`aclitem`, section 5.8 of the manual).

use std::collections::BTreeSet;

use super::aside::Aside;
use super::catalog::{Grant, Grantee};

/// The letters of the privileges.
const LETTERS: &[(char, &str)] = &[
    ('r', "SELECT"),
    ('a', "INSERT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('m', "MAINTAIN"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('X', "EXECUTE"),
    ('c', "CONNECT"),
    ('T', "TEMPORARY"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

/// Reads one, which stands at this place; `role` gives the name that the catalog has for a role. An item that is none gives nothing.
pub(super) fn parse(place: usize, item: &str, owner: &str, role: impl Fn(&str) -> String) -> BTreeSet<Grant> {
    let Some((grantee, rest)) = split(item) else { return BTreeSet::new() };
    let letters = rest.split('/').next().unwrap_or_default();
    let grantee = match grantee.as_str() {
        "" => Grantee::Public,
        name if role(name) == owner => Grantee::Owner,
        name => Grantee::Role(role(name)),
    };
    let mut grants = BTreeSet::new();
    let mut letters = letters.chars().peekable();
    while let Some(letter) = letters.next() {
        let grantable = letters.next_if_eq(&'*').is_some();
        let Some((_, privilege)) = LETTERS.iter().find(|(known, _)| *known == letter) else { continue };
        grants.insert(Grant {
            grantee: grantee.clone(),
            privilege: (*privilege).to_owned(),
            grantable,
            place: Aside(place),
        });
    }
    grants
}

/// The grantee, unquoted, and what stands behind the `=`.
fn split(item: &str) -> Option<(String, &str)> {
    let Some(quoted) = item.strip_prefix('"') else {
        return item.split_once('=').map(|(name, rest)| (name.to_owned(), rest));
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '"' {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return quoted[at + 1..].strip_prefix('=').map(|rest| (name, rest));
        }
    }
    None
}

/// All privileges that a kind knows, by the letter that `acldefault` has for it.
pub(super) fn all(kind: char, server: u32) -> &'static [&'static str] {
    match kind {
        'r' if server >= 17 => {
            &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"]
        }
        'r' => &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"],
        'c' => &["SELECT", "INSERT", "UPDATE", "REFERENCES"],
        's' => &["SELECT", "UPDATE", "USAGE"],
        'f' => &["EXECUTE"],
        // Large objects, of which only default privileges are known.
        'L' => &["SELECT", "UPDATE"],
        'n' => &["USAGE", "CREATE"],
        'T' | 'l' | 'F' | 'S' => &["USAGE"],
        _ => &[],
    }
}

/// What `acldefault` gives: what a new object of the kind has.
pub(super) fn initial(kind: char, server: u32) -> BTreeSet<Grant> {
    let grant = |grantee, privilege: &&str| Grant {
        grantee,
        privilege: (*privilege).to_owned(),
        grantable: false,
        place: Aside(0),
    };
    // A column has none of its own: what its table has counts.
    let owner = if kind == 'c' { &[] } else { all(kind, server) };
    let public: &[&str] = match kind {
        'f' => &["EXECUTE"],
        'T' | 'l' => &["USAGE"],
        _ => &[],
    };
    let owners = owner.iter().map(|privilege| grant(Grantee::Owner, privilege));
    owners.chain(public.iter().map(|privilege| grant(Grantee::Public, privilege))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(item: &str) -> Vec<String> {
        let grants =
            parse(0, item, "CURRENT_USER", |name| if name == "postgres" { "CURRENT_USER".into() } else { name.into() });
        grants
            .iter()
            .map(|g| format!("{:?} {}{}", g.grantee, g.privilege, if g.grantable { " +" } else { "" }))
            .collect()
    }

    #[test]
    fn items_are_read_with_quotes_and_stars() {
        assert_eq!(told("=X/postgres"), ["Public EXECUTE"]);
        assert_eq!(told("postgres=r*w/postgres"), ["Owner SELECT +", "Owner UPDATE"]);
        assert_eq!(told(r#""a ""b=c"=U/postgres"#), [r#"Role("a \"b=c") USAGE"#]);
        assert_eq!(told("rubbish"), [""; 0]);
    }
}
