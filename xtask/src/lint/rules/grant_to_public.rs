//! `grant-to-public`: every role gets a privilege.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "grant-to-public",
    summary: "every role gets a privilege",
    level: Level::Deny,
    why: "PUBLIC is everybody who can connect, now and later.",
    instead: "Name the role:
GRANT SELECT ON users TO app_reader;",
    check: Check::Ours(find),
    hazards: &[
        "grant select on users to public;",
        "grant all on all tables in schema app to app, public;",
        "alter default privileges in schema app grant select on tables to public;",
    ],
    safe: &[
        "grant select on users to reader;",
        "revoke all on users from public;",
        "alter default privileges grant select on tables to reader;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let words = words(at.node());
    let grants = matches!(at.stmt, ast::Stmt::Grant(_))
        || (matches!(at.stmt, ast::Stmt::AlterDefaultPrivileges(_)) && words.contains(" grant "));
    let Some((_, roles)) = words.rsplit_once(" to ").filter(|_| grants) else { return };
    if roles.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '"').any(|role| role == "public") {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
