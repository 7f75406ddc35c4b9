//! Databases as others have them, each with what such a project does to its schema.

mod executions;
mod interviews;
mod warehouse;

/// Adds the tests of every scenario.
pub(crate) fn add(trials: &mut Vec<libtest_mimic::Trial>) {
    executions::add(trials);
    interviews::add(trials);
    warehouse::add(trials);
}
