//! Views, schemas and sequences are enough to show what holds for all kinds.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::schema::catalog::{Object, Tie};
use crate::schema::id::Kind;
use crate::schema::kinds::Definition;

fn id(kind: Kind, name: &str) -> Id {
    Id::new(kind, vec!["public".to_owned(), name.to_owned()])
}

fn object(kind: Kind, definition: serde_json::Value) -> Object {
    Object {
        definition: Definition::from_json(kind, definition).unwrap(),
        owner: None,
        grants: None,
        comment: None,
        labels: BTreeMap::new(),
    }
}

/// A catalog of views: name, query, type of its column `n`, and the views that it reads.
fn views(of: &[(&str, &str, &str, &[&str])]) -> Catalog {
    let mut catalog = Catalog { server: 15, ..Catalog::default() };
    for (name, query, data_type, reads) in of {
        let columns = json!([{"name": "n", "type": data_type, "collation": null, "comment": null, "default": null}]);
        let definition = json!({"query": query, "columns": columns, "options": []});
        catalog.objects.insert(id(Kind::View, name), object(Kind::View, definition));
        let needs = reads.iter().map(|read| (id(Kind::View, read), Tie::Normal)).collect();
        catalog.needs.insert(id(Kind::View, name), needs);
    }
    catalog
}

fn sql(old: &Catalog, new: &Catalog) -> Vec<String> {
    let script = compare(old, new).unwrap();
    script.statements.iter().map(|s| s.sql().replace('\n', " ")).collect()
}

#[test]
fn equal_schemas_need_no_statement() {
    let catalog = views(&[("a", "SELECT 1 AS n", "integer", &[])]);
    assert_eq!(sql(&catalog, &catalog), [""; 0]);
}

#[test]
fn what_others_need_is_made_before_them_and_dropped_after_them() {
    let some = views(&[("a", "SELECT n FROM public.z", "integer", &["z"]), ("z", "SELECT 1 AS n", "integer", &[])]);
    let none = Catalog { server: 15, ..Catalog::default() };
    assert_eq!(
        sql(&none, &some),
        ["CREATE VIEW public.z AS SELECT 1 AS n", "CREATE VIEW public.a AS SELECT n FROM public.z"]
    );
    assert_eq!(sql(&some, &none), ["DROP VIEW public.a", "DROP VIEW public.z"]);
}

#[test]
fn a_view_that_keeps_its_columns_is_replaced_in_place_and_leaves_others_alone() {
    let of = |query| views(&[("a", query, "integer", &[]), ("b", "SELECT n FROM public.a", "integer", &["a"])]);
    assert_eq!(sql(&of("SELECT 1 AS n"), &of("SELECT 2 AS n")), ["CREATE OR REPLACE VIEW public.a AS SELECT 2 AS n"]);
}

#[test]
fn what_depends_on_something_that_is_made_anew_is_made_anew_with_its_comment() {
    let of = |data_type| {
        let mut catalog = views(&[
            ("a", "SELECT 1 AS n", data_type, &[]),
            ("b", "SELECT n FROM public.a", "integer", &["a"]),
            ("c", "SELECT n FROM public.b", "integer", &["b"]),
        ]);
        catalog.objects.get_mut(&id(Kind::View, "c")).unwrap().comment = Some("kept".to_owned());
        catalog
    };
    assert_eq!(
        sql(&of("integer"), &of("bigint")),
        [
            "DROP VIEW public.c",
            "DROP VIEW public.b",
            "DROP VIEW public.a",
            "CREATE VIEW public.a AS SELECT 1 AS n",
            "CREATE VIEW public.b AS SELECT n FROM public.a",
            "CREATE VIEW public.c AS SELECT n FROM public.b",
            "COMMENT ON VIEW public.c IS 'kept'",
        ]
    );
}

#[test]
fn a_view_whose_name_becomes_a_sequence_makes_room_first() {
    let old = views(&[("a", "SELECT 1 AS n", "integer", &[])]);
    let mut new = Catalog { server: 15, ..Catalog::default() };
    let options = json!({"start": 1, "increment": 1, "minimum": 1, "maximum": i64::MAX, "cache": 1, "cycle": false});
    let sequence = object(Kind::Sequence, json!({"type": "bigint", "unlogged": false, "options": options}));
    new.objects.insert(id(Kind::Sequence, "a"), sequence);
    assert_eq!(sql(&old, &new), ["DROP VIEW public.a", "CREATE SEQUENCE public.a"]);
}
