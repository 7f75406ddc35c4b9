//! What may have been renamed: something went, and something like it came.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Rename, has_rename, renamed, values};
use crate::schema::catalog::Catalog;
use crate::schema::id::{Id, Kind};
use crate::schema::quote::ident;

/// A pair, and how alike the two are, of 1000.
struct Pair<'a> {
    old: &'a Id,
    new: &'a Id,
    alike: usize,
}

/// From so much on two may be one.
const ENOUGH: usize = 500;

/// What may have been renamed, the most alike first; each object stands in one of them. Ask for what is in a table again once the table
/// has its new name: only then can it be compared.
pub fn likely(old: &Catalog, new: &Catalog) -> Vec<Rename> {
    let gone: Vec<&Id> = old.objects.keys().filter(|id| has_rename(id.kind) && !new.objects.contains_key(id)).collect();
    let come: Vec<&Id> = new.objects.keys().filter(|id| has_rename(id.kind) && !old.objects.contains_key(id)).collect();
    let mut pairs = Vec::new();
    for from in &gone {
        for to in come.iter().filter(|to| renamed(from, to.name()) == ***to) {
            let alike = likeness(old, new, from, to);
            if alike >= ENOUGH {
                pairs.push(Pair { old: from, new: to, alike });
            }
        }
    }
    pairs.sort_by_key(|pair| std::cmp::Reverse((pair.alike, similar(pair.old.name(), pair.new.name()))));
    let mut taken: BTreeSet<&Id> = BTreeSet::new();
    let mut found: Vec<Rename> = Vec::new();
    for pair in pairs {
        if !taken.contains(pair.old) && !taken.contains(pair.new) {
            taken.extend([pair.old, pair.new]);
            found.push(Rename::object(pair.old, pair.new.name()));
        }
    }
    found.extend(enum_values(old, new));
    found
}

/// Values that stand where others stood.
fn enum_values(old: &Catalog, new: &Catalog) -> Vec<Rename> {
    let mut found = Vec::new();
    for id in old.objects.keys().filter(|id| id.kind == Kind::Enum && old.get(id) != new.get(id)) {
        let (before, after) = (values(old, id), values(new, id));
        if before.len() != after.len() {
            continue;
        }
        for (a, b) in before.iter().zip(&after) {
            if !after.contains(a) && !before.contains(b) {
                found.push(Rename::value(id, a, b));
            }
        }
    }
    found
}

/// How alike two are, of 1000.
fn likeness(old: &Catalog, new: &Catalog, from: &Id, to: &Id) -> usize {
    let (Some(a), Some(b)) = (json(old, from), json(new, to)) else { return 0 };
    match from.kind {
        Kind::Table => {
            let columns = |catalog: &Catalog, table: &Id| -> BTreeSet<(String, String)> {
                let columns = catalog.within(Kind::Column, &table.path);
                columns.map(|(id, _)| (id.name().to_owned(), type_of(catalog, id))).collect()
            };
            share(&columns(old, from), &columns(new, to))
        }
        // A column that takes the place of another may differ from it in all but its type.
        Kind::Column => {
            if type_of(old, from) != type_of(new, to) {
                0
            } else if a == b {
                1000
            } else {
                ENOUGH + similar(from.name(), to.name()) / 3
            }
        }
        Kind::Enum => {
            let set = |catalog: &Catalog, id: &Id| values(catalog, id).into_iter().collect::<BTreeSet<_>>();
            share(&set(old, from), &set(new, to))
        }
        Kind::Schema => {
            let inside = |catalog: &Catalog, id: &Id| -> BTreeSet<Vec<String>> {
                let in_it = catalog.objects.keys().filter(|it| it.kind != Kind::Schema && it.schema() == id.name());
                in_it.map(|it| it.path.get(1..).unwrap_or_default().to_vec()).collect()
            };
            share(&inside(old, from), &inside(new, to))
        }
        // Some definitions begin with the name.
        _ => {
            let definition = new.definition(to);
            let renamed = || serde_json::from_str(&replaced(&a.to_string(), from.name(), to.name())).ok();
            if old.definition(from) == definition || renamed().as_ref() == definition { 1000 } else { 0 }
        }
    }
}

/// The text with one name in place of another, where it stands as a word.
fn replaced(text: &str, old: &str, new: &str) -> String {
    text.replace(&format!(" {} ", ident(old)), &format!(" {} ", ident(new)))
}

fn json(catalog: &Catalog, id: &Id) -> Option<Value> {
    serde_json::to_value(catalog.definition(id)?).ok()
}

fn type_of(catalog: &Catalog, column: &Id) -> String {
    let value = json(catalog, column);
    value.and_then(|it| Some(it.get("column")?.get("type")?.as_str()?.to_owned())).unwrap_or_default()
}

/// How much of both sets is in both, of 1000.
fn share<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> usize {
    let all = a.union(b).count();
    (1000 * a.intersection(b).count()).checked_div(all).unwrap_or(0)
}

/// How alike two names are, by the pairs of letters that they have, of 1000.
fn similar(a: &str, b: &str) -> usize {
    let pairs = |name: &str| -> BTreeSet<(char, char)> { name.chars().zip(name.chars().skip(1)).collect() };
    share(&pairs(a), &pairs(b))
}
