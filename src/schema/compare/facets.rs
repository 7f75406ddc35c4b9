//! What every kind has alike: owner, privileges, comment, security labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::acl;
use crate::schema::catalog::{Catalog, Grant, Object};
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::{ColumnGrants, Sides, default_privileges};
use crate::schema::privileges::{self, Step};
use crate::schema::quote::{CURRENT_USER, ident, literal, role};
use crate::schema::read;
use crate::schema::statement::Statement;

/// For an object that was just made.
pub(super) fn of_created(id: &Id, object: &Object, sides: Sides<'_>) -> Vec<Statement> {
    let definition = &object.definition;
    let initial = definition.acl_kind().map(|kind| default_privileges::of_new(id, kind, sides));
    let before = Facets {
        owner: None,
        grants: initial.as_ref(),
        comment: definition.initial_comment(),
        labels: &BTreeMap::new(),
        columns: Vec::new(),
    };
    write(id, object, &before, sides)
}

/// For one that stays.
pub(super) fn of_changed(id: &Id, old: &Object, new: &Object, sides: Sides<'_>) -> Vec<Statement> {
    let before = Facets {
        owner: old.owner.as_deref(),
        grants: old.grants.as_ref(),
        comment: old.comment.as_deref(),
        labels: &old.labels,
        columns: column_grants(id, old, sides.old),
    };
    write(id, new, &before, sides)
}

struct Facets<'a> {
    owner: Option<&'a str>,
    grants: Option<&'a BTreeSet<Grant>>,
    comment: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    columns: ColumnGrants<'a>,
}

fn write(id: &Id, new: &Object, old: &Facets<'_>, sides: Sides<'_>) -> Vec<Statement> {
    let definition = &new.definition;
    let mut statements = Vec::new();
    if new.owner.as_deref() != old.owner && definition.has_own_owner() {
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
        statements.extend(privileges(id, new, wanted, given, &old.columns, sides));
    }
    statements
}

fn privileges(
    id: &Id,
    new: &Object,
    wanted: &BTreeSet<Grant>,
    given: &BTreeSet<Grant>,
    columns: &[(&str, &BTreeSet<Grant>)],
    sides: Sides<'_>,
) -> Vec<Statement> {
    let (definition, server) = (&new.definition, sides.new.server);
    let grantee = |step: &Step<'_>| read::grantee(step.grantee, new.owner.as_deref());
    let all = definition.acl_kind().map_or(&[][..], |kind| acl::all(kind, server));
    // Who becomes the owner has from then on as the owner what they had before.
    let given = default_privileges::owned(given.clone(), new.owner.as_deref());
    let steps = privileges::steps(&given, wanted, all);
    let on = |list: &[&str]| definition.grant_phrase(id, &list.join(", "));
    let mut statements: Vec<Statement> =
        steps.iter().map(|step| Statement::new(step.sql(on, &grantee(step)))).collect();
    // A privilege that is revoked from a table is revoked from its columns, too.
    let none = BTreeSet::new();
    for (column, wanted) in column_grants(id, new, sides.new) {
        let given = columns.iter().find(|(name, _)| *name == column).map_or(&none, |(_, grants)| *grants);
        let given = default_privileges::owned(given.clone(), new.owner.as_deref());
        // What a column that is an object has to get or to lose is its own affair.
        let own = id.kind == Kind::Table;
        let settled = if own { given.intersection(wanted).cloned().collect() } else { wanted.clone() };
        let taken = |grant: &&Grant| steps.iter().any(|step| step.takes(grant));
        let left: BTreeSet<Grant> =
            given.iter().filter(|grant| !taken(grant) && (!own || settled.contains(grant))).cloned().collect();
        for step in privileges::steps(&left, &settled, acl::all('c', server)) {
            let of_column = |list: &[&str]| {
                let each: Vec<String> =
                    list.iter().map(|privilege| format!("{privilege} ({})", ident(column))).collect();
                definition.grant_phrase(id, &each.join(", "))
            };
            statements.push(Statement::new(step.sql(of_column, &grantee(&step))));
        }
    }
    statements
}

/// The privileges on the columns, whether these are objects of their own or not.
fn column_grants<'a>(id: &Id, object: &'a Object, side: &'a Catalog) -> ColumnGrants<'a> {
    let mut grants = object.definition.column_grants();
    if id.kind == Kind::Table {
        let columns = side.within(Kind::Column, &id.path);
        grants.extend(columns.filter_map(|(column, object)| Some((column.name(), object.grants.as_ref()?))));
    }
    grants
}
