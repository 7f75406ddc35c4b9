//! Numbers that go on where they are when a column's `serial` becomes an identity, or the other way round. Postgres has no way to make
//! the one sequence the other, so the value is handed over.

use super::{Column, column};
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::{Definition, Sides};
use crate::schema::quote::{ident, literal, qualified};
use crate::schema::statement::Statement;

fn owner(catalog: &Catalog, sequence: &Id) -> Option<Id> {
    match catalog.definition(&Id::new(Kind::SequenceOwner, sequence.path.clone())) {
        Some(Definition::SequenceOwner(owner)) => Some(Id::new(Kind::Column, owner.column().to_vec())),
        _ => None,
    }
}

fn identity_of<'a>(catalog: &'a Catalog, id: &Id) -> Option<&'a [String]> {
    column(catalog, id)?.identity.as_ref().map(|identity| identity.sequence.as_slice())
}

/// A name that the sequence can have for a while.
fn aside(sequence: &[String], sides: Sides<'_>) -> Vec<String> {
    let [schema, name] = sequence else { return sequence.to_vec() };
    let known = |path: &[String]| {
        let is = |kind| {
            let id = Id::new(kind, path.to_vec());
            sides.old.get(&id).is_some() || sides.new.get(&id).is_some()
        };
        [Kind::Sequence, Kind::Table, Kind::View, Kind::MaterializedView, Kind::Index, Kind::Composite].into_iter().any(is)
    };
    let mut number = 0_u32;
    loop {
        let suffix = if number == 0 { "_old".to_owned() } else { format!("_old{number}") };
        let mut end = name.len().min(63 - suffix.len());
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let path = vec![schema.clone(), format!("{}{suffix}", &name[..end])];
        if !known(&path) {
            return path;
        }
        number += 1;
    }
}

fn rename(from: &[String], to: &[String]) -> Statement {
    let name = to.last().map(|name| ident(name)).unwrap_or_default();
    Statement::new(format!("ALTER SEQUENCE {} RENAME TO {name}", qualified(from)))
}

fn hand_over(from: &[String], to: &[String]) -> Statement {
    let (from, to) = (qualified(from), literal(&qualified(to)));
    Statement::new(format!("SELECT pg_catalog.setval({to}, last_value, is_called) FROM {from}"))
}

/// Whether an old sequence's column has numbers of its own now.
fn becomes_identity<'a>(sequence: &Id, sides: Sides<'a>) -> Option<&'a [String]> {
    let owner = owner(sides.old, sequence)?;
    column(sides.old, &owner).filter(|column| column.identity.is_none())?;
    identity_of(sides.new, &owner)
}

/// For a sequence that is to be dropped, but is needed until an identity has its value: what makes room for the identity's.
pub(in crate::schema::kinds) fn instead_of_drop(sequence: &Id, sides: Sides<'_>) -> Option<Vec<Statement>> {
    let identity = becomes_identity(sequence, sides)?;
    Some(if identity == sequence.path {
        vec![rename(&sequence.path, &aside(&sequence.path, sides))]
    } else {
        Vec::new()
    })
}

/// What gives a column's new identity the value of the sequence that the column had, and drops that.
pub(super) fn take_from_sequence(new: &Column, id: &Id, sides: Sides<'_>) -> Vec<Statement> {
    let Some(identity) = &new.identity else { return Vec::new() };
    let schema = id.path.get(..1).unwrap_or_default();
    let owned = sides.old.within(Kind::SequenceOwner, schema).map(|(it, _)| Id::new(Kind::Sequence, it.path.clone()));
    let mut gone = owned.filter(|sequence| {
        sides.new.get(sequence).is_none() && owner(sides.old, sequence).as_ref() == Some(id)
    });
    let Some(sequence) = gone.next() else { return Vec::new() };
    let from = if identity.sequence == sequence.path { aside(&sequence.path, sides) } else { sequence.path.clone() };
    vec![hand_over(&from, &identity.sequence), Statement::new(format!("DROP SEQUENCE {}", qualified(&from)))]
}

/// Around the making of a sequence, for a column that has an identity until now: what comes before, and what comes after.
pub(in crate::schema::kinds) fn take_from_identity(sequence: &Id, sides: Sides<'_>) -> Option<(Option<Statement>, Statement)> {
    let owner = owner(sides.new, sequence)?;
    column(sides.new, &owner).filter(|column| column.identity.is_none())?;
    let identity = identity_of(sides.old, &owner)?;
    Some(if identity == sequence.path {
        let moved = aside(identity, sides);
        (Some(rename(identity, &moved)), hand_over(&moved, &sequence.path))
    } else {
        (None, hand_over(identity, &sequence.path))
    })
}
