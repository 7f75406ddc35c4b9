//! `vacuum-full`: the table is written anew under an exclusive lock.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "vacuum-full",
    summary: "the table is written anew under an exclusive lock",
    level: Level::Deny,
    why: "VACUUM FULL and CLUSTER copy the whole table under an ACCESS EXCLUSIVE lock: nobody reads or writes.",
    instead: "VACUUM without FULL blocks nobody; pg_repack gives space back without the lock.",
    check: Check::Ours(find),
    hazards: &[
        "-- stairwell: no-transaction
vacuum full users;",
        "-- stairwell: no-transaction
vacuum (full, analyze) users;",
        "cluster users using users_pkey;",
    ],
    safe: &[
        "-- stairwell: no-transaction
vacuum users;",
        "-- stairwell: no-transaction
vacuum (analyze) users;",
        "-- stairwell: no-transaction
vacuum (full false) users;",
    ],
};

fn find(at: &At<'_>, found: &mut Vec<Found>) {
    let is_full = match at.stmt {
        ast::Stmt::Cluster(_) => true,
        ast::Stmt::Vacuum(vacuum) => {
            let options = vacuum.vacuum_option_list().map(|list| words(list.syntax())).unwrap_or_default();
            let asks = |option: &str| {
                let mut words = option.trim_matches(['(', ')', ' ']).split(' ');
                words.next() == Some("full") && !matches!(words.next(), Some("false" | "off" | "0"))
            };
            vacuum.full_token().is_some() || options.split(',').any(asks)
        }
        _ => false,
    };
    if is_full {
        found.push(Found::at(at.node(), RULE.summary));
    }
}
