//! Migrations from async code.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stairwell::postgres::{self, Database};
use stairwell::{MigrationSet, Target};
use tokio::runtime::{Builder, Runtime};

use crate::harness::Outcome;
use crate::harness::database::TestDatabase;
use crate::harness::files::set;

crate::trials!(
    up_status_and_down_work_from_either_kind_of_runtime,
    a_panic_of_the_work_goes_on_in_the_caller,
    a_runner_called_directly_says_how_to_call_it,
);

fn runtimes() -> [Runtime; 2] {
    [Builder::new_multi_thread().worker_threads(2).build().unwrap(), Builder::new_current_thread().build().unwrap()]
}

async fn there_and_back(set: MigrationSet, database: Database) -> [usize; 3] {
    let set = std::sync::Arc::new(set);
    let at = database.clone();
    let up = postgres::spawn(set.clone(), move |migrator| migrator.program("async 1").up(&at, Target::Head));
    let up = up.await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    let at = database.clone();
    let status = postgres::spawn(set.clone(), move |mut migrator| migrator.status(&at)).await.unwrap().unwrap();
    let down = postgres::spawn(set, move |mut migrator| migrator.down(&database, Target::Base));
    let down = down.await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    [up.done.len(), status.rows.len(), down.done.len()]
}

fn up_status_and_down_work_from_either_kind_of_runtime() -> Outcome {
    for runtime in runtimes() {
        let database = TestDatabase::new()?;
        let set = set(&[("1_a", "create table a (i int);", "drop table a;"), ("2_b", "select 1;", "select 1;")]);
        // On a worker of the runtime, and where it is driven.
        let at = database.database().clone();
        let spawned = runtime.spawn(there_and_back(set.clone(), at.clone()));
        assert_eq!(runtime.block_on(spawned).unwrap(), [2, 2, 2]);
        assert_eq!(runtime.block_on(there_and_back(set, at)), [2, 2, 2]);
        assert_eq!(database.applied(), [""; 0]);
    }
    Ok(())
}

fn a_panic_of_the_work_goes_on_in_the_caller() -> Outcome {
    for runtime in runtimes() {
        let work = postgres::spawn(MigrationSet::default(), |_| std::panic::resume_unwind(Box::new("a mistake")));
        let caught = catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"a mistake"));
    }
    Ok(())
}

fn a_runner_called_directly_says_how_to_call_it() -> Outcome {
    let database = Database::parse("postgresql://localhost/nowhere").unwrap();
    for runtime in runtimes() {
        let set = set(&[("1_a", "select 1;", "select 1;")]);
        let up = || postgres::Migrator::new(&set).up(&database, Target::Head).unwrap_err().to_string();
        let direct = runtime.block_on(async { up() });
        // The threads of `spawn_blocking` are the runtime's, too.
        let (set, database) = (set.clone(), database.clone());
        let blocking = runtime.block_on(runtime.spawn_blocking(move || {
            postgres::Migrator::new(&set).up(&database, Target::Head).unwrap_err().to_string()
        }));
        for error in [direct, blocking.unwrap()] {
            assert!(error.contains("stairwell::postgres::spawn"), "{error}");
        }
    }
    Ok(())
}
