//! `db dump`.

use super::case::{A, Case, Files, commit_all, needs_git};
use crate::harness::database::TestDatabase;
use crate::harness::{Outcome, dump};

crate::trials!(
    a_dump_loads_into_an_empty_database_and_gives_what_the_migrations_make,
    a_dump_is_the_same_until_a_migration_changes_the_schema,
    a_schema_that_somebody_wrote_is_not_written_over,
    edits_of_a_dump_that_git_does_not_have_are_not_written_over,
);

const SHOP: Files<'_> = (
    "1_shop",
    "create type state as enum ('open', 'paid');
     create table orders (id bigint generated always as identity primary key, customer bigint not null, state state not null default 'open');
     create table customers (id bigint primary key, name text not null check (name <> ''));
     alter table orders add foreign key (customer) references customers on delete cascade;
     create index on orders (customer) where state = 'open';
     comment on table orders is 'What was ordered; it''s paid later.';
     comment on column orders.state is 'Set by the till.';
     grant select on customers to public;
     create function told() returns trigger language plpgsql as 'begin return new; end';
     create trigger told before insert on customers for each row execute function told();
     alter table customers enable row level security;
     create policy everybody on customers for select using (true);
     create view open_orders as select o.id, c.name from orders o join customers c on c.id = o.customer where o.state = 'open';",
    "drop view open_orders; drop table orders, customers; drop function told(); drop type state;",
);

fn a_dump_loads_into_an_empty_database_and_gives_what_the_migrations_make() -> Outcome {
    let case = Case::applied(&[SHOP])?;
    dump::programs_fit(&case.database)?;
    let text = case.db(&["dump", "--output", "-"]).ok().stdout;
    let other = TestDatabase::new()?;
    other.client().batch_execute(&text).unwrap();
    dump::assert_same("loaded from a dump", &dump::dump(&other), &dump::dump(&case.database));
    assert!(!text.contains("ledger"), "{text}");
    insta::assert_snapshot!("dump", text);
    Ok(())
}

fn a_dump_is_the_same_until_a_migration_changes_the_schema() -> Outcome {
    let case = Case::with(&[SHOP])?;
    let (path, seen) = (case.workspace.path().join("schema.sql"), case.see_all(&[&["dump"], &["dump"]]));
    assert_eq!(seen.matches("wrote ").count(), 1, "{seen}");
    assert!(seen.contains("schema.sql is up to date"), "{seen}");
    case.db(&["dump", "--check"]).ok();
    let before = std::fs::read_to_string(&path).unwrap();
    case.workspace.write("2_notes.up.sql", "alter table customers add notes text;");
    case.workspace.write("2_notes.down.sql", "alter table customers drop notes;");
    insta::assert_snapshot!("dump_check", case.see(&["dump", "--check"]));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    case.db(&["dump"]).ok();
    case.db(&["dump", "--check"]).ok();
    Ok(())
}

fn a_schema_that_somebody_wrote_is_not_written_over() -> Outcome {
    let case = Case::with(&[A])?;
    let path = case.workspace.path().join("schema.sql");
    std::fs::write(&path, "create table mine (i int);").unwrap();
    insta::assert_snapshot!("dump_refused", case.see(&["dump"]).replace(&path.display().to_string(), "schema.sql"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "create table mine (i int);");
    case.db(&["dump", "--force"]).ok();
    case.db(&["dump", "--check"]).ok();
    Ok(())
}

fn edits_of_a_dump_that_git_does_not_have_are_not_written_over() -> Outcome {
    needs_git()?;
    let case = Case::with(&[A])?;
    case.db(&["lock"]).ok();
    case.db(&["dump"]).ok();
    commit_all(case.workspace.path());
    let path = case.workspace.path().join("schema.sql");
    let edited = std::fs::read_to_string(&path).unwrap() + "\nCREATE TABLE wanted (i int);\n";
    std::fs::write(&path, &edited).unwrap();
    let ran = case.db(&["dump"]).exits(5);
    assert!(ran.stderr.contains("git does not have the edits"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), edited);
    commit_all(case.workspace.path());
    case.db(&["dump"]).ok();
    assert_ne!(std::fs::read_to_string(&path).unwrap(), edited);
    Ok(())
}
