//! Names and strings as SQL writes them.

/// Words that `quote_ident` of Postgres quotes: reserved, or reserved but for some place (Appendix C of the manual, versions 12 to 18).
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "merge_action",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// A name, quoted where Postgres itself would quote it.
pub(crate) fn ident(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && RESERVED.binary_search(&name).is_err();
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Names with dots between.
pub(crate) fn qualified(path: &[String]) -> String {
    path.iter().map(|name| ident(name)).collect::<Vec<_>>().join(".")
}

/// A string constant. One with a backslash is written as `E'…'`, which does not depend on `standard_conforming_strings`.
pub(crate) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// An expression as Postgres prints it, in exactly one pair of brackets.
pub(crate) fn bracketed(expression: &str) -> String {
    if stands_in_brackets(expression) { expression.to_owned() } else { format!("({expression})") }
}

/// Whether the first bracket is closed by the last character.
fn stands_in_brackets(expression: &str) -> bool {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, character) in expression.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => continue,
            (None, '\'' | '"') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1 == expression.len() && at > 0;
        }
    }
    false
}

/// A role. What stands for the one who runs the script is a keyword and not a name.
pub(crate) fn role(name: &str) -> String {
    match name {
        CURRENT_USER | PUBLIC => name.to_owned(),
        _ => ident(name),
    }
}

/// The role that reads a catalog, or runs a script: the owner of everything that says nothing else.
pub(crate) const CURRENT_USER: &str = "CURRENT_USER";

/// Everybody.
pub(crate) const PUBLIC: &str = "PUBLIC";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_words_are_sorted() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn names_are_quoted_where_postgres_would() {
        assert_eq!(ident("users"), "users");
        assert_eq!(ident("_1"), "_1");
        for (name, quoted) in
            [("user", "\"user\""), ("Users", "\"Users\""), ("a\"b", "\"a\"\"b\""), ("1a", "\"1a\""), ("", "\"\"")]
        {
            assert_eq!(ident(name), quoted);
        }
    }

    #[test]
    fn an_expression_gets_brackets_where_it_has_none() {
        for (printed, written) in [
            ("(a > 1)", "(a > 1)"),
            ("(a > 1) OR (b > 1)", "((a > 1) OR (b > 1))"),
            ("f(a)", "(f(a))"),
            ("(a = ')'::text)", "(a = ')'::text)"),
            ("(a) = '()'", "((a) = '()')"),
            ("true", "(true)"),
            ("(\"(\" > 1)", "(\"(\" > 1)"),
        ] {
            assert_eq!(bracketed(printed), written);
        }
    }

    #[test]
    fn strings_survive_quotes_and_backslashes() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\b'"), r"E'a\\b'''");
    }
}
