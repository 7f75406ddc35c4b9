//! `literal-secret`: a password in a migration.

use super::prelude::*;

pub(in crate::lint) const NAME: &str = "literal-secret";

pub(super) const RULE: Rule = Rule {
    name: NAME,
    summary: "a password in a migration",
    level: Level::Deny,
    why: "It is in git, in the program that embeds the migrations, and in the server's log, for ever.",
    instead: "Make the role without a password, and set that from where secrets are kept:
CREATE ROLE app LOGIN;",
    check: Check::Ours(find),
    hazards: &[
        "create role app login password 'secret';",
        "alter user app with encrypted password 'x';",
        "create user mapping for app server s options (user 'a', password 'b');",
        "create subscription s connection 'host=a password=b' publication p;",
    ],
    safe: &["create role app login;", "alter role app password null;"],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let words = words(at.node());
    let may_hold = matches!(
        at.stmt,
        ast::Stmt::CreateRole(_)
            | ast::Stmt::AlterRole(_)
            | ast::Stmt::CreateUser(_)
            | ast::Stmt::AlterUser(_)
            | ast::Stmt::CreateGroup(_)
            | ast::Stmt::CreateUserMapping(_)
            | ast::Stmt::AlterUserMapping(_)
            | ast::Stmt::CreateServer(_)
            | ast::Stmt::CreateSubscription(_)
            | ast::Stmt::AlterSubscription(_)
    );
    if may_hold
        && (words.contains(" password '")
            || words.contains(" password e'")
            || words.contains(" password $")
            || words.to_lowercase().contains("password="))
    {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
