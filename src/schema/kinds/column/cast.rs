//! What `ALTER COLUMN … TYPE` needs to be told of how values become others.

/// Numbers, each of which is cast to each on assignment.
const NUMBERS: &[&str] = &["smallint", "integer", "bigint", "real", "double precision", "numeric"];
/// Whole ones.
const WHOLE: &[&str] = &["smallint", "integer", "bigint"];
/// Everything is cast to these on assignment, by way of its text.
const STRINGS: &[&str] = &["text", "character varying", "character", "name"];
/// Other casts on assignment (`pg_cast` with `castcontext` `a` or `i`).
const OTHERS: &[(&str, &str)] = &[
    ("date", "timestamp without time zone"),
    ("date", "timestamp with time zone"),
    ("timestamp without time zone", "date"),
    ("timestamp with time zone", "date"),
    ("timestamp without time zone", "timestamp with time zone"),
    ("timestamp with time zone", "timestamp without time zone"),
    ("timestamp without time zone", "time without time zone"),
    ("timestamp with time zone", "time without time zone"),
    ("timestamp with time zone", "time with time zone"),
    ("time without time zone", "time with time zone"),
    ("time with time zone", "time without time zone"),
    ("time without time zone", "interval"),
    ("interval", "time without time zone"),
    ("cidr", "inet"),
    ("inet", "cidr"),
    ("json", "jsonb"),
    ("jsonb", "json"),
    ("bit", "bit varying"),
    ("bit varying", "bit"),
    ("integer", "money"),
    ("bigint", "money"),
    ("numeric", "money"),
    ("money", "numeric"),
];
/// Casts that have to be asked for.
const EXPLICIT: &[(&str, &str)] = &[
    ("integer", "boolean"),
    ("boolean", "integer"),
    ("jsonb", "boolean"),
    ("jsonb", "smallint"),
    ("jsonb", "integer"),
    ("jsonb", "bigint"),
    ("jsonb", "real"),
    ("jsonb", "double precision"),
    ("jsonb", "numeric"),
    ("bit", "integer"),
    ("bit", "bigint"),
    ("integer", "bit"),
    ("bigint", "bit"),
];

/// How one type's values become another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By themselves.
    Assignment,
    /// `USING c::new`.
    Explicit,
    /// There is no cast: by way of their text, which Postgres can read or not.
    Text,
}

/// The way from one type, as `format_type` prints it, to another.
pub(super) fn way(old: &str, new: &str) -> Way {
    let (from, to) = (base(old), base(new));
    let pair = (from.as_str(), to.as_str());
    let string = |name: &str| STRINGS.contains(&name);
    if from == to || string(&to) || (NUMBERS.contains(&pair.0) && NUMBERS.contains(&pair.1)) || OTHERS.contains(&pair) {
        // An array is cast as what is in it; but an array and what is none are not cast.
        if old.ends_with("[]") == new.ends_with("[]") || string(new) {
            return Way::Assignment;
        }
    }
    let arrays = old.ends_with("[]") == new.ends_with("[]");
    if (arrays || string(old)) && (string(&from) || EXPLICIT.contains(&pair)) { Way::Explicit } else { Way::Text }
}

/// Whether both are whole numbers, so that a default of one is one of the other.
pub(super) fn are_whole(old: &str, new: &str) -> bool {
    WHOLE.contains(&old) && WHOLE.contains(&new)
}

/// Whether values may come out different, though Postgres raises no error.
pub(super) fn loses(old: &str, new: &str) -> bool {
    let (from, to) = (base(old), base(new));
    let fraction = |name: &str| matches!(name, "real" | "double precision" | "numeric");
    let finer = |text: &str| precision(text).last().copied();
    match (from.as_str(), to.as_str()) {
        (from, to) if fraction(from) && WHOLE.contains(&to) => true,
        ("double precision" | "numeric", "real") | ("numeric", "double precision") => true,
        ("numeric", "numeric") => {
            let scale = |text: &str| (!precision(text).is_empty()).then(|| precision(text).get(1).copied().unwrap_or(0));
            scale(new).is_some_and(|new| scale(old).is_none_or(|old| new < old))
        }
        (from, "date") if from.starts_with("timestamp") => true,
        (from, to) if from.starts_with("timestamp") && to.starts_with("time ") => true,
        (from, to) if from.starts_with("time") && to.starts_with("time") => {
            finer(new).is_some_and(|new| finer(old).is_none_or(|old| new < old))
        }
        _ => false,
    }
}

/// The numbers in parentheses.
fn precision(name: &str) -> Vec<i64> {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inner, _)| inner);
    inner.split(',').filter_map(|number| number.trim().parse().ok()).collect()
}

/// The type without its modifier, and of an array, that of what is in it.
pub(in crate::schema::kinds) fn base(name: &str) -> String {
    let name = name.trim_end_matches("[]");
    match (name.split_once('('), name.split_once(')')) {
        (Some((before, _)), Some((_, after))) if !name.contains('"') => format!("{before}{after}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_is_written_where_assignment_has_none() {
        assert_eq!(way("integer", "bigint"), Way::Assignment);
        assert_eq!(way("character varying(20)", "character varying(10)"), Way::Assignment);
        assert_eq!(way("uuid", "text"), Way::Assignment);
        assert_eq!(way("text", "uuid"), Way::Explicit);
        assert_eq!(way("text", "integer[]"), Way::Explicit);
        assert_eq!(way("integer", "integer[]"), Way::Text);
        assert_eq!(way("boolean", "date"), Way::Text);
        assert_eq!(way("timestamp(3) without time zone", "date"), Way::Assignment);
    }

    #[test]
    fn a_change_that_rounds_is_known() {
        assert!(loses("numeric(10,2)", "numeric(10,1)") && loses("numeric", "integer") && loses("timestamp without time zone", "date"));
        assert!(!loses("integer", "bigint") && !loses("numeric(10,2)", "numeric") && !loses("date", "timestamp without time zone"));
    }
}
