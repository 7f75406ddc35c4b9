//! `opaque-sql`: a block hides what it executes.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "opaque-sql",
    summary: "a block hides what it executes",
    level: Level::Warn,
    why: "What is put together while it runs no reviewer and no linter sees.",
    instead: "Write the statements out; or say that it loses nothing:
-- stairwell: allow opaque-sql it only analyzes",
    check: Check::Build(&[Build::OpaqueSql]),
    hazards: &[
        "do $$ begin execute 'drop ' || kind; end $$;",
        "do $$ declare t text; begin for t in select relname from pg_class loop execute format('analyze %I', t); end loop; end $$;",
    ],
    safe: &["do $$ begin perform 1; end $$;"],
};
