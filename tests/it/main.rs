//! End-to-end tests against a real Postgres.
//!
//! One binary with its own `main`: it starts one server for the run, gives each test a database of its own, counts what it could not
//! run as ignored with the reason, and stops the server at the end. Run as `xtask` (see `harness::xtask`) it is the `xtask` binary,
//! and run as `app` the example backend, so that tests of the two need no second build.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::unnecessary_wraps, reason = "every test returns an Outcome, whether or not it can be skipped")]

mod ahead;
mod commands;
mod crash_matrix;
mod documents;
mod durability;
mod faults;
mod guides;
mod harness;
mod histories;
mod model;
mod private_server;
mod round_trips;
mod runner;
mod scenarios;
mod schema;
mod spawn;
mod splitting;
mod startup;
mod testing;
mod tls;
mod tour;
mod transactions;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    if harness::xtask::is_asked_for() {
        return stairwell_xtask::main();
    }
    if harness::app::is_asked_for() {
        return harness::app::main();
    }
    if model::child::is_asked_for() {
        return model::child::main();
    }
    if testing::child::is_asked_for() {
        return testing::child::main();
    }
    let mut arguments = Arguments::from_args();
    // Most of a test's time is waiting: for the server, for a lock, for a child to come up.
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    arguments.test_threads.get_or_insert(2 * processors);
    let mut trials = Vec::new();
    // First what takes longest, so that it is not what everyone waits for at the end.
    tour::add(&mut trials);
    ahead::add(&mut trials);
    commands::add(&mut trials);
    crash_matrix::add(&mut trials);
    durability::add(&mut trials);
    faults::add(&mut trials);
    guides::add(&mut trials);
    histories::add(&mut trials);
    model::add(&mut trials);
    private_server::add(&mut trials);
    round_trips::add(&mut trials);
    runner::add(&mut trials);
    scenarios::add(&mut trials);
    schema::add(&mut trials);
    spawn::add(&mut trials);
    splitting::add(&mut trials);
    startup::add(&mut trials);
    testing::add(&mut trials);
    tls::add(&mut trials);
    transactions::add(&mut trials);
    // Last, since it knows the others by their names.
    documents::add(&mut trials);
    let conclusion = libtest_mimic::run(&arguments, trials);
    tls::bench::stop();
    harness::report::print();
    conclusion.exit_code()
}
