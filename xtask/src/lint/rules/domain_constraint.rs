//! `domain-constraint`: a constraint of a domain reads every table that uses it.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "domain-constraint",
    summary: "a constraint of a domain reads every table that uses it",
    level: Level::Deny,
    why: "It is checked against every row of every table with a column of the domain, under a lock on each.",
    instead: "Put the check on the tables, NOT VALID, and validate it in a later migration.",
    check: Check::Squawk(&[Sq::BanAlterDomainWithAddConstraint, Sq::BanCreateDomainWithConstraint], keep),
    hazards: &[
        "alter domain email add constraint c check (value like '%@%');",
        "alter domain email add check (value <> '');",
    ],
    safe: &[
        "create table t (i int8 primary key, e text);",
        "create domain email as text;",
        "create domain email as text; alter domain email add check (value <> '');",
    ],
};

/// A new domain's own check reads nothing: no table uses it.
fn keep(at: &At<'_>, _: &Violation) -> bool {
    match at.stmt {
        ast::Stmt::AlterDomain(alter) => {
            !alter.domain_ref().is_some_and(|domain| at.made.has_type(&key(domain.syntax())))
        }
        _ => false,
    }
}
