//! Differences as a person reads them: by schema, and in it by table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::{Difference, Field, How};
use crate::schema::id::{Id, Kind};
use crate::schema::quote;

/// What stands below what.
#[derive(Default)]
struct Node<'a> {
    own: Option<&'a Difference>,
    children: BTreeMap<(Kind, String), Node<'a>>,
}

/// The tree, one line for each object and each field; empty if nothing differs. `+` is on the new side only, `-` on the old side only,
/// `~` is on both and differs.
pub fn tree(differences: &[Difference]) -> String {
    let mut root = Node::default();
    for difference in differences {
        let mut node = &mut root;
        for step in steps(&difference.id) {
            node = node.children.entry(step).or_default();
        }
        node.own = Some(difference);
    }
    let mut out = String::new();
    write(&root, 0, &mut out);
    out
}

/// The way to an object: its schema, its table, itself.
fn steps(id: &Id) -> Vec<(Kind, String)> {
    let part = |n: usize| id.path.get(n).map(|name| quote::ident(name)).unwrap_or_default();
    let schema = (Kind::Schema, part(0));
    match id.kind {
        Kind::Schema => vec![schema],
        Kind::Column
        | Kind::Default
        | Kind::Inheritance
        | Kind::Constraint
        | Kind::Rule
        | Kind::Trigger
        | Kind::Policy
            if id.path.len() > 2 =>
        {
            vec![schema, (Kind::Table, part(1)), (id.kind, rest(id, 2))]
        }
        Kind::DomainConstraint => vec![schema, (Kind::Domain, part(1)), (id.kind, rest(id, 2))],
        Kind::Function | Kind::Aggregate => {
            let arguments = id.path.get(2).map(String::as_str).unwrap_or_default();
            vec![schema, (id.kind, format!("{}({arguments})", part(1)))]
        }
        _ if id.path.len() > 1 && id.kind != Kind::UserMapping => vec![schema, (id.kind, rest(id, 1))],
        kind => vec![(kind, id.path.join(" "))],
    }
}

fn rest(id: &Id, from: usize) -> String {
    id.path.get(from..).map(quote::qualified).unwrap_or_default()
}

fn write(node: &Node<'_>, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for ((kind, name), child) in &node.children {
        let sign = match child.own.map(|difference| &difference.how) {
            Some(How::Added) => "+ ",
            Some(How::Removed) => "- ",
            Some(How::Changed(_)) => "~ ",
            None => "",
        };
        let _ = writeln!(out, "{indent}{sign}{} {name}", kind.label());
        // What is in a new table is new with it.
        let whole = matches!(child.own.map(|difference| &difference.how), Some(How::Added | How::Removed));
        if let Some(Difference { how: How::Changed(fields), .. }) = child.own {
            for field in fields {
                write_field(field, &format!("{indent}    "), out);
            }
        }
        if !whole || *kind == Kind::Schema {
            write(child, depth + 1, out);
        }
    }
}

fn write_field(field: &Field, indent: &str, out: &mut String) {
    let of = |value: &Value| match value {
        // See `Object::owner`.
        Value::Null if field.name == "owner" => vec!["the role that connects".to_owned()],
        value => lines(value),
    };
    let (old, new) = (of(&field.old), of(&field.new));
    if let ([old], [new]) = (old.as_slice(), new.as_slice())
        && !field.old.is_array()
        && old.len() + new.len() < 80
    {
        let _ = writeln!(out, "{indent}{}: {old} → {new}", field.name);
        return;
    }
    let _ = writeln!(out, "{indent}{}:", field.name);
    // Of a long text only what is not the same at its beginning and at its end.
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - same;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    for (sign, lines) in [("-", &old), ("+", &new)] {
        for line in lines.get(same..lines.len() - tail).unwrap_or_default() {
            let _ = writeln!(out, "{indent}  {sign} {line}");
        }
    }
}

/// A value, a line for each line of a text or each one of a list.
fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().map(short).collect(),
        Value::String(text) if text.contains('\n') => text.lines().map(str::to_owned).collect(),
        Value::String(text) if text.is_empty() => vec!["''".to_owned()],
        other => vec![short(other)],
    }
}

/// A value in one line.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            if let (Some(who), Some(Value::String(privilege))) = (map.get("grantee"), map.get("privilege")) {
                let option = if map.get("grantable") == Some(&Value::Bool(true)) { " with grant option" } else { "" };
                return format!("{privilege} to {}{option}", grantee(who));
            }
            let shown = map.iter().filter(|(_, value)| !value.is_null() && **value != Value::Bool(false));
            shown.map(|(name, value)| format!("{name} {}", short(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join(", "),
        other @ Value::Number(_) => other.to_string(),
    }
}

fn grantee(who: &Value) -> String {
    match who {
        Value::Object(map) => map.values().next().map(short).unwrap_or_default(),
        other => short(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn difference(kind: Kind, path: &[&str], how: How) -> Difference {
        Difference { id: Id::new(kind, path.iter().map(|name| (*name).to_owned()).collect()), how }
    }

    fn changed(fields: &[(&str, Value, Value)]) -> How {
        let field = |(name, old, new): &(&str, Value, Value)| Field {
            name: (*name).to_owned(),
            old: old.clone(),
            new: new.clone(),
        };
        How::Changed(fields.iter().map(field).collect())
    }

    #[test]
    fn it_reads_by_schema_and_table() {
        let grant =
            |role: &str| json!({ "grantee": { "role": role }, "privilege": "SELECT", "grantable": role == "ann" });
        let found = [
            difference(Kind::Extension, &["citext"], How::Added),
            difference(Kind::Schema, &["audit"], How::Added),
            difference(Kind::Table, &["audit", "entries"], How::Added),
            difference(Kind::Column, &["audit", "entries", "id"], How::Added),
            difference(Kind::Column, &["public", "users", "phone"], How::Removed),
            difference(
                Kind::Column,
                &["public", "users", "email"],
                changed(&[
                    ("type", json!("text"), json!("citext")),
                    ("not_null", json!(null), json!({ "name": null, "valid": true })),
                ]),
            ),
            difference(Kind::Constraint, &["public", "users", "users_email_key"], How::Removed),
            difference(Kind::Index, &["public", "Users by mail"], How::Removed),
            difference(
                Kind::Function,
                &["public", "f", "integer, text"],
                changed(&[("owner", json!(null), json!("ann"))]),
            ),
            difference(
                Kind::View,
                &["public", "active"],
                changed(&[
                    (
                        "grants",
                        json!([grant("bob")]),
                        json!([grant("ann"), { "grantee": "public", "privilege": "SELECT" }]),
                    ),
                    ("query", json!("SELECT a,\n    b\n   FROM t\n  WHERE c"), json!("SELECT a\n   FROM t\n  WHERE c")),
                ]),
            ),
        ];
        insta::assert_snapshot!(tree(&found));
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(tree(&[]), "");
    }
}
