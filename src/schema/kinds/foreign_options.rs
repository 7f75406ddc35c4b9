//! `OPTIONS (…)` of what has to do with foreign data.

use std::collections::BTreeMap;

use crate::schema::quote::{ident, literal};

/// The JSON of a `text[]` of options.
pub(super) fn json(options: &str) -> String {
    format!(
        "coalesce((SELECT json_object_agg(o.option_name, coalesce(o.option_value, '')) FROM pg_options_to_table({options}) o), '{{}}'::json)"
    )
}

/// ` OPTIONS (…)` of what is made, or nothing where there are none.
pub(super) fn with<V: AsRef<str>>(options: &BTreeMap<String, V>) -> String {
    let list: Vec<String> =
        options.iter().map(|(name, value)| format!("{} {}", ident(name), literal(value.as_ref()))).collect();
    if list.is_empty() { String::new() } else { format!(" OPTIONS ({})", list.join(", ")) }
}

/// `OPTIONS (ADD …, SET …, DROP …)`, or nothing where they are the same.
pub(super) fn changes<V: AsRef<str>>(old: &BTreeMap<String, V>, new: &BTreeMap<String, V>) -> Option<String> {
    let mut list = Vec::new();
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        list.push(format!("DROP {}", ident(name)));
    }
    for (name, value) in new {
        let verb = match old.get(name) {
            None => "ADD",
            Some(old) if old.as_ref() != value.as_ref() => "SET",
            Some(_) => continue,
        };
        list.push(format!("{verb} {} {}", ident(name), literal(value.as_ref())));
    }
    (!list.is_empty()).then(|| format!("OPTIONS ({})", list.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_added_set_and_dropped_in_place() {
        let old = BTreeMap::from([("gone".to_owned(), "1"), ("host".to_owned(), "a"), ("kept".to_owned(), "x")]);
        let new = BTreeMap::from([("host".to_owned(), "b"), ("kept".to_owned(), "x"), ("user".to_owned(), "it's")]);
        assert_eq!(changes(&old, &new).as_deref(), Some("OPTIONS (DROP gone, SET host 'b', ADD \"user\" 'it''s')"));
        assert_eq!(changes(&old, &old), None);
        assert_eq!(with(&BTreeMap::from([("host".to_owned(), "a")])), " OPTIONS (host 'a')");
    }
}
