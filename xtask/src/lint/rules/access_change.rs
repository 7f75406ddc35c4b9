//! `access-change`: who may see or change what is there is another one from now on.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "access-change",
    summary: "who may see or change what is there is another one from now on",
    level: Level::Warn,
    why: "A policy, a revoked privilege, a trigger that does not fire and another replica identity change what rows an app sees, writes or replicates, and no error tells.",
    instead: "Let somebody look who knows; then
-- stairwell: allow access-change reviewed with the platform team",
    check: Check::Squawk(
        &[
            Sq::BanDisableTrigger,
            Sq::BanReplicaIdentity,
            Sq::BanRevoke,
            Sq::BanAlterPolicyCondition,
            Sq::BanAlterPolicyRoles,
            Sq::BanAlterRowLevelSecurity,
        ],
        keep,
    ),
    hazards: &[
        "alter table users disable trigger touch;",
        "alter table users replica identity full;",
        "revoke select on users from app;",
        "alter policy p on users using (true);",
        "alter table users enable row level security;",
    ],
    safe: &["create table a (i int8 primary key); alter table a enable row level security;"],
};

/// What takes a privilege from everybody opens nothing, and an owner is no access.
fn keep(at: &At<'_>, violation: &Violation) -> bool {
    let words = words(at.node());
    let closes = words.starts_with("revoke ") && words.trim_end_matches([' ', ';']).ends_with(" from public");
    on_an_old_table(at, violation) && !closes && !words.contains(" owner to ")
}
