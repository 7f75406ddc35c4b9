//! The rules, one file each: what it finds, why that is a hazard, what to write instead, and scripts with and without it.

mod access_change;
mod attach_without_check;
mod check_validates;
mod column_type_change;
mod commit_in_a_block;
mod concurrently_if_not_exists;
mod concurrently_in_transaction;
mod destructive;
mod detach_without_concurrently;
mod domain_constraint;
mod drop_in_use;
mod drop_index_without_concurrently;
pub(super) mod drop_of_referring_table;
mod duplicate_assignment;
mod enum_value_order;
mod enum_value_used;
mod exclusion_constraint;
mod foreign_key_in_new_table;
mod foreign_key_validates;
mod foreign_key_without_index;
mod generated_column;
mod grant_to_public;
pub(super) mod hidden_lock;
mod host_access;
mod identifier_too_long;
mod incompatible_change;
mod index_without_concurrently;
mod json_column;
mod ledger_touched;
pub(super) mod literal_secret;
mod lock_table;
mod lock_timeout_off;
mod narrow_primary_key;
mod not_sql;
mod opaque_sql;
mod preferred_type;
mod prelude;
mod primary_key_constraint;
mod primary_key_on_nullable;
mod reassign_owned;
mod refresh_without_concurrently;
mod reindex_without_concurrently;
mod rename;
mod required_column;
mod schema_and_data;
mod security_definer_search_path;
mod serial_column;
mod session_state;
mod set_not_null;
mod several_scans;
pub(super) mod several_tables_locked;
mod statement_timeout_off;
pub(super) mod table_rewrite;
mod table_without_primary_key;
mod transaction_control;
mod trigger_on_existing_table;
mod unique_constraint;
mod unnamed_constraint;
mod unqualified_name;
pub(super) mod unread_statement;
mod untrusted_extension;
mod vacuum_full;
mod validate_in_same_transaction;
mod volatile_default;
mod wide_index;
mod work_under_exclusive_lock;

use super::rule::Rule;

/// All of them, in the order of the union that they come from.
pub(crate) static RULES: [Rule; 65] = [
    index_without_concurrently::RULE,
    drop_index_without_concurrently::RULE,
    concurrently_in_transaction::RULE,
    reindex_without_concurrently::RULE,
    unique_constraint::RULE,
    primary_key_constraint::RULE,
    primary_key_on_nullable::RULE,
    exclusion_constraint::RULE,
    foreign_key_validates::RULE,
    check_validates::RULE,
    validate_in_same_transaction::RULE,
    set_not_null::RULE,
    required_column::RULE,
    volatile_default::RULE,
    generated_column::RULE,
    serial_column::RULE,
    column_type_change::RULE,
    table_rewrite::RULE,
    vacuum_full::RULE,
    refresh_without_concurrently::RULE,
    attach_without_check::RULE,
    detach_without_concurrently::RULE,
    domain_constraint::RULE,
    trigger_on_existing_table::RULE,
    lock_table::RULE,
    lock_timeout_off::RULE,
    statement_timeout_off::RULE,
    work_under_exclusive_lock::RULE,
    several_tables_locked::RULE,
    several_scans::RULE,
    schema_and_data::RULE,
    foreign_key_in_new_table::RULE,
    drop_of_referring_table::RULE,
    destructive::RULE,
    drop_in_use::RULE,
    reassign_owned::RULE,
    opaque_sql::RULE,
    hidden_lock::RULE,
    rename::RULE,
    incompatible_change::RULE,
    enum_value_used::RULE,
    enum_value_order::RULE,
    json_column::RULE,
    narrow_primary_key::RULE,
    preferred_type::RULE,
    table_without_primary_key::RULE,
    unnamed_constraint::RULE,
    wide_index::RULE,
    foreign_key_without_index::RULE,
    identifier_too_long::RULE,
    duplicate_assignment::RULE,
    transaction_control::RULE,
    commit_in_a_block::RULE,
    session_state::RULE,
    not_sql::RULE,
    host_access::RULE,
    security_definer_search_path::RULE,
    grant_to_public::RULE,
    literal_secret::RULE,
    ledger_touched::RULE,
    concurrently_if_not_exists::RULE,
    untrusted_extension::RULE,
    access_change::RULE,
    unqualified_name::RULE,
    unread_statement::RULE,
];

/// The rule of this name.
pub(crate) fn named(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// The rule of what the build finds, where that is one of these.
pub(crate) fn of_build(found: stairwell::Rule) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.of_build().contains(&found))
}
