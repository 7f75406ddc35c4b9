//! Which scratch databases this process has, and how one is dropped.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

use crate::postgres::{Database, Failed, Session};
use crate::schema::quote;

/// What has to be dropped if this process is told to end: where it can be dropped from, and its name.
static LIVE: Mutex<Vec<(Database, String)>> = Mutex::new(Vec::new());

fn live() -> MutexGuard<'static, Vec<(Database, String)>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on an interrupt drops it. Said right before it is made: who has been interrupted gets no further than this.
pub(super) fn begins(at: &Database, name: &str) {
    live().push((at.clone(), name.to_owned()));
}

/// It is gone, or never was.
pub(super) fn ended(name: &str) {
    live().retain(|(_, live)| live != name);
}

/// From now on an interrupt (Ctrl-C) drops this process' scratch databases, and ends it with 130, as shells have it for SIGINT.
pub fn clean_up_when_interrupted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let wait = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let interrupted = runtime.is_ok_and(|runtime| runtime.block_on(tokio::signal::ctrl_c()).is_ok());
            if !interrupted {
                return;
            }
            let live = live();
            // What began before, is sent by now.
            thread::sleep(Duration::from_millis(20));
            for (at, name) in live.iter() {
                if let Ok(mut session) = Session::open(at) {
                    give_up_making(&mut session, name);
                    let _ = session.send(&drop_statement(name));
                }
            }
            std::process::exit(130);
        };
        // Without the thread the next command finds what is left.
        let _ = thread::Builder::new().name("interrupts".to_owned()).spawn(wait);
    });
}

fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote::ident(name))
}

/// Cancels the statement that makes it, and waits for that: until it has ended there is nothing to drop.
fn give_up_making(session: &mut Session, name: &str) {
    let cancel = format!(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND starts_with(query, '{} ')",
        create_statement(name)
    );
    for _ in 0..100 {
        match session.send(&cancel) {
            Ok(rows) if !rows.is_empty() => thread::sleep(Duration::from_millis(20)),
            _ => return,
        }
    }
}

/// What to say behind `CREATE DATABASE … TEMPLATE …`. A copy of files waits for two checkpoints, which is what takes long where they wait for
/// the disk, and nothing where they do not. Before 15 there is no other way, and none to name it.
pub(crate) fn strategy(session: &mut Session) -> Result<&'static str, Failed> {
    let files = session
        .send("SELECT current_setting('fsync') = 'off' AND current_setting('server_version_num')::integer >= 150000")?;
    Ok(if files.iter().any(|row| row.get(0) == Some("t")) { " STRATEGY file_copy" } else { "" })
}

/// The beginning of the statement that makes it.
pub(super) fn create_statement(name: &str) -> String {
    format!("CREATE DATABASE {}", quote::ident(name))
}

/// Drops it. What cannot be dropped is left for the next workshop.
pub(super) fn drop_database(session: &mut Session, at: &Database, name: &str) {
    let Err(failed) = session.send(&drop_statement(name)) else { return };
    // A subscription keeps its database, and connects to the publisher when it is dropped, unless it has no slot.
    if failed.code() == "55006"
        && let Ok(mut inside) = Session::open(&at.with_name(name))
    {
        let names = "SELECT quote_ident(subname) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
             WHERE d.datname = current_database()";
        for subscription in inside.send(names).iter().flatten().filter_map(|row| row.get(0)) {
            for change in ["DISABLE", "SET (slot_name = NONE)"] {
                let _ = inside.send(&format!("ALTER SUBSCRIPTION {subscription} {change}"));
            }
            let _ = inside.send(&format!("DROP SUBSCRIPTION {subscription}"));
        }
        drop(inside);
        let _ = session.send(&drop_statement(name));
    }
}
