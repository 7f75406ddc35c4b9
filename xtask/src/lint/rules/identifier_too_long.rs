//! `identifier-too-long`: a name that Postgres cuts.

use super::prelude::*;

pub(super) const RULE: Rule = Rule {
    name: "identifier-too-long",
    summary: "a name that Postgres cuts",
    level: Level::Deny,
    why: "It keeps the first 63 bytes without an error, so that two long names may be one (42P07), and the app asks for a name that is not there.",
    instead: "Choose a shorter one.",
    check: Check::Squawk(&[Sq::IdentifierTooLong], always),
    hazards: &["create table aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (i bigint primary key);"],
    safe: &["create table aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (i bigint primary key);"],
};
