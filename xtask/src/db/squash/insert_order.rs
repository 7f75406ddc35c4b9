//! In which order rows are inserted, so that what they refer to is there.

use std::collections::{BTreeMap, BTreeSet};

/// Groups of tables, each behind those that it refers to; tables that refer to each other are one group. `refers` may name tables that are
/// not among these.
pub(super) fn groups(tables: &[u32], refers: &[(u32, u32)]) -> Vec<Vec<u32>> {
    let mut direct: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (from, to) in refers {
        if tables.contains(from) && tables.contains(to) && from != to {
            direct.entry(*from).or_default().insert(*to);
        }
    }
    let reached: BTreeMap<u32, BTreeSet<u32>> = tables.iter().map(|table| (*table, reach(*table, &direct))).collect();
    let leads = |from: u32, to: u32| reached.get(&from).is_some_and(|set| set.contains(&to));
    let mut left: Vec<u32> = tables.to_vec();
    let mut groups = Vec::new();
    while let Some(first) = left.first().copied() {
        // One whose references are all placed, or lead back to itself. There always is one.
        let is_next = |table: &u32| left.iter().all(|other| !leads(*table, *other) || leads(*other, *table));
        let next = left.iter().copied().find(is_next).unwrap_or(first);
        let of_group = |table: &u32| *table == next || (leads(next, *table) && leads(*table, next));
        let (group, rest) = left.into_iter().partition(of_group);
        groups.push(group);
        left = rest;
    }
    groups
}

fn reach(table: u32, direct: &BTreeMap<u32, BTreeSet<u32>>) -> BTreeSet<u32> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![table]);
    while let Some(table) = open.pop() {
        open.extend(direct.get(&table).into_iter().flatten().filter(|other| reached.insert(**other)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables, who refers to whom, and the groups that this gives.
    type Row = (&'static [u32], &'static [(u32, u32)], &'static [&'static [u32]]);

    #[test]
    fn what_is_referred_to_comes_first_and_a_circle_is_one_group() {
        let table: &[Row] = &[
            (&[], &[], &[]),
            (&[1, 2, 3], &[], &[&[1], &[2], &[3]]),
            (&[1, 2, 3], &[(1, 2), (2, 3)], &[&[3], &[2], &[1]]),
            (&[1, 2, 3], &[(1, 2), (2, 1), (1, 3)], &[&[3], &[1, 2]]),
            (&[1, 2, 3, 4], &[(1, 2), (2, 1), (3, 1), (3, 9), (1, 1)], &[&[1, 2], &[3], &[4]]),
            (&[1, 2, 3, 4], &[(1, 2), (2, 3), (3, 4), (4, 1)], &[&[1, 2, 3, 4]]),
        ];
        for (tables, refers, expected) in table {
            assert_eq!(groups(tables, refers), *expected, "{refers:?}");
        }
    }
}
