//! What every kind has alike: owner, privileges, comment, security labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::acl;
use crate::schema::catalog::{Grant, Grantee, Object};
use crate::schema::id::Id;
use crate::schema::kinds::Sides;
use crate::schema::quote::{CURRENT_USER, ident, literal, role};
use crate::schema::read;
use crate::schema::statement::Statement;

/// For an object that was just made.
pub(super) fn of_created(id: &Id, object: &Object, sides: Sides<'_>) -> Vec<Statement> {
    let kind = object.definition.acl_kind();
    let initial = kind.map(|kind| acl::initial(kind, sides.new.server));
    let before = Facets { owner: None, grants: initial.as_ref(), comment: None, labels: &BTreeMap::new() };
    write(id, object, &before, sides)
}

/// For one that stays.
pub(super) fn of_changed(id: &Id, old: &Object, new: &Object, sides: Sides<'_>) -> Vec<Statement> {
    let before = Facets {
        owner: old.owner.as_deref(),
        grants: old.grants.as_ref(),
        comment: old.comment.as_deref(),
        labels: &old.labels,
    };
    write(id, new, &before, sides)
}

struct Facets<'a> {
    owner: Option<&'a str>,
    grants: Option<&'a BTreeSet<Grant>>,
    comment: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
}

fn write(id: &Id, new: &Object, old: &Facets<'_>, sides: Sides<'_>) -> Vec<Statement> {
    let definition = &new.definition;
    let mut statements = Vec::new();
    if new.owner.as_deref() != old.owner {
        let owner = role(new.owner.as_deref().unwrap_or(CURRENT_USER));
        statements.push(Statement::new(format!("ALTER {} OWNER TO {owner}", definition.owner_phrase(id))));
    }
    if new.comment.as_deref() != old.comment {
        let comment = new.comment.as_deref().map_or_else(|| "NULL".to_owned(), literal);
        statements.push(Statement::new(format!("COMMENT ON {} IS {comment}", definition.phrase(id))));
    }
    for provider in new.labels.keys().chain(old.labels.keys()).collect::<BTreeSet<_>>() {
        let (label, before) = (new.labels.get(provider), old.labels.get(provider));
        if label != before {
            let label = label.map_or_else(|| "NULL".to_owned(), |text| literal(text));
            let phrase = definition.phrase(id);
            statements.push(Statement::new(format!("SECURITY LABEL FOR {} ON {phrase} IS {label}", ident(provider))));
        }
    }
    if let (Some(wanted), Some(given)) = (&new.grants, old.grants) {
        let all = definition.acl_kind().map_or(&[][..], |kind| acl::all(kind, sides.new.server));
        let owner = new.owner.as_deref();
        for (privileges, grantee, verb) in changes(given, wanted, all) {
            let to = read::grantee(grantee, owner);
            let phrase = definition.grant_phrase(id, &privileges);
            statements.push(Statement::new(match verb {
                Verb::Revoke => format!("REVOKE {phrase} FROM {to}"),
                Verb::RevokeOption => format!("REVOKE GRANT OPTION FOR {phrase} FROM {to}"),
                Verb::Grant => format!("GRANT {phrase} TO {to}"),
                Verb::GrantWithOption => format!("GRANT {phrase} TO {to} WITH GRANT OPTION"),
            }));
        }
    }
    statements
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::schema) enum Verb {
    Revoke,
    RevokeOption,
    Grant,
    GrantWithOption,
}

/// What has to be granted and revoked, the privileges as `GRANT` lists them.
pub(in crate::schema) fn changes<'a>(
    old: &'a BTreeSet<Grant>,
    new: &'a BTreeSet<Grant>,
    all: &[&str],
) -> Vec<(String, &'a Grantee, Verb)> {
    let mut changes: BTreeMap<(&Grantee, Verb), BTreeSet<&str>> = BTreeMap::new();
    let has = |grants: &BTreeSet<Grant>, grant: &Grant, grantable: bool| {
        grants.contains(&Grant { grantable, ..grant.clone() })
    };
    for grant in old.difference(new) {
        let verb = match grant.grantable {
            true if has(new, grant, false) => Verb::RevokeOption,
            false if has(new, grant, true) => continue,
            _ => Verb::Revoke,
        };
        changes.entry((&grant.grantee, verb)).or_default().insert(&grant.privilege);
    }
    for grant in new.difference(old) {
        let verb = match grant.grantable {
            false if has(old, grant, true) => continue,
            false => Verb::Grant,
            true => Verb::GrantWithOption,
        };
        changes.entry((&grant.grantee, verb)).or_default().insert(&grant.privilege);
    }
    let listed = |privileges: BTreeSet<&str>| {
        if all.len() > 1 && privileges.len() == all.len() {
            return "ALL".to_owned();
        }
        // In the order in which Postgres lists them.
        all.iter().filter(|known| privileges.contains(**known)).copied().collect::<Vec<_>>().join(", ")
    };
    changes.into_iter().map(|((grantee, verb), privileges)| (listed(privileges), grantee, verb)).collect()
}
