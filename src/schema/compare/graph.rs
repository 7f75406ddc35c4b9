//! One order for things of which some have to come before others.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Which of a number of nodes come before which.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    after: Vec<BTreeSet<usize>>,
}

impl Graph {
    /// Of so many nodes, in any order so far.
    pub(super) fn new(nodes: usize) -> Self {
        Self { after: vec![BTreeSet::new(); nodes] }
    }

    /// `first` comes before `then`.
    pub(super) fn before(&mut self, first: usize, then: usize) {
        if first != then
            && let Some(after) = self.after.get_mut(first)
        {
            after.insert(then);
        }
    }

    /// The order in which always the least of those comes that can come. What is in a circle comes, least first, when nothing else is
    /// left; these are given, too. Of the group that the last one is of comes what can, before any other.
    pub(super) fn sort(&self, groups: &[usize]) -> (Vec<usize>, BTreeSet<usize>) {
        let group = |node: usize| groups.get(node).copied().unwrap_or(node);
        let mut waits: Vec<usize> = vec![0; self.after.len()];
        for then in self.after.iter().flatten() {
            waits[*then] += 1;
        }
        let mut ready: BinaryHeap<Reverse<usize>> =
            waits.iter().enumerate().filter(|(_, waits)| **waits == 0).map(|(node, _)| Reverse(node)).collect();
        let mut ready_of: BTreeSet<(usize, usize)> = ready.iter().map(|Reverse(node)| (group(*node), *node)).collect();
        let mut left: BTreeSet<usize> = (0..self.after.len()).collect();
        let mut order = Vec::with_capacity(self.after.len());
        let mut circle = BTreeSet::new();
        loop {
            let sibling = order.last().and_then(|last: &usize| {
                let group = group(*last);
                ready_of.range((group, 0)..(group + 1, 0)).next()
            });
            let node = match sibling.map(|(_, node)| Reverse(*node)).or_else(|| ready.pop()) {
                Some(Reverse(node)) => node,
                None => match self.in_circle(&left) {
                    Some(node) => {
                        circle.insert(node);
                        node
                    }
                    None => return (order, circle),
                },
            };
            ready_of.remove(&(group(node), node));
            if !left.remove(&node) {
                continue;
            }
            order.push(node);
            for then in &self.after[node] {
                waits[*then] = waits[*then].saturating_sub(1);
                if waits[*then] == 0 && left.contains(then) {
                    ready.push(Reverse(*then));
                    ready_of.insert((group(*then), *then));
                }
            }
        }
    }

    /// The least of these that waits for itself, by way of others.
    fn in_circle(&self, left: &BTreeSet<usize>) -> Option<usize> {
        left.iter().copied().find(|node| self.circle_of(*node, left).contains(node))
    }

    /// What comes after this node, within these.
    fn circle_of(&self, node: usize, within: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut todo = vec![node];
        while let Some(next) = todo.pop() {
            for then in self.after[next].iter().filter(|then| within.contains(then)) {
                if reached.insert(*then) {
                    todo.push(*then);
                }
            }
        }
        reached
    }

    /// All nodes that stand in one circle with this one.
    pub(super) fn circle(&self, node: usize) -> BTreeSet<usize> {
        let all: BTreeSet<usize> = (0..self.after.len()).collect();
        let reached = self.circle_of(node, &all);
        reached.iter().copied().filter(|other| self.circle_of(*other, &all).contains(&node)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_can_come_comes_first() {
        let mut graph = Graph::new(4);
        graph.before(3, 0);
        graph.before(0, 1);
        assert_eq!(graph.sort(&[]), (vec![2, 3, 0, 1], BTreeSet::new()));
    }

    #[test]
    fn a_group_stays_together_where_it_can() {
        let mut graph = Graph::new(4);
        graph.before(1, 0);
        graph.before(2, 3);
        assert_eq!(graph.sort(&[0, 1, 1, 1]), (vec![1, 2, 3, 0], BTreeSet::new()));
    }

    #[test]
    fn a_circle_is_broken_and_told() {
        let mut graph = Graph::new(4);
        graph.before(0, 1);
        graph.before(1, 2);
        graph.before(2, 1);
        graph.before(2, 3);
        let (order, circle) = graph.sort(&[]);
        assert_eq!(order, [0, 1, 2, 3]);
        assert_eq!(circle, BTreeSet::from([1]));
        assert_eq!(graph.circle(1), BTreeSet::from([1, 2]));
    }
}
