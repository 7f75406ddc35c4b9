//! What a run costs on a network: flights of messages, each of which waits for an answer.

use stairwell::postgres::{Database, Migrator};
use stairwell::{MigrationSet, Target};

use crate::harness::Outcome;
use crate::harness::database::TestDatabase;
use crate::harness::files::set;
use crate::harness::proxy::Counts;

crate::trials!(
    with_nothing_pending_it_is_one_after_connecting,
    a_mark_costs_none,
    a_status_is_one_after_connecting,
    many_migrations_share_a_few,
);

fn tables(count: usize) -> MigrationSet {
    let scripts: Vec<_> = (1..=count)
        .map(|n| (format!("{n}_t"), format!("create table t{n} (i int);"), format!("drop table t{n};")))
        .collect();
    let borrowed: Vec<_> = scripts.iter().map(|(id, up, down)| (id.as_str(), up.as_str(), down.as_str())).collect();
    set(&borrowed)
}

/// What goes over the wire while this is done to the database.
fn counted(database: &TestDatabase, act: impl FnOnce(&Database)) -> Counts {
    let proxy = database.proxy().start().unwrap();
    act(&database.through(&proxy));
    proxy.counts()
}

fn with_nothing_pending_it_is_one_after_connecting() -> Outcome {
    let database = TestDatabase::new()?;
    let set = tables(50);
    Migrator::new(&set).up(database.database(), Target::Head).unwrap();
    let counts = counted(&database, |through| {
        assert!(Migrator::new(&set).up(through, Target::Head).unwrap().done.is_empty());
    });
    assert_eq!((counts.connections, counts.round_trips), (1, 1), "{counts:?}");
    Ok(())
}

fn a_mark_costs_none() -> Outcome {
    let database = TestDatabase::new()?;
    let (one, two) = (tables(1), tables(2));
    Migrator::new(&one).up(database.database(), Target::Head).unwrap();
    let apply = |set: &MigrationSet, through: &Database| {
        Migrator::new(set).environment("staging").up(through, Target::Head).unwrap();
    };
    let without = counted(&database, |through| drop(Migrator::new(&two).up(through, Target::Head).unwrap()));
    Migrator::new(&two).down(database.database(), Target::Steps(1.try_into().unwrap())).unwrap();
    Migrator::new(&two).protect(database.database(), &"staging".parse().unwrap(), None).unwrap();
    let with = counted(&database, |through| apply(&two, through));
    assert_eq!(with.round_trips, without.round_trips, "a run");
    let nothing = counted(&database, |through| apply(&two, through));
    assert_eq!((nothing.connections, nothing.round_trips), (1, 1), "{nothing:?}");
    Ok(())
}

fn a_status_is_one_after_connecting() -> Outcome {
    let database = TestDatabase::new()?;
    let counts = counted(&database, |through| drop(Migrator::new(&tables(50)).status(through).unwrap()));
    assert_eq!((counts.connections, counts.round_trips), (1, 1), "{counts:?}");
    Ok(())
}

fn many_migrations_share_a_few() -> Outcome {
    let database = TestDatabase::new()?;
    let set = tables(400);
    // How many share a message depends on how fast the server is; 13 are usual.
    let up = counted(&database, |through| drop(Migrator::new(&set).up(through, Target::Head).unwrap()));
    assert!(up.round_trips <= 200, "{up:?}");
    let down = counted(&database, |through| drop(Migrator::new(&set).down(through, Target::Base).unwrap()));
    assert!(down.round_trips <= 200, "{down:?}");
    eprintln!("400 migrations: {} round trips up, {} down", up.round_trips, down.round_trips);
    Ok(())
}
