//! `db squash`

use super::case::{Case, Files, commit_all, git, needs_git};
use crate::harness::database::TestDatabase;
use crate::harness::shared::shared;
use crate::harness::{Outcome, Skip, dump, xtask};

crate::trials!(
    a_fresh_database_by_the_baseline_is_what_the_migrations_made,
    a_database_that_is_past_the_baseline_notices_nothing,
    a_database_in_the_middle_is_refused_and_told_the_way,
    back_below_the_baseline_it_goes_by_what_the_ledger_kept,
    a_squash_can_be_squashed,
    what_git_could_not_bring_back_is_refused,
    nobody_is_asked_without_a_terminal_and_a_dry_run_changes_nothing,
    what_cannot_be_undone_makes_a_baseline_that_cannot,
    more_rows_than_a_person_reads_are_refused,
    a_killed_squash_is_finished_by_the_next,
    the_history_of_crates_io_is_squashed,
);

const USERS: Files<'_> = (
    "1_users",
    "create table users (id bigint generated always as identity primary key, name text not null, twice int generated always as (2 * 2) stored);\n\
     insert into users (name) values ('O''Brien \\ x'), ('é');\n",
    "drop table users;",
);
const ORDERS: Files<'_> = (
    "2_orders",
    "create type mood as enum ('sad', 'ok');\n\
     create table orders (id serial primary key, user_id bigint not null references users, total numeric, mood mood);\n\
     create function touch() returns trigger language plpgsql as $$ begin new.total := new.total + 1; return new; end $$;\n\
     insert into orders (user_id, total, mood) values (1, -2.50, 'ok'), (2, 'NaN', null);\n\
     create trigger touched before insert on orders for each row execute function touch();\n\
     create materialized view sums as select user_id, sum(total) from orders group by 1;\n",
    "drop materialized view sums; drop table orders; drop function touch; drop type mood;",
);
const CIRCLE: Files<'_> = (
    "3_circle",
    "create table a (id int primary key, b int); create table b (id int primary key, a int references a);\n\
     insert into a values (1, 1); insert into b values (1, 1); alter table a add foreign key (b) references b;\n\
     create sequence counter start 100; select setval('counter', 500, false);\n",
    "alter table a drop constraint a_b_fkey; drop table b; drop table a; drop sequence counter;",
);
const PHONE: Files<'_> = ("4_phone", "alter table users add phone text;", "alter table users drop phone;");
const ALL: [Files<'_>; 4] = [USERS, ORDERS, CIRCLE, PHONE];

/// All applied and committed.
fn committed(migrations: &[Files<'_>]) -> Result<Case, Skip> {
    needs_git()?;
    let case = Case::applied(migrations)?;
    commit_all(case.workspace.path());
    Ok(case)
}

/// Runs a command on another database.
#[track_caller]
fn on(case: &Case, database: &TestDatabase, arguments: &[&str]) -> xtask::Ran {
    xtask::run(case.command(arguments).env("DATABASE_URL", database.url()))
}

/// The rows, and where the sequences stand.
fn data(database: &TestDatabase) -> Vec<String> {
    let questions = [
        "SELECT string_agg(u::text, ' ' ORDER BY id) FROM users u",
        "SELECT string_agg(o::text, ' ' ORDER BY id) FROM orders o",
        "SELECT string_agg(s::text, ' ' ORDER BY user_id) FROM sums s",
        "SELECT string_agg(a::text || b::text, ' ') FROM a, b",
        "SELECT (last_value, is_called) FROM counter",
        "SELECT (last_value, is_called) FROM orders_id_seq",
        "SELECT (last_value, is_called) FROM users_id_seq",
    ];
    questions.iter().map(|question| database.ask(question)).collect()
}

fn a_fresh_database_by_the_baseline_is_what_the_migrations_made() -> Outcome {
    let case = committed(&ALL)?;
    dump::programs_fit(&case.database)?;
    insta::assert_snapshot!("squash", case.see(&["squash", "3", "--yes"]));
    // Postgres 16 and later print columns of a single table without its name.
    let baseline =
        case.workspace.read("3_baseline.up.sql").replace("orders.user_id", "user_id").replace("orders.total", "total");
    insta::assert_snapshot!("squash_baseline", baseline);
    case.db(&["lock", "--check"]).ok();
    let fresh = TestDatabase::new()?;
    on(&case, &fresh, &["up", "--locked"]).ok();
    dump::assert_same("the baseline", &dump::dump(&fresh), &dump::dump(&case.database));
    assert_eq!(data(&fresh), data(&case.database));
    assert_eq!(fresh.applied(), ["3", "4"]);
    on(&case, &fresh, &["down", "base"]).ok();
    assert_eq!(fresh.ask("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "0");
    on(&case, &fresh, &["up"]).ok();
    on(&case, &fresh, &["status", "--check"]).ok();
    Ok(())
}

fn a_database_that_is_past_the_baseline_notices_nothing() -> Outcome {
    let case = committed(&ALL)?;
    let ledger = "SELECT string_agg(l::text, E'\\n' ORDER BY version) FROM stairwell.ledger l";
    let before = case.database.ask(ledger);
    case.db(&["squash", "3", "--yes"]).ok();
    insta::assert_snapshot!(
        "squash_past",
        case.see_all(&[
            &["up"],
            &["status", "--check"],
            &["status", "--json"],
            &["current"],
            &["history"],
            &["repair"],
            &["stamp", "head"]
        ])
    );
    assert_eq!(case.database.ask(ledger), before, "nothing was written");
    // As if it had been squashed while this one was at the baseline.
    case.db(&["down", "1"]).ok();
    case.db(&["up"]).ok();
    case.db(&["redo"]).ok();
    Ok(())
}

fn a_database_in_the_middle_is_refused_and_told_the_way() -> Outcome {
    needs_git()?;
    let case = Case::with(&ALL)?;
    case.db(&["lock"]).ok();
    case.db(&["up", "2"]).ok();
    commit_all(case.workspace.path());
    case.db(&["squash", "3", "--yes"]).ok();
    commit_all(case.workspace.path());
    insta::assert_snapshot!("squash_middle", case.see_all(&[&["up"], &["status"], &["current"], &["repair"]]));
    // As the words say.
    git(case.workspace.path(), &["checkout", "--quiet", "HEAD~1"]);
    case.db(&["up", "--to", "3"]).ok();
    git(case.workspace.path(), &["checkout", "--quiet", "main"]);
    case.db(&["up"]).ok();
    case.db(&["status", "--check"]).ok();
    Ok(())
}

fn back_below_the_baseline_it_goes_by_what_the_ledger_kept() -> Outcome {
    let case = committed(&ALL)?;
    case.db(&["squash", "3", "--yes"]).ok();
    insta::assert_snapshot!(
        "squash_down",
        case.see_all(&[&["redo", "2"], &["down", "2"], &["up"], &["down", "base"], &["up"]])
    );
    Ok(())
}

fn a_squash_can_be_squashed() -> Outcome {
    let case = committed(&ALL)?;
    dump::programs_fit(&case.database)?;
    let by_first = TestDatabase::new()?;
    case.db(&["squash", "2", "--yes"]).ok();
    commit_all(case.workspace.path());
    on(&case, &by_first, &["up"]).ok();
    case.db(&["squash", "head", "--name", "Schema of 2026", "--yes"]).ok();
    assert_eq!(case.locked(), ["4_schema_of_2026.up.sql", "4_schema_of_2026.down.sql"]);
    let fresh = TestDatabase::new()?;
    for database in [&case.database, &by_first, &fresh] {
        on(&case, database, &["up"]).ok();
        on(&case, database, &["status", "--check"]).ok();
        dump::assert_same("schema", &dump::dump(database), &dump::dump(&case.database));
    }
    Ok(())
}

fn what_git_could_not_bring_back_is_refused() -> Outcome {
    needs_git()?;
    let case = Case::applied(&[USERS, ORDERS])?;
    let refused = case.db(&["squash", "2", "--yes"]).exits(3);
    assert!(refused.stderr.contains("is not in git"), "{}", refused.stderr);
    commit_all(case.workspace.path());
    case.db(&["new", "more"]).ok();
    case.db(&["lock", "--check"]).exits(3);
    case.db(&["squash", "2", "--yes"]).exits(3);
    Ok(())
}

fn nobody_is_asked_without_a_terminal_and_a_dry_run_changes_nothing() -> Outcome {
    let case = committed(&[USERS, ORDERS])?;
    let before = case.lock();
    let ran = case.db(&["squash", "2", "--dry-run"]).ok();
    assert!(ran.stdout.contains("-- stairwell: squashes 2 "), "{}", ran.stdout);
    insta::assert_snapshot!(
        "squash_refused",
        case.see_all(&[
            &["squash", "2"],
            &["squash", "1"],
            &["squash", "base"],
            &["squash", "9"],
            &["squash", "2", "--name", "orders"],
            &["squash", "2", "--name", "…"],
        ])
    );
    assert_eq!(case.lock(), before);
    assert_eq!(git(case.workspace.path(), &["status", "--short"]), "");
    Ok(())
}

fn what_cannot_be_undone_makes_a_baseline_that_cannot() -> Outcome {
    needs_git()?;
    let case = Case::with(&[USERS])?;
    case.workspace
        .write("2_names.up.sql", "-- stairwell: irreversible the old names are gone\nalter table users add nick text;");
    case.db(&["up"]).ok();
    commit_all(case.workspace.path());
    case.db(&["squash", "2", "--yes"]).ok();
    assert!(case.workspace.read("2_baseline.up.sql").contains("irreversible 2_names is: the old names are gone"));
    assert_eq!(case.locked(), ["2_baseline.up.sql"]);
    Ok(())
}

fn more_rows_than_a_person_reads_are_refused() -> Outcome {
    let rows = ("2_rows", "insert into users (name) select 'x' from generate_series(1, 10000);", "delete from users;");
    let case = committed(&[USERS, rows])?;
    let refused = case.db(&["squash", "2", "--yes"]).exits(1);
    assert!(refused.stderr.contains("more than 10000 rows"), "{}", refused.stderr);
    assert_eq!(case.locked().len(), 4);
    Ok(())
}

fn a_killed_squash_is_finished_by_the_next() -> Outcome {
    let case = committed(&[USERS, ORDERS, PHONE])?;
    let lock = case.lock();
    case.db(&["squash", "2", "--yes"]).ok();
    let done = case.lock();
    // Killed before the last file was deleted.
    std::fs::write(case.lock_path(), lock).unwrap();
    case.workspace.write("2_orders.down.sql", ORDERS.2);
    case.db(&["up"]).exits(3);
    insta::assert_snapshot!("squash_finished", case.see(&["squash", "2", "--yes"]));
    assert_eq!(case.lock(), done);
    case.db(&["status", "--check"]).ok();
    Ok(())
}

fn the_history_of_crates_io_is_squashed() -> Outcome {
    let case = Case::with(&[])?;
    dump::programs_fit(&case.database)?;
    let mut versions = Vec::new();
    for entry in std::fs::read_dir(shared("corpora/histories/crates_io")?).unwrap() {
        let entry = entry.unwrap();
        let file = entry.file_name().to_string_lossy().into_owned();
        versions.extend(file.strip_suffix(".up.sql").and_then(|id| id.split('_').next()).map(str::to_owned));
        case.workspace.write(&file, std::fs::read(entry.path()).unwrap());
    }
    versions.sort();
    case.db(&["lock", "--import"]).ok();
    case.db(&["up"]).ok();
    let middle = versions[versions.len() * 2 / 3].clone();
    case.db(&["squash", &middle, "--yes", "--force"]).ok();
    let fresh = TestDatabase::new()?;
    on(&case, &fresh, &["up"]).ok();
    dump::assert_same("crates_io", &dump::dump(&fresh), &dump::dump(&case.database));
    case.db(&["status", "--check"]).ok();
    Ok(())
}
