//! Rows 26, 28 and 29: indexes that are built concurrently, and what a failure or a kill leaves of them.

use std::process::Stdio;

use super::until;
use crate::commands::case::Case;
use crate::commands::no_transaction::{INDEX, TABLE, index};
use crate::harness::{Outcome, xtask};

crate::trials!(
    f26_a_unique_index_on_duplicates,
    f28_the_client_is_killed_while_an_index_is_built,
    f29_killed_between_the_index_and_its_record,
);

fn f26_a_unique_index_on_duplicates() -> Outcome {
    for if_not_exists in ["", "if not exists "] {
        let case = Case::with(&[TABLE])?;
        let up =
            format!("-- stairwell: no-transaction\ncreate unique index concurrently {if_not_exists}t_i on t (i);\n");
        case.workspace.write("2_index.up.sql", up);
        case.workspace.write("2_index.down.sql", INDEX.2);
        case.db(&["up", "1"]).ok();
        let mut client = case.database.client();
        client.batch_execute("insert into t values (1, 'one'), (1, 'two')").unwrap();
        // Of these Postgres alone would call the second a success, if it says IF NOT EXISTS.
        for n in 0..2 {
            let ran = case.db(&["up"]).exits(1);
            assert!(ran.stderr.contains("23505") && ran.stderr.contains("left an invalid index"), "{}", ran.stderr);
            assert_eq!(n > 0, ran.stderr.contains("t_i is invalid, left by a build"), "{}", ran.stderr);
            assert_eq!((index(&case), case.database.applied()), ("invalid", vec!["1".to_owned()]));
        }
        client.batch_execute("delete from t where s = 'two'").unwrap();
        let ran = case.db(&["up"]).ok();
        assert!(ran.stderr.contains("dropping it"), "{}", ran.stderr);
        assert_eq!((index(&case), case.database.applied().len()), ("valid", 2));
    }
    Ok(())
}

fn f28_the_client_is_killed_while_an_index_is_built() -> Outcome {
    let case = Case::with(&[TABLE, INDEX])?;
    case.db(&["up", "1"]).ok();
    // The build waits for every transaction whose snapshot is older than it.
    let mut reader = case.database.client();
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t").unwrap();
    let builders = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity \
                    WHERE datname = current_database() AND query LIKE 'create unique index%' AND wait_event_type = 'Lock'";
    let mut runner = case.command(&["up"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the build waits for the reader", || case.database.ask(builders) != "NULL");
    let builder = case.database.ask(builders);
    runner.kill().unwrap();
    runner.wait().unwrap();
    // Older servers look at the client only when they have something to say to it.
    if case.database.ask("SELECT current_setting('server_version_num')::int >= 140000") == "t" {
        let alive = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {builder}");
        until("the server notices that the client is gone", || case.database.ask(&alive) == "0");
        assert_eq!(index(&case), "invalid");
    }
    let next = std::thread::scope(|scope| {
        let next = scope.spawn(|| case.db(&["up"]));
        // It waits for the reader as well, or for the build that still goes on.
        let waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()";
        until("the next run has got to the index", || case.database.ask(waiting) == "t");
        drop(reader);
        next.join().unwrap()
    });
    next.ok();
    assert_eq!((index(&case), case.database.applied().len()), ("valid", 2));
    Ok(())
}

fn f29_killed_between_the_index_and_its_record() -> Outcome {
    let state = "SELECT coalesce((SELECT state FROM stairwell.ledger WHERE version = 2), 'none')";
    for point in 0.. {
        let case = Case::with(&[TABLE, INDEX])?;
        case.db(&["up", "1"]).ok();
        let ran = xtask::run(case.command(&["up"]).env("STAIRWELL_FAIL_POINT", format!("{point}:kill")));
        assert_ne!(
            ran.code, 0,
            "the run came to its end, and at none of its {point} points was the index made and not recorded"
        );
        if (index(&case), case.database.ask(state).as_str()) == ("valid", "applying") {
            let made = case.database.ask("SELECT 't_i'::regclass::oid");
            case.db(&["up"]).ok();
            assert_eq!(
                case.database.ask("SELECT 't_i'::regclass::oid"),
                made,
                "it is the same one, and no second build"
            );
            assert_eq!(case.database.applied(), ["1", "2"]);
            return Ok(());
        }
    }
    unreachable!("a run has an end")
}
