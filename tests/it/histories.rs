//! Real histories: everything up, all the way down, and up again, with psql doing the same beside it.
//!
//! Some of their down scripts are broken (a misspelt word, a constraint that is none). Those must fail with psql as well, and are
//! stepped over on both sides.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use stairwell::migration::{Direction, Migration, Mode};
use stairwell::postgres::{Migrator, RunErrorKind};
use stairwell::{MigrationSet, Target};

use crate::harness::database::TestDatabase;
use crate::harness::files::Workspace;
use crate::harness::shared::shared;
use crate::harness::{Outcome, Skip, dump, xtask};

crate::trials!(
    crates_io_goes_up_and_down_as_with_psql,
    zksync_goes_up_and_down_as_with_psql,
    scripts_made_offline_leave_what_up_leaves,
);

fn crates_io_goes_up_and_down_as_with_psql() -> Outcome {
    history("crates_io", 285)
}

fn zksync_goes_up_and_down_as_with_psql() -> Outcome {
    history("zksync", 269)
}

#[track_caller]
fn assert_same_schema(ours: &TestDatabase, psqls: &TestDatabase) {
    dump::assert_same("after psql", &dump::dump(ours), &dump::dump(psqls));
}

/// Runs these scripts with one psql, each as its migration would be run; gives the ids of those that failed.
fn psql(
    database: &TestDatabase,
    workspace: &Workspace,
    migrations: &[&Migration],
    direction: Direction,
) -> BTreeSet<String> {
    let mut script = String::new();
    for migration in migrations {
        let one = if direction == Direction::Up { &migration.up } else { migration.down.as_ref().unwrap() };
        let (begin, commit) = if one.mode() == Mode::Transaction { ("BEGIN;", "COMMIT;") } else { ("", "") };
        let path = workspace.migrations().join(one.file());
        writeln!(
            script,
            "\\echo == {}\n{begin}\n\\i {}\n;\n\\echo state :LAST_ERROR_SQLSTATE\n{commit}",
            migration.id(),
            path.display()
        )
        .unwrap();
    }
    let master = workspace.path().join("master.sql");
    std::fs::write(&master, script).unwrap();
    let output = Command::new("psql")
        .args(["-X", "-d", database.url(), "-f"])
        .arg(&master)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let parts = text.split("== ").skip(1).map(|part| part.split_once('\n').unwrap_or((part, "")));
    // Of a failed transaction psql prints ROLLBACK where COMMIT was asked for; elsewhere the last error's code changes.
    let mut last_state = "00000".to_owned();
    let mut failed = BTreeSet::new();
    for (id, said) in parts {
        let state = said.lines().find_map(|line| line.strip_prefix("state ")).unwrap_or_default().to_owned();
        let rolled_back = said.lines().any(|line| line == "ROLLBACK");
        let is_transaction = said.lines().any(|line| line == "BEGIN");
        if rolled_back || (!is_transaction && state != last_state) {
            failed.insert(id.to_owned());
        }
        last_state = state;
    }
    failed
}

/// Takes the set as far as it goes; a script that fails is stepped over by putting the ledger where it would be.
fn go(database: &TestDatabase, set: &MigrationSet, direction: Direction, target: Target) -> BTreeSet<String> {
    let mut failed = BTreeSet::new();
    loop {
        let mut migrator = Migrator::new(set);
        let outcome = match direction {
            Direction::Up => migrator.up(database.database(), target),
            Direction::Down => migrator.down(database.database(), target),
        };
        match outcome {
            Ok(_) => return failed,
            Err(error) => {
                let RunErrorKind::Script(script) = &error.kind else { panic!("{error}") };
                let migration = set.migrations().iter().find(|m| m.id() == script.id()).unwrap();
                let (version, name, up) = (migration.version, migration.name(), &migration.up);
                assert!(failed.insert(migration.id().to_owned()), "{error}");
                let step_over = match direction {
                    Direction::Down => {
                        format!("DELETE FROM stairwell.ledger WHERE version = {version}")
                    }
                    Direction::Up => format!(
                        "INSERT INTO stairwell.ledger (version, name, checksum, fingerprint, up_script, state, started_at, applied_by, applied_with) \
                         VALUES ({version}, '{name}', '{}', '{}', '', 'applied', now(), '', '')",
                        up.checksum(),
                        up.fingerprint()
                    ),
                };
                database.client().batch_execute(&step_over).unwrap();
            }
        }
    }
}

fn imported(name: &str) -> Result<(Workspace, MigrationSet), Skip> {
    let workspace = Workspace::new();
    for entry in std::fs::read_dir(shared(&format!("corpora/histories/{name}"))?).unwrap() {
        let entry = entry.unwrap();
        std::fs::write(workspace.migrations().join(entry.file_name()), std::fs::read(entry.path()).unwrap()).unwrap();
    }
    // It comes as it is: into the lock with warnings, and then in order for a build.
    xtask::run(&mut xtask::db(workspace.path(), &["lock", "--import"])).ok();
    xtask::run(&mut xtask::db(workspace.path(), &["lock", "--check"])).ok();
    let set = workspace.set();
    Ok((workspace, set))
}

fn history(name: &str, migrations: usize) -> Outcome {
    let (ours, psqls) = (TestDatabase::new()?, TestDatabase::new()?);
    dump::programs_fit(&ours)?;
    let (workspace, set) = imported(name)?;
    assert_eq!(set.migrations().len(), migrations);
    let all: Vec<&Migration> = set.migrations().iter().collect();

    let started = Instant::now();
    assert_eq!(psql(&psqls, &workspace, &all, Direction::Up), BTreeSet::new());
    let psql_time = started.elapsed();
    let started = Instant::now();
    assert_eq!(go(&ours, &set, Direction::Up, Target::Head), BTreeSet::new());
    eprintln!("{name}: {} up in {:?}, psql {psql_time:?}", all.len(), started.elapsed());
    assert_same_schema(&ours, &psqls);

    // Down as far as there are down scripts: to the newest migration that has none.
    let with_down: Vec<&Migration> = all.iter().rev().take_while(|m| m.down.is_some()).copied().collect();
    let floor = all.iter().rfind(|m| m.down.is_none()).map_or(Target::Base, |m| Target::Version(m.version));
    let started = Instant::now();
    let failed = psql(&psqls, &workspace, &with_down, Direction::Down);
    let psql_time = started.elapsed();
    let started = Instant::now();
    assert_eq!(go(&ours, &set, Direction::Down, floor), failed);
    eprintln!(
        "{name}: {} down in {:?}, psql {psql_time:?}; with both, {} down scripts fail: {failed:?}",
        with_down.len(),
        started.elapsed(),
        failed.len()
    );
    assert_same_schema(&ours, &psqls);
    if let Some(irreversible) = all.iter().rfind(|m| m.down.is_none()) {
        let error = Migrator::new(&set).down(ours.database(), Target::Base).unwrap_err().to_string();
        assert!(error.contains(irreversible.id()) && error.contains("imported without a down script"), "{error}");
    }

    let again: Vec<&Migration> = with_down.iter().rev().copied().collect();
    let failed = psql(&psqls, &workspace, &again, Direction::Up);
    assert_eq!(go(&ours, &set, Direction::Up, Target::Head), failed);
    eprintln!(
        "{name}: up again; with both, {} up scripts fail over what the broken down scripts left: {failed:?}",
        failed.len()
    );
    assert_same_schema(&ours, &psqls);
    assert_eq!(ours.applied().len(), migrations);
    Ok(())
}

fn scripts_made_offline_leave_what_up_leaves() -> Outcome {
    for name in ["crates_io", "zksync"] {
        let (ours, psqls) = (TestDatabase::new()?, TestDatabase::new()?);
        dump::programs_fit(&ours)?;
        let (_, set) = imported(name)?;
        let mut migrator = Migrator::new(&set);
        let script = migrator.script(None, set.head().map(|migration| migration.version)).unwrap();
        migrator.up(ours.database(), Target::Head).unwrap_or_else(|error| panic!("{error}"));
        dump::psql(&psqls, &script);
        dump::assert_same_databases(&ours, &psqls);
    }
    Ok(())
}
