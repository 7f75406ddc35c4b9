//! What an app does when its database is not as it needs it.

mod destructive;
mod environments;
mod library;
mod policies;
mod releases;
mod troubles;

/// Adds the tests of every part.
pub(crate) fn add(trials: &mut Vec<libtest_mimic::Trial>) {
    environments::add(trials);
    destructive::add(trials);
    library::add(trials);
    policies::add(trials);
    releases::add(trials);
}
