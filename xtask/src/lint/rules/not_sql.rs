//! `not-sql`: something that only psql understands.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "not-sql",
    summary: "something that only psql understands",
    level: Level::Deny,
    why: "The server has no meta-commands, and gets no rows behind COPY … FROM STDIN: it refuses the script.",
    instead: "Write the rows as INSERT … VALUES, and leave meta-commands out.",
    check: Check::Build(&[Build::MetaCommand, Build::CopyFromStdin]),
    hazards: &[
        r"\connect shop
select 1;",
        r"copy users from stdin;
1	ann
\.
",
    ],
    safe: &["insert into kinds values (1, 'a');"],
};
