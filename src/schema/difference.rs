//! What differs between two catalogs, for a person and for programs.

mod tree;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::catalog::{Catalog, Object, side_by_side};
use super::id::{Id, Kind};
use crate::sql::Lexer;

pub use self::tree::tree;

/// An object that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The object.
    pub id: Id,
    /// How it differs.
    #[serde(flatten)]
    pub how: How,
}

/// How an object differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "how", content = "fields", rename_all = "snake_case")]
pub enum How {
    /// Only the new side has it.
    Added,
    /// Only the old side has it.
    Removed,
    /// Both have it, and these differ.
    Changed(Vec<Field>),
}

/// A part of an object that differs. Of two sets it tells only what the other has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// What it is: `query`, `owner`, `grants`, …; a dot leads into what has parts.
    pub name: String,
    /// On the old side; null if it has none.
    pub old: Value,
    /// On the new side; null if it has none.
    pub new: Value,
}

/// What stands for a value that may hold a password.
const HIDDEN: &str = "********";

/// All objects in which two catalogs differ, in order of their ids. Where columns stand is no difference.
pub fn differences(old: &Catalog, new: &Catalog) -> Vec<Difference> {
    let difference = |(id, old, new): (&Id, Option<&Object>, Option<&Object>)| {
        let how = match (old, new) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(old), Some(new)) => How::Changed(fields(id.kind, old, new)),
            (Some(_), None) => How::Removed,
            (None, _) => How::Added,
        };
        Some(Difference { id: id.clone(), how })
    };
    side_by_side(old, new).filter_map(difference).collect()
}

impl Difference {
    /// Whether it may differ only in how Postgres prints an expression: the print of one that was just parsed may not be that of its
    /// print (an `IN` over varchar, nested `AND`s). Such prints have the same words.
    pub(super) fn may_be_the_print(&self) -> bool {
        match &self.how {
            How::Changed(fields) => fields.iter().all(|field| {
                !OF_EVERY_KIND.contains(&field.name.as_str())
                    && match (&field.old, &field.new) {
                        (Value::String(old), _) if old == HIDDEN => false,
                        (Value::String(old), Value::String(new)) => words(old) == words(new),
                        _ => false,
                    }
            }),
            _ => false,
        }
    }
}

/// The different words, constants and operators of an expression; where they stand, how often, and what groups them is left out.
fn words(text: &str) -> BTreeSet<&str> {
    let tokens = Lexer::new(text).map(|token| token.text(text));
    tokens.filter(|token| !matches!(*token, "(" | ")" | "[" | "]" | "," | ":" | "::")).collect()
}

/// Fields that are not of the definition.
const OF_EVERY_KIND: [&str; 4] = ["owner", "grants", "comment", "labels"];

fn fields(kind: Kind, old: &Object, new: &Object) -> Vec<Field> {
    let mut found = Vec::new();
    compare("", &json(old), &json(new), &mut found);
    found.retain(|field| !is_aside(kind, &field.name));
    if found.is_empty() {
        // What is compared and never written: a password.
        found.push(Field { name: "what is secret".to_owned(), old: HIDDEN.into(), new: HIDDEN.into() });
    }
    for field in &mut found {
        if is_secret(kind, &field.name) {
            for value in [&mut field.old, &mut field.new] {
                if !value.is_null() {
                    *value = HIDDEN.into();
                }
            }
        }
    }
    found
}

/// An object with its definition's parts beside its owner and grants.
fn json(object: &Object) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(map) = value.as_object_mut()
        && let Some(Value::Object(definition)) = map.remove("definition")
    {
        // The kind's name stands around it.
        for parts in definition.into_iter().filter_map(|(_, parts)| match parts {
            Value::Object(parts) => Some(parts),
            _ => None,
        }) {
            map.extend(parts);
        }
    }
    value
}

fn compare(name: &str, old: &Value, new: &Value, found: &mut Vec<Field>) {
    if old == new {
        return;
    }
    let field = |old: Value, new: Value| Field { name: name.to_owned(), old, new };
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let inner = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                compare(&inner, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
                these.iter().filter(|value| !those.contains(value)).cloned().collect()
            };
            let (gone, come) = (only(a, b), only(b, a));
            // The same ones in another order.
            let (gone, come) = if gone.is_empty() && come.is_empty() { (a.clone(), b.clone()) } else { (gone, come) };
            found.push(field(Value::Array(gone), Value::Array(come)));
        }
        _ => found.push(field(old.clone(), new.clone())),
    }
}

/// What does not distinguish two objects, and is known of each: see [`Aside`](super::Aside).
fn is_aside(kind: Kind, field: &str) -> bool {
    match kind {
        Kind::MaterializedView => matches!(field, "populated") || field.contains("type_storage"),
        Kind::Extension => field == "relocatable" || field.starts_with("server"),
        _ => false,
    }
}

/// What may hold a password: it is compared, and not shown.
fn is_secret(kind: Kind, field: &str) -> bool {
    match kind {
        Kind::UserMapping | Kind::Server => field.starts_with("options"),
        Kind::Subscription => field.contains("conn"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn catalog(objects: &[(Kind, &[&str], Value)]) -> Catalog {
        let object = |(kind, path, value): &(Kind, &[&str], Value)| {
            let path = path.iter().map(|name| (*name).to_owned()).collect();
            (Id::new(*kind, path), serde_json::from_value(value.clone()).unwrap())
        };
        Catalog { server: 15, objects: objects.iter().map(object).collect(), ..Catalog::default() }
    }

    fn view(query: &str) -> Value {
        json!({ "definition": { "view": { "query": query, "columns": [], "options": [] } } })
    }

    const V: &[&str] = &["public", "v"];

    #[test]
    fn an_object_is_added_removed_or_changed_in_its_parts() {
        let old = catalog(&[(Kind::View, V, view("a")), (Kind::View, &["public", "w"], view("a"))]);
        let mut other = view("b");
        other["comment"] = "new".into();
        let new = catalog(&[(Kind::View, V, other), (Kind::View, &["public", "x"], view("a"))]);
        let found = differences(&old, &new);
        let fields: Vec<&str> = match &found[0].how {
            How::Changed(fields) => fields.iter().map(|field| field.name.as_str()).collect(),
            _ => Vec::new(),
        };
        assert_eq!(fields, ["comment", "query"]);
        assert_eq!([&found[1].how, &found[2].how], [&How::Removed, &How::Added]);
        assert_eq!(differences(&old, &old), []);
    }

    #[test]
    fn only_prints_with_the_same_words_may_be_prints_of_one_thing() {
        let may_be = |a: &str, b: &str| {
            let (old, new) = (catalog(&[(Kind::View, V, view(a))]), catalog(&[(Kind::View, V, view(b))]));
            differences(&old, &new)[0].may_be_the_print()
        };
        assert!(may_be(
            "((x)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
            "((x)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))"
        ));
        assert!(may_be("(a AND ((b >= 1) AND (b <= 2)))", "(a AND (b >= 1) AND (b <= 2))"));
        assert!(!may_be("x = 'a'", "x = 'b'"));
        assert!(!may_be("a < b", "a > b"));
    }
}
