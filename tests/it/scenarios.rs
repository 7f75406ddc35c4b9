//! The reference scenarios: what users of this kind of tool do, from their first file to a bad day.

mod assessment_service;
mod dashboard;
mod executions;
mod interviews;
mod warehouse;

/// Adds the tests of every scenario.
pub(crate) fn add(trials: &mut Vec<libtest_mimic::Trial>) {
    assessment_service::add(trials);
    dashboard::add(trials);
    executions::add(trials);
    interviews::add(trials);
    warehouse::add(trials);
}
