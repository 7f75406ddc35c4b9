//! Every `cargo xtask db` command, run as a person or a CI machine runs it.

mod auto;
pub(crate) mod case;
mod completions;
mod configuration;
mod create;
mod current;
mod diff;
mod down;
mod dry_run;
mod history;
mod lock;
mod locked;
mod looking;
mod new;
pub(crate) mod no_transaction;
pub(crate) mod output;
mod private_server;
mod rebase;
mod redo;
mod repair;
mod reset;
mod run_errors;
mod secrets;
mod shell;
mod show;
mod spellings;
mod sql;
mod stamp;
mod status;
mod together;
mod up;
mod wait;

/// Adds the tests of every command.
pub(crate) fn add(trials: &mut Vec<libtest_mimic::Trial>) {
    auto::add(trials);
    completions::add(trials);
    configuration::add(trials);
    current::add(trials);
    create::add(trials);
    diff::add(trials);
    down::add(trials);
    dry_run::add(trials);
    history::add(trials);
    lock::add(trials);
    locked::add(trials);
    looking::add(trials);
    new::add(trials);
    no_transaction::add(trials);
    output::add(trials);
    private_server::add(trials);
    rebase::add(trials);
    redo::add(trials);
    repair::add(trials);
    reset::add(trials);
    run_errors::add(trials);
    secrets::add(trials);
    show::add(trials);
    spellings::add(trials);
    sql::add(trials);
    stamp::add(trials);
    shell::add(trials);
    status::add(trials);
    together::add(trials);
    up::add(trials);
    wait::add(trials);
}
