//! The statements that make some privileges of others.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{Grant, Grantee};

/// A `GRANT` or a `REVOKE`, without what it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step<'a> {
    pub(super) verb: Verb,
    pub(super) grantee: &'a Grantee,
    /// `["ALL"]` for all that the kind knows.
    pub(super) privileges: Vec<&'a str>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Revoke,
    /// The right to pass it on goes; the privilege stays.
    RevokeOption,
    Grant,
    GrantWithOption,
}

impl Step<'_> {
    /// Whether this one is lost with it.
    pub(super) fn takes(&self, grant: &Grant) -> bool {
        self.verb == Verb::Revoke
            && *self.grantee == grant.grantee
            && (self.privileges == ["ALL"] || self.privileges.contains(&grant.privilege.as_str()))
    }

    /// In full; `on` writes the privileges with what they are on, and `grantee` who it is.
    pub(super) fn sql(&self, on: impl FnOnce(&[&str]) -> String, grantee: &str) -> String {
        let on = on(&self.privileges);
        match self.verb {
            Verb::Revoke => format!("REVOKE {on} FROM {grantee}"),
            Verb::RevokeOption => format!("REVOKE GRANT OPTION FOR {on} FROM {grantee}"),
            Verb::Grant => format!("GRANT {on} TO {grantee}"),
            Verb::GrantWithOption => format!("GRANT {on} TO {grantee} WITH GRANT OPTION"),
        }
    }
}

/// What makes `new` of `old`, revoking first. `all` is what the kind knows.
pub(super) fn steps<'a>(old: &'a BTreeSet<Grant>, new: &'a BTreeSet<Grant>, all: &[&str]) -> Vec<Step<'a>> {
    let (before, after) = (by_privilege(old), by_privilege(new));
    let mut steps: BTreeMap<(Verb, &Grantee), Vec<&str>> = BTreeMap::new();
    for (&(grantee, privilege), &grantable) in &before {
        let verb = match after.get(&(grantee, privilege)) {
            None => Verb::Revoke,
            Some(false) if grantable => Verb::RevokeOption,
            Some(_) => continue,
        };
        steps.entry((verb, grantee)).or_default().push(privilege);
    }
    for (&(grantee, privilege), &grantable) in &after {
        match before.get(&(grantee, privilege)) {
            Some(true) => continue,
            Some(false) if !grantable => continue,
            _ => {}
        }
        let verb = if grantable { Verb::GrantWithOption } else { Verb::Grant };
        steps.entry((verb, grantee)).or_default().push(privilege);
    }
    let mut steps: Vec<_> = steps.into_iter().collect();
    // Grants in the order in which they shall be listed; a grantee that is new is appended.
    steps.sort_by_key(|((verb, grantee), _)| {
        let gives = matches!(verb, Verb::Grant | Verb::GrantWithOption);
        let places = new.iter().filter(|grant| gives && grant.grantee == **grantee).map(|grant| grant.place.0);
        (gives, places.min())
    });
    steps
        .into_iter()
        .map(|((verb, grantee), mut privileges)| {
            let rank = |privilege: &str| all.iter().position(|known| *known == privilege);
            privileges.sort_by_key(|privilege| rank(privilege));
            // To revoke ALL takes away also what is not there: no harm, if nothing has to stay.
            let nothing_stays = || !all.iter().any(|privilege| after.contains_key(&(grantee, *privilege)));
            let everything = match verb {
                _ if all.len() < 2 => false,
                Verb::Revoke => nothing_stays(),
                Verb::RevokeOption => false,
                Verb::Grant | Verb::GrantWithOption => privileges.len() == all.len(),
            };
            let privileges = if everything { vec!["ALL"] } else { privileges };
            Step { verb, grantee, privileges }
        })
        .collect()
}

/// Somebody may have a privilege from two others; that one of them let them pass it on is enough.
fn by_privilege(grants: &BTreeSet<Grant>) -> BTreeMap<(&Grantee, &str), bool> {
    let mut map = BTreeMap::new();
    for grant in grants {
        *map.entry((&grant.grantee, grant.privilege.as_str())).or_default() |= grant.grantable;
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::aside::Aside;

    const ALL: &[&str] = &["SELECT", "INSERT", "UPDATE"];

    fn set(grants: &[(&str, &str)]) -> BTreeSet<Grant> {
        let grant = |(role, privilege): &(&str, &str)| Grant {
            grantee: if role.is_empty() { Grantee::Public } else { Grantee::Role((*role).to_owned()) },
            privilege: privilege.trim_end_matches('*').to_owned(),
            grantable: privilege.ends_with('*'),
            place: Aside(0),
        };
        grants.iter().map(grant).collect()
    }

    fn told(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let who = |grantee: &Grantee| match grantee {
            Grantee::Role(name) => name.clone(),
            other => format!("{other:?}"),
        };
        let (old, new) = (set(old), set(new));
        steps(&old, &new, ALL).iter().map(|step| step.sql(|p| p.join(", "), &who(step.grantee))).collect()
    }

    #[test]
    fn only_what_differs_is_granted_and_revoked() {
        assert_eq!(told(&[("a", "SELECT")], &[("a", "SELECT")]), [""; 0]);
        assert_eq!(
            told(&[("a", "SELECT")], &[("a", "UPDATE"), ("a", "INSERT")]),
            ["REVOKE SELECT FROM a", "GRANT INSERT, UPDATE TO a"]
        );
        assert_eq!(told(&[("", "SELECT")], &[]), ["REVOKE ALL FROM Public"]);
    }

    #[test]
    fn all_that_there_is_is_called_all() {
        let all = [("a", "SELECT"), ("a", "INSERT"), ("a", "UPDATE")];
        assert_eq!(told(&[], &all), ["GRANT ALL TO a"]);
        assert_eq!(told(&all, &[]), ["REVOKE ALL FROM a"]);
        assert_eq!(told(&all, &all[..1]), ["REVOKE INSERT, UPDATE FROM a"]);
    }

    #[test]
    fn the_right_to_pass_on_comes_and_goes_by_itself() {
        assert_eq!(told(&[("a", "SELECT")], &[("a", "SELECT*")]), ["GRANT SELECT TO a WITH GRANT OPTION"]);
        assert_eq!(told(&[("a", "SELECT*")], &[("a", "SELECT")]), ["REVOKE GRANT OPTION FOR SELECT FROM a"]);
        // Of two grants of the same by two grantors the better one counts.
        assert_eq!(told(&[("a", "SELECT"), ("a", "SELECT*")], &[("a", "SELECT*")]), [""; 0]);
    }
}
