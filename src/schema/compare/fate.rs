//! What becomes of each object.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Impossible;
use crate::schema::catalog::{Object, Tie, side_by_side};
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::{Change, Definition, Sides};
use crate::schema::statement::Statement;

/// What becomes of an object.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is on the new side only.
    Create,
    /// It is on the old side only.
    Drop,
    /// It is changed in place, by these and by what its owner, privileges and comments need.
    Alter(Vec<Statement>),
    /// It is dropped and made again.
    Replace,
    /// A type that is made anew beside the old one, which is renamed until nothing has it.
    Swap,
}

/// The fate of every object that does not stay as it is.
pub(super) type Fates = BTreeMap<Id, Fate>;

/// Decides, for each object by itself and then for what depends on it.
pub(super) fn decide(sides: Sides<'_>) -> Result<Fates, Vec<Impossible>> {
    let mut decision = Decision {
        sides,
        fates: Fates::new(),
        disturbs: BTreeMap::new(),
        queue: VecDeque::new(),
        impossible: Vec::new(),
    };
    let mut come: Vec<&Id> = Vec::new();
    for (id, old, new) in side_by_side(sides.old, sides.new) {
        match (old, new) {
            (None, _) => come.push(id),
            (Some(_), None) => decision.set(id, Fate::Drop),
            (Some(old), Some(new)) => decision.change(id, old, new),
        }
    }
    for id in come {
        decision.set(id, Fate::Create);
    }
    decision.spread();
    if decision.impossible.is_empty() { Ok(decision.fates) } else { Err(decision.impossible) }
}

struct Decision<'a> {
    sides: Sides<'a>,
    fates: Fates,
    /// Which dependent kinds have to go while this one is changed in place.
    disturbs: BTreeMap<Id, fn(Kind) -> bool>,
    /// Whose dependents are still to be looked at.
    queue: VecDeque<Id>,
    impossible: Vec<Impossible>,
}

impl Decision<'_> {
    fn set(&mut self, id: &Id, fate: Fate) {
        self.fates.insert(id.clone(), fate);
        self.queue.push_back(id.clone());
    }

    fn change(&mut self, id: &Id, old: &Object, new: &Object) {
        if old.definition == new.definition {
            if new.definition.is_in_the_way(id, self.sides) {
                self.replace(id);
            } else if old != new {
                // Its owner, who may what with it, or its comment.
                self.set(id, Fate::Alter(Vec::new()));
            }
            return;
        }
        match new.definition.change(&old.definition, id, self.sides) {
            Change::Alter(statements) => self.set(id, Fate::Alter(statements)),
            Change::Disturb(statements, whom) => {
                self.disturbs.insert(id.clone(), whom);
                self.set(id, Fate::Alter(statements));
            }
            Change::Replace => self.replace(id),
            Change::Swap => self.set(id, Fate::Swap),
            Change::Impossible(why) => self.impossible.push(Impossible { id: id.clone(), why }),
        }
    }

    /// Drops it and makes it again, if it holds no data.
    fn replace(&mut self, id: &Id) {
        let generated = || self.sides.old.definition(id).is_some_and(Definition::is_derived);
        match id.kind {
            Kind::Table | Kind::Sequence | Kind::Schema => self.impossible.push(Impossible {
                id: id.clone(),
                why: "it would have to be dropped and made again, and what is in it would be lost\n  = help: make the new one \
                      beside it by hand, move the data, and drop the old one in a later migration"
                    .to_owned(),
            }),
            Kind::Column if !generated() => self.impossible.push(Impossible {
                id: id.clone(),
                why: "what its type or default needs would have to be dropped, and the column with it\n  = help: add a new column by \
                      hand, move the data, and drop the old one in a later migration"
                    .to_owned(),
            }),
            _ => self.set(id, Fate::Replace),
        }
    }

    /// What an object's fate means for those that depend on it.
    fn spread(&mut self) {
        let old = self.sides.old;
        let needed_by = old.needed_by();
        let mut seen: BTreeSet<(Id, bool)> = BTreeSet::new();
        while let Some(id) = self.queue.pop_front() {
            let (gone, swapped) = match self.fates.get(&id) {
                Some(Fate::Drop | Fate::Replace) => (true, false),
                Some(Fate::Swap) => (false, true),
                Some(Fate::Alter(_)) if self.disturbs.contains_key(&id) => (false, false),
                _ => continue,
            };
            if !seen.insert((id.clone(), gone || swapped)) {
                continue;
            }
            for (dependent, tie) in needed_by.get(&id).into_iter().flatten() {
                if *tie == Tie::After || matches!(self.fates.get(*dependent), Some(Fate::Drop | Fate::Replace)) {
                    continue;
                }
                let still = self.sides.new.needs.get(*dependent).is_some_and(|needs| needs.contains_key(&id));
                let altered = matches!(self.fates.get(*dependent), Some(Fate::Alter(_)));
                if swapped {
                    self.take_new_type(dependent, *tie);
                } else if !gone {
                    if self.disturbs.get(&id).is_some_and(|whom| whom(dependent.kind)) {
                        self.replace(dependent);
                    }
                } else if *tie == Tie::Part || still || !altered {
                    // Where the type of a kept column has to go, it goes after the column has the new one.
                    if *tie == Tie::Normal
                        && holds_data(dependent)
                        && is_type(id.kind)
                        && self.sides.new.get(&id).is_some()
                    {
                        self.set(&id, Fate::Swap);
                        break;
                    }
                    if *tie != Tie::Follower {
                        self.replace(dependent);
                    }
                }
            }
        }
    }

    /// The type that this one has is made anew.
    fn take_new_type(&mut self, dependent: &Id, tie: Tie) {
        match dependent.kind {
            Kind::Column if tie == Tie::Normal => {
                let retype =
                    self.sides.new.definition(dependent).and_then(|column| column.retype(dependent, self.sides));
                let Some((statement, whom)) = retype else { return self.replace(dependent) };
                match self.fates.get_mut(dependent) {
                    Some(Fate::Alter(statements)) => {
                        statements.retain(|other| !statement.iter().any(|statement| statement.same_pass(other)));
                        statements.splice(0..0, statement);
                    }
                    _ => {
                        self.fates.insert(dependent.clone(), Fate::Alter(statement.into_iter().collect()));
                    }
                }
                self.disturbs.insert(dependent.clone(), whom);
                self.queue.push_back(dependent.clone());
            }
            Kind::Enum | Kind::Domain | Kind::Composite | Kind::Range if tie == Tie::Normal => {
                self.set(dependent, Fate::Swap);
            }
            _ => self.replace(dependent),
        }
    }
}

/// Whether it must never be dropped and made again.
fn holds_data(id: &Id) -> bool {
    matches!(id.kind, Kind::Table | Kind::Column | Kind::Sequence)
}

fn is_type(kind: Kind) -> bool {
    matches!(kind, Kind::Enum | Kind::Domain | Kind::Composite | Kind::Range)
}
