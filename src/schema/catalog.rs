//! A database's schema as a value.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::aside::Aside;
use super::id::{Id, Kind};
use super::kinds::Definition;

/// All objects of a database that are its own: not Postgres', not an extension's, not the ledger.
///
/// Two of servers of the same major version are equal exactly if the databases are, as far as `pg_dump --schema-only` tells; the order
/// of columns is kept apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// The server's major version, such as 15.
    pub server: u32,
    /// What there is.
    #[serde(with = "as_list")]
    pub objects: BTreeMap<Id, Object>,
    /// What each object needs, directly. An object without needs may be missing.
    #[serde(with = "as_list")]
    pub needs: BTreeMap<Id, Needs>,
    /// Where columns stand: how many stand before each.
    #[serde(with = "as_list")]
    pub positions: BTreeMap<Id, u32>,
}

/// What an object needs, and how firmly.
pub type Needs = BTreeMap<Id, Tie>;

/// What becomes of an object when one that it needs is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// Nothing; it is made after it, and dropped before it.
    After,
    /// It is in the way of the drop.
    Normal,
    /// It is dropped with it, and cannot be without it.
    Part,
    /// It is dropped with it, and made before it: a sequence that is a column's own.
    Follower,
}

/// One object of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub definition: Definition,
    /// The role that owns it, unless it is the one that read the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who may do what with it; `None` for a kind that knows no privileges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<BTreeSet<Grant>>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its security labels, by provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A privilege that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Who.
    pub grantee: Grantee,
    /// What, such as `SELECT`.
    pub privilege: String,
    /// Whether they may pass it on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grantable: bool,
    /// Where the grantee stands in the list that Postgres keeps, and `pg_dump` prints.
    #[serde(default, skip_serializing)]
    pub place: Aside<usize>,
}

/// Who has a privilege.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grantee {
    /// The object's owner, whoever that is.
    Owner,
    /// Everybody.
    Public,
    /// This role.
    Role(String),
}

impl Catalog {
    /// The object of this name.
    pub fn get(&self, id: &Id) -> Option<&Object> {
        self.objects.get(id)
    }

    /// Its definition.
    pub(crate) fn definition(&self, id: &Id) -> Option<&Definition> {
        self.objects.get(id).map(|object| &object.definition)
    }

    /// The objects of a kind whose paths begin so, in order of their names.
    pub(crate) fn within<'a>(&'a self, kind: Kind, prefix: &[String]) -> impl Iterator<Item = (&'a Id, &'a Object)> {
        let from = Id::new(kind, prefix.to_vec());
        self.objects.range(from..).take_while(move |(id, _)| id.kind == kind && id.path.starts_with(prefix))
    }

    /// What this object needs directly.
    pub(crate) fn needs(&self, id: &Id) -> impl Iterator<Item = (&Id, Tie)> {
        self.needs.get(id).into_iter().flatten().map(|(id, tie)| (id, *tie))
    }

    /// The part of it that has these, and all that they need, with all columns of each table.
    pub(crate) fn around(&self, these: &[Id]) -> Self {
        let mut open: Vec<Id> = these.to_vec();
        let mut kept: BTreeSet<Id> = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !self.objects.contains_key(&id) || !kept.insert(id.clone()) {
                continue;
            }
            if id.kind == Kind::Table {
                open.extend(self.within(Kind::Column, &id.path).map(|(column, _)| column.clone()));
            }
            open.extend(self.needs(&id).filter(|(_, tie)| *tie != Tie::After).map(|(needed, _)| needed.clone()));
        }
        let mut part = self.clone();
        part.objects.retain(|id, _| kept.contains(id));
        part.positions.retain(|id, _| kept.contains(id));
        part.needs.retain(|id, _| kept.contains(id));
        for needs in part.needs.values_mut() {
            needs.retain(|id, _| kept.contains(id));
        }
        part
    }

    /// Who needs each object directly: [`Catalog::needs`] the other way round.
    pub(crate) fn needed_by(&self) -> HashMap<&Id, Vec<(&Id, Tie)>> {
        let mut map: HashMap<&Id, Vec<(&Id, Tie)>> = HashMap::new();
        for (id, needs) in &self.needs {
            for (needed, tie) in needs {
                map.entry(needed).or_default().push((id, *tie));
            }
        }
        map
    }
}

/// Every object of either side, in order, as both have it. Both maps are walked side by side: most objects are the same, and to look
/// each up would take longer than to compare it.
pub(crate) fn side_by_side<'a>(
    old: &'a Catalog,
    new: &'a Catalog,
) -> impl Iterator<Item = (&'a Id, Option<&'a Object>, Option<&'a Object>)> {
    let (mut olds, mut news) = (old.objects.iter().peekable(), new.objects.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (olds.peek(), news.peek()) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let old = if order.is_le() { olds.next() } else { None };
        let new = if order.is_ge() { news.next() } else { None };
        let (id, _) = old.or(new)?;
        Some((id, old.map(|(_, object)| object), new.map(|(_, object)| object)))
    })
}

/// Maps whose keys are no strings, as lists of pairs: JSON knows no others.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}
