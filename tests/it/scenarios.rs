//! The reference scenarios: what users of this kind of tool do, from their first file to a bad day.

mod assessment_service;
mod dashboard;

/// Adds the tests of every scenario.
pub(crate) fn add(trials: &mut Vec<libtest_mimic::Trial>) {
    assessment_service::add(trials);
    dashboard::add(trials);
}
