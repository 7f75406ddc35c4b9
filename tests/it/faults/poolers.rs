//! Row 35: a pooler that lends server connections by the transaction.

use std::process::Command;

use postgres::Client;
use stairwell::Target;
use stairwell::postgres::Migrator;

use super::DOWN;
use crate::commands::case::{Case, at_once};
use crate::harness::Outcome;
use crate::harness::pgbouncer::PgBouncer;
use crate::harness::xtask;

crate::trials!(f35_a_pooler_in_transaction_mode);

/// What a session is like, for each of the server's two that the pool has.
fn sessions(bouncer: &PgBouncer) -> Vec<String> {
    let mut clients = [bouncer.database().connect().unwrap(), bouncer.database().connect().unwrap()];
    // As long as both are in a transaction, each has a server connection to itself.
    for client in &mut clients {
        client.batch_execute("BEGIN").unwrap();
    }
    let mut seen: Vec<String> = clients.iter_mut().map(session).collect();
    seen.sort();
    seen
}

fn session(client: &mut Client) -> String {
    // PgBouncer itself carries these over from client to client.
    let question = "SELECT concat_ws('; ',
        (SELECT string_agg(name || ' = ' || setting, ', ' ORDER BY name) FROM pg_settings WHERE source = 'session'
            AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')),
        current_setting('search_path'), current_setting('lock_timeout'), current_setting('statement_timeout'),
        current_setting('synchronous_commit'), session_user, current_user,
        (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relnamespace = pg_my_temp_schema()) || ' temporary tables',
        (SELECT count(*) FROM pg_prepared_statements) || ' prepared statements',
        (SELECT count(*) FROM pg_listening_channels()) || ' channels',
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) || ' advisory locks')";
    crate::harness::database::ask(client, question)
}

/// Changes a setting for the whole session.
fn leak(setting: &str, value: &str) -> String {
    format!("do $$ begin perform set_config('{setting}', '{value}', false); end $$;")
}

fn f35_a_pooler_in_transaction_mode() -> Outcome {
    let case = Case::with(&[("1_ran", "create table ran (n int); insert into ran values (1);", "drop table ran;")])?;
    let bouncer = PgBouncer::before(&case.database)?;
    for n in 2..=30 {
        // Some leave what must not reach the next client, in ways that the checks of the files do not see.
        let leftover = match n % 5 {
            0 => leak("search_path", "nowhere"),
            1 => leak("statement_timeout", "1h") + &leak("lock_timeout", "1h"),
            2 => "create temporary table left_over (i int);".to_owned(),
            _ => String::new(),
        };
        let up = format!("insert into public.ran values ({n}); {leftover}");
        case.workspace.write(&format!("{n}_step.up.sql"), up);
        case.workspace.write(&format!("{n}_step.down.sql"), format!("delete from public.ran where n = {n};"));
    }
    let before = sessions(&bouncer);
    let through = |arguments: &[&str]| -> Command {
        let mut command = xtask::db(case.workspace.path(), arguments);
        command.env("DATABASE_URL", bouncer.url());
        command
    };
    for ran in at_once((0..4).map(|_| through(&["up"])).collect()) {
        ran.ok();
    }
    assert_eq!(case.database.ask("SELECT count(*) || ' ' || count(DISTINCT n) FROM ran"), "30 30");
    assert_eq!(case.database.applied().len(), 30);
    assert_eq!(sessions(&bouncer), before);

    // A failure leaves neither a transaction nor a lock.
    let fails = format!("{} select 1 / (select 0);", leak("search_path", "nowhere"));
    case.workspace.write("31_fails.up.sql", fails);
    case.workspace.write("31_fails.down.sql", DOWN);
    let ran = xtask::run(&mut through(&["up"])).exits(1);
    assert!(ran.stderr.contains("22012"), "{}", ran.stderr);
    assert_eq!(sessions(&bouncer), before);

    // What needs a session of its own is refused, and nothing before it is done.
    case.workspace.write("31_fails.up.sql", "insert into public.ran values (31);");
    case.workspace
        .write("32_i.up.sql", "-- stairwell: no-transaction\ncreate index concurrently ran_n on public.ran (n);");
    case.workspace.write("32_i.down.sql", "drop index public.ran_n;");
    let ran = xtask::run(&mut through(&["up"]));
    assert_ne!(ran.code, 0);
    for words in ["32_i", "pooler", "connect directly to the server"] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    assert_eq!(case.database.ask("SELECT to_regclass('ran_n') IS NULL"), "t");
    assert_eq!(case.database.ask("SELECT count(*) FROM stairwell.ledger WHERE state <> 'applied'"), "0");
    assert_eq!(sessions(&bouncer), before);
    assert_eq!(case.database.ask("SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND d.datname = current_database()"), "0");
    // The way that the message names; and back through the pooler, without a session of its own again.
    case.db(&["up"]).ok();
    let set = case.workspace.set();
    let version = |version: &str| Target::Version(version.parse().unwrap());
    Migrator::new(&set).down(case.database.database(), version("31")).unwrap_or_else(|error| panic!("{error}"));
    Migrator::new(&set).down(&bouncer.database(), version("20")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(case.database.ask("SELECT count(*) || ' ' || max(n) FROM ran WHERE n < 31"), "20 20");
    assert_eq!(sessions(&bouncer), before);
    Ok(())
}
