//! Checks that a child has from its parent, and that hold for all of its rows while the parent's is `NOT VALID`: a child that was made after it
//! had none. What makes or remakes the parent's leaves the child's unchecked.

use super::{Constraint, Sort};
use crate::schema::id::Id;
use crate::schema::kinds::{Sides, lineage};
use crate::schema::statement::{Pass, Statement};

/// Reads the rows and notes that all pass; of the children, too.
pub(super) fn validate(id: &Id) -> Statement {
    Constraint::alter(id, Pass::Misc, format!("VALIDATE CONSTRAINT {}", id.ident()))
}

/// Whether a parent has it unchecked, so that nothing done to that one checks it here.
pub(super) fn is_checked_only_here(id: &Id, it: &Constraint, sides: Sides<'_>) -> bool {
    is_checked_and_inherited(it) && unchecked_in_parents(id, sides).next().is_some()
}

/// Whether it is checked only here, and is not any more when what a parent gets now has been made.
pub(super) fn is_to_be_checked_again(id: &Id, it: &Constraint, sides: Sides<'_>) -> bool {
    is_checked_and_inherited(it) && unchecked_in_parents(id, sides).any(|parent| is_made_now(&parent, sides))
}

/// Whether a child's, which was checked, is to be so no longer. Postgres forgets that only with the constraint, and a child's goes with the
/// parent's.
pub(super) fn is_to_be_forgotten_below(id: &Id, it: &Constraint, sides: Sides<'_>) -> bool {
    it.kind == Sort::Check && !it.is_mirror() && !it.is_valid() && is_forgotten_below(id, sides)
}

fn is_forgotten_below(id: &Id, sides: Sides<'_>) -> bool {
    lineage::children(sides.new, &lineage::table_of(id).path).any(|child| {
        let below = lineage::same_in(id, child);
        let valid = |side| Constraint::of(side, &below).map(Constraint::is_valid);
        (valid(sides.old), valid(sides.new)) == (Some(true), Some(false)) || is_forgotten_below(&below, sides)
    })
}

fn is_checked_and_inherited(it: &Constraint) -> bool {
    it.kind == Sort::Check && it.is_mirror() && it.is_valid()
}

fn unchecked_in_parents<'a>(id: &'a Id, sides: Sides<'a>) -> impl Iterator<Item = Id> + use<'a> {
    lineage::parents(sides.new, id.path.get(..2).unwrap_or_default())
        .map(|(inheritance, _)| lineage::same_in(id, lineage::parent_of(inheritance)))
        .filter(move |parent| Constraint::of(sides.new, parent).is_some_and(|it| !it.is_valid()))
}

/// Whether it is not there yet, or goes and comes back.
fn is_made_now(id: &Id, sides: Sides<'_>) -> bool {
    let (Some(old), Some(new)) = (Constraint::of(sides.old, id), Constraint::of(sides.new, id)) else { return true };
    old != new
        || is_to_be_forgotten_below(id, new, sides)
        || new.is_mirror() && unchecked_in_parents(id, sides).any(|parent| is_made_now(&parent, sides))
}
