//! `untrusted-extension`: an extension that only a superuser can create.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "untrusted-extension",
    summary: "an extension that only a superuser can create",
    level: Level::Warn,
    why: "On a hosted server the role of the migrations may not be allowed to, and the extension's files may be missing: the migration fails.",
    instead: "Let whoever runs the server create it, and check for it; `cargo xtask db doctor` says what is missing.",
    check: Check::Ours(find),
    hazards: &["create extension postgis;", "create extension if not exists dblink;"],
    safe: &[
        "create extension pgcrypto;",
        r#"create extension if not exists "uuid-ossp";"#,
        "create extension citext with schema app;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    if let ast::Stmt::CreateExtension(create) = at.stmt
        && let Some(name) = create.extension().map(|name| key(name.syntax()))
        && !TRUSTED.contains(&name.as_str())
    {
        found.push(Found::at(at.node(), format!("`{name}` is an extension that only a superuser can create")));
    }
}

/// What is marked as trusted in Postgres itself: `SELECT DISTINCT name FROM pg_available_extension_versions WHERE trusted`.
const TRUSTED: [&str; 24] = [
    "bool_plperl",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "fuzzystrmatch",
    "hstore",
    "hstore_plperl",
    "intarray",
    "isn",
    "jsonb_plperl",
    "lo",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "seg",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
];
