//! What commits together, what a script may do to its transaction, and what the runner waits for.

use std::time::Duration;

use stairwell::postgres::{Event, Migrator, Transactions};
use stairwell::{MigrationSet, Target};

use crate::harness::database::TestDatabase;
use crate::harness::files::{Workspace, set};
use crate::harness::{Outcome, xtask};
use crate::runner::{DOWN, tables, up};

crate::trials!(
    a_single_transaction_is_all_or_nothing,
    a_single_transaction_names_the_file_of_a_syntax_error,
    a_single_transaction_takes_no_script_that_cannot_be_in_one,
    a_commit_that_the_build_did_not_see_applies_nothing,
    a_script_may_check_its_constraints_itself,
    time_outs_of_the_role_do_not_end_a_migration,
    a_database_that_is_read_only_by_default_is_left_alone,
    a_locked_ledger_is_waited_for_and_named,
    a_build_that_waits_for_an_old_transaction_names_it,
    a_way_back_that_fails_keeps_what_came_before_it,
    a_way_back_blames_a_deferred_violation_on_its_script,
    a_ledger_of_an_earlier_build_gets_what_it_lacks,
);

/// As [`tables`], with other text for some.
fn tables_with(count: usize, other: &[(usize, &str)]) -> MigrationSet {
    let scripts: Vec<_> = (1..=count)
        .map(|n| {
            let text = other.iter().find(|(at, _)| *at == n).map(|(_, text)| (*text).to_owned());
            (format!("{n}_t"), text.unwrap_or_else(|| format!("create table t{n} (i int primary key);")))
        })
        .collect();
    let borrowed: Vec<_> = scripts.iter().map(|(id, up)| (id.as_str(), up.as_str(), DOWN)).collect();
    set(&borrowed)
}

fn a_single_transaction_is_all_or_nothing() -> Outcome {
    let database = TestDatabase::new()?;
    let single = |set: &MigrationSet| {
        Migrator::new(set).transactions(Transactions::Single).up(database.database(), Target::Head)
    };
    let error = single(&tables_with(200, &[(150, "select 1; select 1 / (select 0);")])).unwrap_err();
    assert!(
        error.to_string().contains("150_t.up.sql:1:11") && error.to_string().contains("statement 2 of 2"),
        "{error}"
    );
    assert!(
        error.to_string().contains("0 of 200 applied; 150_t was rolled back, and with it all of this run"),
        "{error}"
    );
    assert_eq!(database.applied(), [""; 0]);
    assert_eq!(database.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    let report = single(&tables(200)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.done.len(), 200);
    assert_eq!(database.ask("SELECT count(DISTINCT xmin::text) || ' ' || count(*) FROM stairwell.ledger"), "1 200");
    let set = tables(200);
    let down = Migrator::new(&set).transactions(Transactions::Single).down(database.database(), Target::Base).unwrap();
    assert_eq!(down.done.len(), 200);
    assert_eq!(database.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    Ok(())
}

fn a_single_transaction_names_the_file_of_a_syntax_error() -> Outcome {
    let database = TestDatabase::new()?;
    let set = tables_with(30, &[(3, "select 'größe';"), (17, "select 'ü';\ncreat table x ();")]);
    let error =
        Migrator::new(&set).transactions(Transactions::Single).up(database.database(), Target::Head).unwrap_err();
    assert!(error.to_string().contains("17_t.up.sql:2:1"), "{error}");
    assert_eq!(database.applied(), [""; 0]);
    Ok(())
}

fn a_single_transaction_takes_no_script_that_cannot_be_in_one() -> Outcome {
    let database = TestDatabase::new()?;
    let set = tables_with(3, &[(2, "-- stairwell: no-transaction\ncreate index concurrently i on t1 (i);")]);
    let error =
        Migrator::new(&set).transactions(Transactions::Single).up(database.database(), Target::Head).unwrap_err();
    assert!(error.to_string().contains("2_t cannot run in a single transaction"), "{error}");
    assert_eq!(database.applied(), [""; 0]);
    Ok(())
}

fn a_commit_that_the_build_did_not_see_applies_nothing() -> Outcome {
    // Only an imported history gets this far: its lock was written by `db lock --import`.
    for smuggled in ["commit; begin;", "commit;", "prepare transaction 'x'; begin;"] {
        let database = TestDatabase::new()?;
        let workspace =
            Workspace::with(&[("1_a", &format!("create table a (i int);\n{smuggled}\ncreate table b (i int);"), DOWN)]);
        xtask::run(&mut xtask::db(workspace.path(), &["lock", "--import"])).ok();
        let error = Migrator::new(&workspace.set()).up(database.database(), Target::Head).unwrap_err();
        assert!(error.to_string().contains("1_a.up.sql:2:1"), "{smuggled}: {error}");
        assert!(error.to_string().contains("0 of 1 applied; 1_a was rolled back; nothing else changed"), "{error}");
        assert_eq!(database.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0", "{smuggled}");
        assert_eq!(database.ask("SELECT count(*) FROM stairwell.ledger"), "0");
    }
    Ok(())
}

fn a_script_may_check_its_constraints_itself() -> Outcome {
    let database = TestDatabase::new()?;
    let set = set(&[
        (
            "1_a",
            "create table a (i int primary key); create table b (a int references a deferrable initially deferred);",
            DOWN,
        ),
        (
            "2_b",
            "insert into b values (1); insert into a values (1); set constraints all immediate; alter table b add column j int;",
            DOWN,
        ),
    ]);
    assert_eq!(up(&database, &set).len(), 2);
    Ok(())
}

fn time_outs_of_the_role_do_not_end_a_migration() -> Outcome {
    let database = TestDatabase::new()?;
    let name = database.database().name().to_owned();
    for setting in
        ["statement_timeout = '100ms'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '100ms'"]
    {
        database.client().batch_execute(&format!("ALTER DATABASE \"{name}\" SET {setting}")).unwrap();
    }
    if database.ask("SELECT current_setting('server_version_num')::int >= 170000") == "t" {
        database
            .client()
            .batch_execute(&format!("ALTER DATABASE \"{name}\" SET transaction_timeout = '100ms'"))
            .unwrap();
    }
    let slow = "select pg_sleep(0.4);";
    let alone = "-- stairwell: no-transaction\nselect pg_sleep(0.4);";
    let set = tables_with(3, &[(2, slow), (3, alone)]);
    assert_eq!(up(&database, &set).len(), 3);
    assert_eq!(database.ask("SHOW statement_timeout"), "100ms");
    Ok(())
}

fn a_database_that_is_read_only_by_default_is_left_alone() -> Outcome {
    let database = TestDatabase::new()?;
    let name = database.database().name().to_owned();
    database
        .client()
        .batch_execute(&format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on"))
        .unwrap();
    let error = Migrator::new(&tables(2)).up(database.database(), Target::Head).unwrap_err();
    assert!(error.to_string().contains("`default_transaction_read_only` is on"), "{error}");
    assert_eq!(database.ask("SELECT to_regnamespace('stairwell') IS NULL"), "t");
    Ok(())
}

fn a_locked_ledger_is_waited_for_and_named() -> Outcome {
    let database = TestDatabase::new()?;
    up(&database, &tables(1));
    let mut someone = database.client();
    someone
        .batch_execute("SET application_name = 'someone'; BEGIN; LOCK TABLE stairwell.ledger IN SHARE MODE")
        .unwrap();
    let mut heard = Vec::new();
    let two = tables(2);
    let mut migrator = Migrator::new(&two)
        .lock_timeout(Duration::from_millis(150))
        .tries(2.try_into().unwrap())
        .on_event(|event| heard.push(event.to_string()));
    let error = migrator.up(database.database(), Target::Head).unwrap_err();
    drop(migrator);
    assert!(error.to_string().contains("locked the ledger `stairwell.ledger`"), "{error}");
    assert!(error.to_string().contains("(`someone`)") && error.to_string().contains("tried 2 times"), "{error}");
    assert!(heard.iter().any(|event| event.contains("try 2 in") && event.contains("(`someone`)")), "{heard:?}");
    someone.batch_execute("ROLLBACK").unwrap();
    assert_eq!(up(&database, &two), ["2_t"]);
    Ok(())
}

fn a_build_that_waits_for_an_old_transaction_names_it() -> Outcome {
    let database = TestDatabase::new()?;
    let set = tables_with(2, &[(2, "-- stairwell: no-transaction\ncreate index concurrently i on t1 (i);")]);
    Migrator::new(&set).up(database.database(), Target::Steps(1.try_into().unwrap())).unwrap();
    let mut someone = database.client();
    someone.batch_execute("SET application_name = 'someone'; BEGIN; INSERT INTO t1 VALUES (1)").unwrap();
    let mut heard = Vec::new();
    let mut migrator = Migrator::new(&set).on_event(|event| {
        heard.push(event.to_string());
        if matches!(event, Event::Blocked { .. }) {
            someone.batch_execute("COMMIT").unwrap();
        }
    });
    migrator.up(database.database(), Target::Head).unwrap();
    drop(migrator);
    assert!(
        heard.iter().any(|event| event.starts_with("2_t waits for server process") && event.contains("(`someone`)"))
    );
    Ok(())
}

fn a_way_back_that_fails_keeps_what_came_before_it() -> Outcome {
    let database = TestDatabase::new()?;
    // Back from 40: the scripts of 11 and 30 fail, one when it runs and one for its syntax.
    let scripts: Vec<_> = (1..=40)
        .map(|n| {
            let down = match n {
                11 => "drop table t11;\nselect 1 / (select 0);".to_owned(),
                30 => "drop table t30;\ndrop tabel x;".to_owned(),
                n => format!("drop table t{n};"),
            };
            (format!("{n}_t"), format!("create table t{n} (i int);"), down)
        })
        .collect();
    let borrowed: Vec<_> = scripts.iter().map(|(id, up, down)| (id.as_str(), up.as_str(), down.as_str())).collect();
    let workspace = Workspace::with(&borrowed);
    up(&database, &workspace.set());
    for (fails, left) in [(30, 30), (11, 11)] {
        let error = Migrator::new(&workspace.set()).down(database.database(), Target::Base).unwrap_err();
        assert!(error.to_string().contains(&format!("{fails}_t.down.sql:2:")), "{error}");
        assert!(
            error.to_string().contains(&format!(
                "{fails}_t is still applied: its way back failed and was rolled back; nothing else changed"
            )),
            "{error}"
        );
        assert_eq!(database.applied().len(), left);
        assert_eq!(database.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), left.to_string());
        // As the ledger keeps the script, the way out is to mend what it trips over.
        database
            .client()
            .batch_execute(&format!(
                "UPDATE stairwell.ledger SET down_script = 'drop table t{fails};' WHERE version = {fails}"
            ))
            .unwrap();
        workspace.write(&format!("{fails}_t.down.sql"), format!("drop table t{fails};"));
    }
    Migrator::new(&workspace.set()).down(database.database(), Target::Base).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(database.applied(), [""; 0]);
    Ok(())
}

fn a_way_back_blames_a_deferred_violation_on_its_script() -> Outcome {
    let database = TestDatabase::new()?;
    let tables = "create table a (i int primary key); create table b (a int references a deferrable initially deferred); \
                  insert into a values (1); insert into b values (1);";
    let set = set(&[
        ("1_a", tables, "drop table b; drop table a;"),
        ("2_b", "select 1;", "select 1;"),
        ("3_c", "select 1;", "delete from a;"),
        ("4_d", "select 1;", "select 1;"),
        ("5_e", "select 1;", "select 1;"),
    ]);
    up(&database, &set);
    let error = Migrator::new(&set).down(database.database(), Target::Base).unwrap_err();
    assert!(error.to_string().contains("23503") && error.to_string().contains("3_c.down.sql"), "{error}");
    assert!(error.to_string().contains("2 of 5 undone; 3_c is still applied"), "{error}");
    assert_eq!(database.applied(), ["1", "2", "3"]);
    Ok(())
}

fn a_ledger_of_an_earlier_build_gets_what_it_lacks() -> Outcome {
    let database = TestDatabase::new()?;
    up(&database, &tables(2));
    let earlier = "DROP FUNCTION stairwell.ledger_begin, stairwell.ledger_fence CASCADE; ALTER TABLE stairwell.ledger DROP COLUMN unfinished";
    database.client().batch_execute(earlier).unwrap();
    assert_eq!(up(&database, &tables(4)), ["3_t", "4_t"]);
    database.client().batch_execute(earlier).unwrap();
    let down = Migrator::new(&tables(4)).down(database.database(), Target::Base).unwrap();
    assert_eq!((down.done.len(), database.applied()), (4, Vec::new()));
    Ok(())
}
