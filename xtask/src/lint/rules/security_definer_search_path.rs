//! `security-definer-search-path`: a function with its owner's rights finds what its caller wants it to find.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "security-definer-search-path",
    summary: "a function with its owner's rights finds what its caller wants it to find",
    level: Level::Deny,
    why: "It runs as its owner, and looks names up in its caller's search_path: whoever may create a table or a function of that name has the owner's rights.",
    instead: "Pin it:
CREATE FUNCTION … SECURITY DEFINER SET search_path = pg_catalog, pg_temp …",
    check: Check::Ours(find),
    hazards: &[
        "create function f() returns int language sql security definer as $$ select 1 $$;",
        "create or replace procedure p() language plpgsql security definer as $$ begin null; end $$;",
        "alter function f() security definer;",
    ],
    safe: &[
        "create function f() returns int language sql security definer set search_path = '' as $$ select 1 $$;",
        "create function f() returns int language sql as $$ select 1 $$;",
        "alter function f() security definer set search_path = pg_catalog;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let is_routine = matches!(
        at.stmt,
        ast::Stmt::CreateFunction(_)
            | ast::Stmt::CreateProcedure(_)
            | ast::Stmt::AlterFunction(_)
            | ast::Stmt::AlterProcedure(_)
            | ast::Stmt::AlterRoutine(_)
    );
    let words = words(at.node());
    if is_routine && words.contains(" security definer") && !words.contains(" set search_path ") {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
