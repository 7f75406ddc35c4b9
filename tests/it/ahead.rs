//! A connection that is under way before the set is known.

use std::thread::sleep;
use std::time::Duration;

use stairwell::Target;
use stairwell::migration::Direction;
use stairwell::postgres::{Ahead, Event, Ledger, Migrator};

use crate::commands::case::Case;
use crate::harness::database::TestDatabase;
use crate::harness::proxy::Refusal;
use crate::harness::{Outcome, xtask};
use crate::runner::{tables, up};

crate::trials!(
    it_is_the_one_connection_and_its_question_the_one_round_trip,
    it_is_left_alone_by_a_run_that_it_was_not_for,
    what_changed_since_the_question_is_seen,
    a_refusal_counts_as_the_first_try,
    from_async_code_it_says_what_to_do_all_the_same,
    broken_files_are_told_before_a_server_that_is_not_there,
);

fn it_is_the_one_connection_and_its_question_the_one_round_trip() -> Outcome {
    let database = TestDatabase::new()?;
    let set = tables(3);
    up(&database, &set);
    let proxy = database.proxy().start().unwrap();
    let through = database.through(&proxy);
    let ahead = Ahead::of(&through, Direction::Up);
    assert!(Migrator::new(&set).ahead(ahead).up(&through, Target::Head).unwrap().done.is_empty());
    assert_eq!((proxy.counts().connections, proxy.counts().round_trips), (1, 1));
    let ahead = Ahead::of(&through, Direction::Down);
    assert_eq!(Migrator::new(&set).ahead(ahead).down(&through, Target::Base).unwrap().done.len(), 3);
    assert_eq!(proxy.counts().connections, 2);
    Ok(())
}

fn it_is_left_alone_by_a_run_that_it_was_not_for() -> Outcome {
    let (one, other) = (TestDatabase::new()?, TestDatabase::new()?);
    let set = tables(1);
    up(&one, &set);
    let ahead = || Ahead::of(one.database(), Direction::Up);
    assert_eq!(Migrator::new(&set).ahead(ahead()).up(other.database(), Target::Head).unwrap().done.len(), 1);
    let report = Migrator::new(&set).ahead(ahead()).down(one.database(), Target::Base).unwrap();
    assert_eq!(report.done.len(), 1);
    let another = || Ledger::new("ops", "migrations").unwrap();
    let report = Migrator::new(&set).ledger(another()).ahead(ahead()).up(one.database(), Target::Head).unwrap();
    assert_eq!(report.done.len(), 1);
    assert_eq!(
        one.ask("SELECT to_regclass('stairwell.ledger') IS NOT NULL AND (SELECT count(*) FROM ops.migrations) = 1"),
        "t"
    );
    let proxy = one.proxy().start().unwrap();
    let through = one.through(&proxy);
    let ahead = Ahead::with_ledger(&through, Direction::Up, another());
    let report = Migrator::new(&set).ledger(another()).ahead(ahead).up(&through, Target::Head).unwrap();
    assert_eq!((report.done.len(), proxy.counts().connections), (0, 1));
    Ok(())
}

fn what_changed_since_the_question_is_seen() -> Outcome {
    let database = TestDatabase::new()?;
    let ahead = Ahead::of(database.database(), Direction::Up);
    // It has its answer by then, or asks later and has a newer one: both must do.
    sleep(Duration::from_millis(300));
    up(&database, &tables(2));
    let report = Migrator::new(&tables(3)).ahead(ahead).up(database.database(), Target::Head).unwrap();
    // What another runner did in the meantime is told without a time.
    let mine: Vec<_> = report.done.iter().filter(|done| done.elapsed.is_some()).map(|done| &*done.id).collect();
    assert_eq!(mine, ["3_t"]);
    assert_eq!(database.applied(), ["1", "2", "3"]);
    Ok(())
}

fn a_refusal_counts_as_the_first_try() -> Outcome {
    let database = TestDatabase::new()?;
    let refusal = Refusal { sqlstate: "53300", message: "sorry, too many clients already" };
    let proxy = database.proxy().refuse_first(1, refusal).start().unwrap();
    let through = database.through(&proxy);
    let mut heard = 0;
    let report = Migrator::new(&tables(1))
        .ahead(Ahead::of(&through, Direction::Up))
        .on_event(|event| heard += usize::from(matches!(event, Event::Connecting { .. })))
        .up(&through, Target::Head)
        .unwrap();
    assert_eq!((report.done.len(), heard), (1, 1));
    assert_eq!((proxy.counts().refused, proxy.counts().connections), (1, 2));
    Ok(())
}

fn from_async_code_it_says_what_to_do_all_the_same() -> Outcome {
    let database = TestDatabase::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(async {
        let ahead = Ahead::of(database.database(), Direction::Up);
        Migrator::new(&tables(1)).ahead(ahead).up(database.database(), Target::Head).unwrap_err()
    });
    assert!(error.to_string().contains("postgres::spawn"), "{error}");
    Ok(())
}

fn broken_files_are_told_before_a_server_that_is_not_there() -> Outcome {
    let case = Case::with(&[("1_a", "select 'open;", "select 1;")])?;
    let proxy = case.database.proxy().start().unwrap();
    let url = case.database.url_through(&proxy);
    proxy.close();
    let ran = xtask::run(xtask::db(case.workspace.path(), &["up"]).env("DATABASE_URL", &url)).exits(3);
    assert!(ran.stderr.contains("never closed") && !ran.stderr.contains("connect"), "{}", ran.stderr);
    let ran = xtask::run(xtask::db(case.workspace.path(), &["up"]).env("DATABASE_URL", "mysql://x/y")).exits(3);
    assert!(ran.stderr.contains("never closed") && !ran.stderr.contains("mysql"), "{}", ran.stderr);
    Ok(())
}
