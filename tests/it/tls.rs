//! TLS: what each mode asks of which server, and every way that leads to one (docs/tls.md).

pub(crate) mod bench;
mod certificates;
mod clients;
mod modes;
mod ways;

/// Adds the tests of all.
pub(crate) fn add(trials: &mut Vec<libtest_mimic::Trial>) {
    clients::add(trials);
    modes::add(trials);
    ways::add(trials);
}
