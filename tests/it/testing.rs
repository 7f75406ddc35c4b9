//! `stairwell::testing`: what users' tests get.

pub(crate) mod child;
mod databases;
mod servers;

use libtest_mimic::Trial;

pub(crate) fn add(trials: &mut Vec<Trial>) {
    databases::add(trials);
    servers::add(trials);
}
