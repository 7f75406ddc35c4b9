//! One order of all that is dropped, altered and created.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::fate::{Fate, Fates};
use super::graph::Graph;
use super::{facets, fold};
use crate::schema::catalog::{Catalog, Tie};
use crate::schema::id::{Id, Kind};
use crate::schema::kinds::{Definition, Inline, Sides};
use crate::schema::statement::Statement;

/// What is done to an object. An object that is replaced is dropped and created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Deed {
    MoveAway,
    Drop,
    Alter,
    Create,
}

/// What comes first of that which may come in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One kind after the other.
    ByKind,
    /// What belongs to a table stands with it, as in a description of the whole.
    ByHome,
}

/// What is done for one object, or for several that have one home.
pub(super) struct Section<'a> {
    pub(super) home: &'a Id,
    pub(super) statements: Vec<Statement>,
}

/// A deed with the key by which the least comes first of those that can come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Task<'a> {
    /// Whether it makes room, or makes something.
    phase: u8,
    home: Option<&'a Id>,
    rank: i32,
    id: &'a Id,
    deed: Deed,
}

impl<'a> Task<'a> {
    fn new(id: &'a Id, deed: Deed) -> Self {
        let kind = id.kind as i32;
        // What depends on others stands behind them in the list of kinds, and goes first.
        let (phase, rank) = match deed {
            Deed::MoveAway | Deed::Drop => (0, -kind),
            Deed::Alter | Deed::Create => (1, kind),
        };
        Self { phase, home: None, rank, id, deed }
    }
}

/// What an object belongs to: the table of an index or a trigger, the parent of a partition; itself, for most.
fn home<'a>(id: &'a Id, side: &'a Catalog) -> &'a Id {
    let mut home = id;
    // A table may be in a publication, which is nothing of the table.
    while home.kind != Kind::PublicationMember
        && let Some((whole, _)) = side.needs(home).find(|(_, tie)| matches!(tie, Tie::Part | Tie::Follower))
        && whole != id
    {
        home = whole;
    }
    home
}

/// The statements, in order.
pub(super) fn order<'a>(sides: Sides<'a>, fates: &'a Fates, layout: Layout) -> Vec<Section<'a>> {
    let mut tasks: Vec<Task<'a>> = Vec::new();
    for (id, fate) in fates {
        let deeds: &[Deed] = match fate {
            Fate::Create => &[Deed::Create],
            Fate::Drop => &[Deed::Drop],
            Fate::Alter(_) => &[Deed::Alter],
            Fate::Replace => &[Deed::Drop, Deed::Create],
            Fate::Swap => &[Deed::MoveAway, Deed::Drop, Deed::Create],
        };
        tasks.extend(deeds.iter().map(|deed| match (fate, deed) {
            // After everything, so that all columns of a table take their new types at once.
            (Fate::Swap, Deed::Drop) => Task { phase: 2, ..Task::new(id, Deed::Drop) },
            _ => Task::new(id, *deed),
        }));
    }
    if layout == Layout::ByHome {
        tasks.iter_mut().for_each(|task| task.home = Some(home(task.id, sides.new)));
    }
    tasks.sort();
    let mut known: HashMap<&Id, usize> = HashMap::new();
    let groups: Vec<usize> =
        (0..).zip(&tasks).map(|(n, task)| task.home.map_or(n, |home| *known.entry(home).or_insert(n))).collect();
    let index: HashMap<(&Id, Deed), usize> =
        tasks.iter().enumerate().map(|(n, task)| ((task.id, task.deed), n)).collect();
    let mut planner = Planner { sides, fates, tasks, index, apart: BTreeSet::new() };
    loop {
        let hosts = planner.hosts();
        let graph = planner.graph(&hosts);
        let (order, circles) = graph.sort(&groups);
        if !planner.part(&graph, &circles, &hosts) {
            return planner.write(&order, &hosts);
        }
    }
}

struct Planner<'a> {
    sides: Sides<'a>,
    fates: &'a Fates,
    tasks: Vec<Task<'a>>,
    index: HashMap<(&'a Id, Deed), usize>,
    /// What is not written into another's statement, as that would make a circle.
    apart: BTreeSet<usize>,
}

impl<'a> Planner<'a> {
    fn at(&self, id: &Id, deed: Deed) -> Option<usize> {
        self.index.get(&(id, deed)).copied()
    }

    /// What makes it what it is on the new side.
    fn made(&self, id: &Id) -> Option<usize> {
        self.at(id, Deed::Create).or_else(|| self.at(id, Deed::Alter))
    }

    /// For each task, the one whose statement it is a part of: itself, for most.
    fn hosts(&self) -> Vec<usize> {
        let mut hosts: Vec<usize> = (0..self.tasks.len()).collect();
        for (n, task) in self.tasks.iter().enumerate() {
            let host = match task.deed {
                Deed::Create if !self.apart.contains(&n) => match self.inline(task.id) {
                    Some(Inline::Element { table, .. }) => self.at(&table, Deed::Create),
                    Some(Inline::Suffix { column, .. }) => self.at(&column, Deed::Create),
                    Some(Inline::Implied { host }) => self.made(&host),
                    None => None,
                },
                // It goes with what it is a part of.
                Deed::Drop if !self.apart.contains(&n) => self
                    .sides
                    .old
                    .needs(task.id)
                    .filter(|(_, tie)| matches!(tie, Tie::Part | Tie::Follower))
                    .find_map(|(whole, _)| self.at(whole, Deed::Drop)),
                _ => None,
            };
            if let Some(host) = host {
                hosts[n] = host;
            }
        }
        for n in 0..hosts.len() {
            let mut host = hosts[n];
            // A default is in a column that is in a table.
            for _ in 0..hosts.len() {
                if hosts[host] == host {
                    break;
                }
                host = hosts[host];
            }
            hosts[n] = host;
        }
        hosts
    }

    fn inline(&self, id: &Id) -> Option<Inline> {
        self.sides.new.definition(id).and_then(|definition| definition.inline(id, self.sides))
    }

    /// What has to come before what.
    fn graph(&self, hosts: &[usize]) -> Graph {
        let mut graph = Graph::new(self.tasks.len());
        let mut before = |first: usize, then: usize| graph.before(hosts[first], hosts[then]);
        let out_of_the_way = |n: usize| self.at(self.tasks[hosts[n]].id, Deed::MoveAway).is_some();
        let mut slots: BTreeMap<(&'static str, Vec<String>), Vec<usize>> = BTreeMap::new();
        for (n, task) in self.tasks.iter().enumerate() {
            let id = task.id;
            if matches!(task.deed, Deed::Alter | Deed::Drop) {
                for (needed, tie) in self.sides.old.needs(id) {
                    let still = self.sides.new.needs.get(id).is_some_and(|needs| needs.contains_key(needed));
                    if task.deed == Deed::Drop {
                        // Dependents go before what they need is dropped or altered. A type that is out of the way does not stand
                        // in anything's, and goes last. What goes with something else goes when that goes.
                        let altered = || self.at(needed, Deed::Alter).filter(|_| !out_of_the_way(n));
                        let free = |n: usize| tie != Tie::After || hosts[n] == n;
                        if let Some(then) = self.at(needed, Deed::Drop).or_else(altered)
                            && free(n)
                            && free(then)
                        {
                            before(n, then);
                        }
                        if let Some(first) = self.at(needed, Deed::MoveAway).filter(|_| !out_of_the_way(n)) {
                            // Not a must, but a type is moved when nothing but columns and other types has it.
                            before(n, first);
                        }
                    } else if let Some(then) = self.at(needed, Deed::Drop) {
                        // What lets go of something does so before that is dropped. A swapped type is still needed by name.
                        if !still || self.at(needed, Deed::MoveAway).is_some() {
                            before(n, then);
                        }
                    }
                }
            }
            if matches!(task.deed, Deed::Alter | Deed::Create) {
                for (needed, tie) in self.sides.new.needs(id) {
                    // What is written into another's statement comes when that comes.
                    let waits = tie != Tie::After || hosts[n] == n;
                    if tie != Tie::Follower
                        && waits
                        && let Some(first) = self.made(needed)
                    {
                        before(first, n);
                    }
                }
            }
            match task.deed {
                Deed::Create => {
                    match self.at(id, Deed::MoveAway) {
                        Some(moved) => before(moved, n),
                        None => {
                            if let Some(dropped) = self.at(id, Deed::Drop).filter(|dropped| !out_of_the_way(*dropped)) {
                                before(dropped, n);
                            }
                        }
                    }
                    // What goes by itself with something else must be gone, too.
                    for (whole, tie) in self.sides.old.needs(id) {
                        // A type that is out of the way has taken its constraints along.
                        if matches!(tie, Tie::Part | Tie::Follower)
                            && self.at(whole, Deed::MoveAway).is_none()
                            && let Some(dropped) = self.at(whole, Deed::Drop)
                        {
                            before(dropped, n);
                        }
                    }
                }
                Deed::Drop => {
                    if let Some(moved) = self.at(id, Deed::MoveAway) {
                        before(moved, n);
                    }
                    let taken = self.sides.old.definition(id).filter(|_| self.at(id, Deed::MoveAway).is_none());
                    for slot in taken.map(|definition| definition.slots(id)).unwrap_or_default() {
                        slots.entry(slot).or_default().push(n);
                    }
                }
                _ => {}
            }
        }
        for (n, task) in self.tasks.iter().enumerate().filter(|(_, task)| task.deed == Deed::Create) {
            let Some(definition) = self.sides.new.definition(task.id) else { continue };
            for slot in definition.slots(task.id) {
                for dropped in slots.get(&slot).into_iter().flatten() {
                    before(*dropped, n);
                }
            }
        }
        graph
    }

    /// Takes something out of a statement that stands in a circle; `false` if there is nothing to take out.
    fn part(&mut self, graph: &Graph, circles: &BTreeSet<usize>, hosts: &[usize]) -> bool {
        for node in circles {
            let circle = graph.circle(*node);
            let members: Vec<usize> = (0..self.tasks.len())
                .filter(|n| {
                    hosts[*n] != *n
                        && circle.contains(&hosts[*n])
                        && matches!(self.tasks[*n].deed, Deed::Create | Deed::Drop)
                        && !self.apart.contains(n)
                })
                .collect();
            let least = members.iter().filter_map(|n| self.weight(*n)).min();
            let some: Vec<usize> =
                members.into_iter().filter(|n| least.is_some() && self.weight(*n) == least).collect();
            if !some.is_empty() {
                self.apart.extend(some);
                return true;
            }
        }
        false
    }

    /// How much worse a statement reads without it, of what can be added later.
    fn weight(&self, n: usize) -> Option<u8> {
        let task = &self.tasks[n];
        let side = if task.deed == Deed::Drop { self.sides.old } else { self.sides.new };
        match task.id.kind {
            Kind::Constraint => match side.definition(task.id) {
                Some(Definition::Constraint(it)) if it.is_foreign_key() => Some(0),
                _ => Some(1),
            },
            Kind::DomainConstraint => Some(1),
            Kind::Default | Kind::Sequence | Kind::SequenceOwner => Some(2),
            Kind::Column => Some(3),
            _ => None,
        }
    }

    fn write(&self, order: &[usize], hosts: &[usize]) -> Vec<Section<'a>> {
        let mut guests: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (n, host) in hosts.iter().enumerate().filter(|(n, host)| n != *host) {
            guests.entry(*host).or_default().push(n);
        }
        let mut sections: Vec<Section<'a>> = Vec::new();
        for n in order.iter().copied().filter(|n| hosts[*n] == *n) {
            let mut own = self.statements(n);
            let mut guests = guests.remove(&n).unwrap_or_default();
            guests.sort_by_key(|guest| {
                let id = self.tasks[*guest].id;
                (id.kind, self.sides.new.positions.get(id).copied())
            });
            let mut later = Vec::new();
            for guest in guests {
                let task = &self.tasks[guest];
                if task.deed != Deed::Create {
                    continue;
                }
                if let Some(inline) = self.inline(task.id) {
                    fold::write_into(&mut own, task.id, inline);
                }
                later.extend(self.facets(task));
            }
            // What is said of an object is said when it is there.
            let stage = own.iter().map(|statement| statement.stage).max().unwrap_or_default();
            let facets = self.facets(&self.tasks[n]).into_iter().chain(later);
            own.extend(facets.map(|statement| statement.later(stage)));
            let home = self.tasks[n].home.unwrap_or(self.tasks[n].id);
            match sections.last_mut() {
                Some(last) if last.home == home => last.statements.append(&mut own),
                _ => sections.push(Section { home, statements: own }),
            }
        }
        sections
    }

    fn statements(&self, n: usize) -> Vec<Statement> {
        let task = &self.tasks[n];
        let (old, new) = (self.sides.old.definition(task.id), self.sides.new.definition(task.id));
        match (task.deed, old, new) {
            (Deed::MoveAway, Some(old), _) => {
                old.move_away(task.id).into_iter().map(|(statement, _)| statement).collect()
            }
            (Deed::Drop, Some(old), _) => {
                match old.move_away(task.id).filter(|_| self.at(task.id, Deed::MoveAway).is_some()) {
                    Some((_, moved)) => old.drop(&moved, self.sides),
                    None => old.drop(task.id, self.sides),
                }
            }
            (Deed::Create, _, Some(new)) => new.create(task.id, self.sides),
            (Deed::Alter, _, _) => match self.fates.get(task.id) {
                Some(Fate::Alter(statements)) => statements.clone(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Owner, privileges and comments, behind what made or altered it.
    fn facets(&self, task: &Task<'_>) -> Vec<Statement> {
        let (old, new) = (self.sides.old.get(task.id), self.sides.new.get(task.id));
        match (task.deed, old, new) {
            (Deed::Create, _, Some(new)) => facets::of_created(task.id, new, self.sides),
            (Deed::Alter, Some(old), Some(new)) => facets::of_changed(task.id, old, new, self.sides),
            _ => Vec::new(),
        }
    }
}
