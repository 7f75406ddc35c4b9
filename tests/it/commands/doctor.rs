//! `db doctor`

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::case::{A, B, Case, Role, commit_all, needs_git};
use crate::harness::cluster::Cluster;
use crate::harness::pgbouncer::PgBouncer;
use crate::harness::{Outcome, xtask};

crate::trials!(
    a_healthy_project_is_one_page_of_ok,
    an_index_that_is_left_invalid_is_named_with_what_mends_it,
    a_constraint_that_is_not_validated_is_named_with_what_validates_it,
    who_holds_a_lock_that_is_wanted_is_named_without_the_query,
    what_the_role_lacks_is_gone_when_the_printed_sql_is_run,
    what_the_role_lacks_on_a_ledger_is_gone_when_the_printed_sql_is_run,
    a_role_that_may_see_little_gets_a_page_all_the_same,
    an_extension_that_the_server_lacks_is_named_with_its_migration,
    an_index_that_is_being_built_is_no_leftover,
    a_read_only_database_is_mended_by_the_printed_sql,
    a_server_with_settings_of_its_own_is_told_by_them,
    a_standby_takes_no_migrations_and_is_looked_at_all_the_same,
    a_public_schema_that_is_open_is_closed_by_the_printed_sql,
    without_a_server_the_project_is_looked_at_all_the_same,
    a_database_that_is_not_there_says_so,
    files_that_are_not_in_order_are_wrong,
    a_run_that_is_under_way_is_named,
    through_a_pooler_it_finds_the_pooler,
    it_writes_nothing,
);

/// The lines of a page, by their check.
struct Page {
    code: i32,
    ok: bool,
    checks: BTreeMap<String, Value>,
}

impl Page {
    #[track_caller]
    fn of(case: &Case, url: Option<&str>) -> Self {
        let mut command = case.command(&["doctor", "--json"]);
        if let Some(url) = url {
            command.env("DATABASE_URL", url);
        }
        let ran = xtask::run(&mut command);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert_eq!((&document["command"], &document["version"]), (&"doctor".into(), &1.into()));
        let checks = document["checks"].as_array().unwrap().iter();
        Self {
            code: ran.code,
            ok: document["ok"].as_bool().unwrap(),
            checks: checks.map(|check| (check["check"].as_str().unwrap().to_owned(), check.clone())).collect(),
        }
    }

    #[track_caller]
    fn state(&self, check: &str) -> &str {
        self.checks.get(check).unwrap_or_else(|| panic!("no {check}"))["state"].as_str().unwrap()
    }

    #[track_caller]
    fn sql(&self, check: &str) -> Vec<String> {
        let statements = self.checks[check]["sql"].as_array().unwrap();
        statements.iter().map(|statement| statement.as_str().unwrap().to_owned()).collect()
    }

    /// All that is said of a check.
    fn text(&self, check: &str) -> String {
        self.checks[check].to_string()
    }

    /// Checks that are not well, with their state.
    fn unwell(&self) -> Vec<(&str, &str)> {
        let state = |check: &'_ Value| check["state"] != "ok";
        self.checks
            .iter()
            .filter(|(_, check)| state(check))
            .map(|(name, _)| (name.as_str(), self.state(name)))
            .collect()
    }
}

/// Runs what a page printed, as a person with the right would.
#[track_caller]
fn run_sql(case: &Case, statements: &[String]) {
    for statement in statements {
        case.database.client().batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
}

fn a_healthy_project_is_one_page_of_ok() -> Outcome {
    needs_git()?;
    let case = Case::with(&[A, B])?;
    case.db(&["up", "1"]).ok();
    commit_all(case.workspace.path());
    let page = Page::of(&case, None);
    assert_eq!((page.code, page.ok, page.checks.len()), (0, true, 24));
    // The test server may be an old one, and older ones have an open `public`.
    let unwell: Vec<_> =
        page.unwell().into_iter().filter(|(check, _)| !matches!(*check, "version" | "public")).collect();
    assert!(unwell.is_empty(), "{unwell:?}");
    let ran = case.db(&["doctor"]).ok();
    for line in [
        "ok       migrations         1 applied, 1 pending",
        "ok       lock ",
        "ok       git                all is committed",
    ] {
        assert!(ran.stdout.contains(line), "{line} in {}", ran.stdout);
    }
    assert!(ran.stdout.lines().next().unwrap().contains(case.database.database().name()), "{}", ran.stdout);
    Ok(())
}

fn an_index_that_is_left_invalid_is_named_with_what_mends_it() -> Outcome {
    let case = Case::applied(&[A])?;
    let mut client = case.database.client();
    client.batch_execute("insert into a values (1), (1)").unwrap();
    client.batch_execute("create unique index concurrently \"A key\" on a (i)").unwrap_err();
    let page = Page::of(&case, None);
    assert_eq!((page.code, page.state("indexes")), (0, "warn"));
    assert_eq!(page.sql("indexes"), ["REINDEX INDEX CONCURRENTLY public.\"A key\";"]);
    client.batch_execute("delete from a").unwrap();
    run_sql(&case, &page.sql("indexes"));
    assert_eq!(Page::of(&case, None).state("indexes"), "ok");

    client.batch_execute("alter index \"A key\" rename to a_ccnew1").unwrap();
    client.batch_execute("update pg_index set indisvalid = false where indexrelid = 'a_ccnew1'::regclass").unwrap();
    let page = Page::of(&case, None);
    assert_eq!(page.sql("indexes"), ["DROP INDEX CONCURRENTLY public.a_ccnew1;"]);
    run_sql(&case, &page.sql("indexes"));
    assert_eq!(Page::of(&case, None).state("indexes"), "ok");
    Ok(())
}

fn a_constraint_that_is_not_validated_is_named_with_what_validates_it() -> Outcome {
    let case = Case::applied(&[A])?;
    let domain = "create domain \"E\" as text; alter domain \"E\" add constraint c check (value <> '') not valid;";
    let table = "alter table a add constraint positive check (i > 0) not valid;";
    case.database.client().batch_execute(&format!("{domain}{table}")).unwrap();
    let page = Page::of(&case, None);
    assert_eq!((page.code, page.state("constraints")), (0, "warn"));
    assert_eq!(page.sql("constraints").len(), 2);
    run_sql(&case, &page.sql("constraints"));
    assert_eq!(Page::of(&case, None).state("constraints"), "ok");
    Ok(())
}

fn who_holds_a_lock_that_is_wanted_is_named_without_the_query() -> Outcome {
    let case = Case::with(&[A, ("2_alter", "alter table a add j int;", "alter table a drop column j;")])?;
    case.db(&["up", "1"]).ok();
    let mut client = case.database.client();
    client.batch_execute("set application_name = 'reports'; begin; select 'hunter2' from a").unwrap();
    std::thread::sleep(Duration::from_millis(2_500));
    let page = Page::of(&case, None);
    assert_eq!((page.code, page.state("transactions")), (1, "wrong"));
    let text = page.text("transactions");
    for words in ["(`reports`), idle in transaction", "with a lock on public.a", "pg_terminate_backend("] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
    run_sql(&case, &page.sql("transactions"));
    assert_eq!(Page::of(&case, None).state("transactions"), "ok");
    Ok(())
}

fn what_the_role_lacks_is_gone_when_the_printed_sql_is_run() -> Outcome {
    let role = Role::new("")?;
    let pending = "create table t (i int); alter table theirs add i int; alter type mood add value 'new'; create schema s; create index on other.t (i);";
    let case = Case::with(&[("1_a", pending, "select 1;")])?;
    let setup = "revoke create on schema public from public; create table theirs (); create type mood as enum (); create schema other; create table other.t (i int);";
    case.database.client().batch_execute(setup).unwrap();
    let url = role.url(&case.database);
    let page = Page::of(&case, Some(&url));
    assert_eq!(page.code, 1);
    for check in ["ledger_privileges", "privileges", "ownership"] {
        assert_eq!(page.state(check), "wrong", "{}", page.text(check));
        run_sql(&case, &page.sql(check));
    }
    let page = Page::of(&case, Some(&url));
    for check in ["ledger_privileges", "privileges", "ownership", "ledger"] {
        assert_eq!(page.state(check), "ok", "{}", page.text(check));
    }
    // What the page says is true: it can be run now.
    xtask::run(case.command(&["up"]).env("DATABASE_URL", &url)).ok();
    Ok(())
}

fn what_the_role_lacks_on_a_ledger_is_gone_when_the_printed_sql_is_run() -> Outcome {
    let role = Role::new("")?;
    let case = Case::with(&[A, ("2_b", "select 1;", "select 1;")])?;
    case.db(&["up", "1"]).ok();
    let url = role.url(&case.database);
    let page = Page::of(&case, Some(&url));
    assert_eq!((page.code, page.state("ledger_privileges"), page.state("ledger")), (1, "wrong", "unknown"));
    run_sql(&case, &page.sql("ledger_privileges"));
    let page = Page::of(&case, Some(&url));
    assert_eq!(
        (page.state("ledger_privileges"), page.state("ledger")),
        ("ok", "ok"),
        "{}",
        page.text("ledger_privileges")
    );
    xtask::run(case.command(&["up"]).env("DATABASE_URL", &url)).ok();
    Ok(())
}

fn a_role_that_may_see_little_gets_a_page_all_the_same() -> Outcome {
    let role = Role::new("")?;
    let case = Case::applied(&[A])?;
    let mut client = case.database.client();
    client.batch_execute("begin; lock table a").unwrap();
    let page = Page::of(&case, Some(&role.url(&case.database)));
    assert_eq!(page.checks.len(), 24);
    // What it may not read, it says so; and everything else came out.
    let unknown: Vec<_> = page.unwell().into_iter().filter(|(_, state)| *state == "unknown").collect();
    assert_eq!(unknown, ["ledger", "migrations", "transactions"].map(|check| (check, "unknown")));
    run_sql(&case, &page.sql("transactions"));
    assert_ne!(Page::of(&case, Some(&role.url(&case.database))).state("transactions"), "unknown");
    Ok(())
}

fn an_extension_that_the_server_lacks_is_named_with_its_migration() -> Outcome {
    let case =
        Case::with(&[("1_a", "create extension \"no-such\"; create extension if not exists plpgsql;", "select 1;")])?;
    let page = Page::of(&case, None);
    assert_eq!((page.code, page.state("extensions")), (1, "wrong"));
    let text = page.text("extensions");
    assert!(text.contains("no-such, which 1_a.up.sql creates: the server does not have it"), "{text}");
    assert!(!text.contains("plpgsql"), "{text}");
    Ok(())
}

fn an_index_that_is_being_built_is_no_leftover() -> Outcome {
    let role = Role::new("")?;
    let case = Case::applied(&[A])?;
    // A build waits for whoever wrote to the table before it and has not committed, and until then its index is invalid.
    let mut before = case.database.client();
    before.batch_execute("begin; insert into a values (1)").unwrap();
    let mut builder = case.database.client();
    let build = std::thread::spawn(move || builder.batch_execute("create index concurrently a_i on a (i)"));
    let building = "select count(*) from pg_index where not indisvalid";
    while case.database.ask(building) == "0" {
        assert!(!build.is_finished(), "it waited for nobody");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ours = Page::of(&case, None);
    let theirs = Page::of(&case, Some(&role.url(&case.database)));
    before.batch_execute("commit").unwrap();
    build.join().unwrap().unwrap();
    assert_eq!(ours.state("indexes"), "ok");
    assert!(ours.text("indexes").contains("1 is being built now"), "{}", ours.text("indexes"));
    // Which index another role builds, not everybody may see.
    assert_eq!(theirs.state("indexes"), "unknown");
    Ok(())
}

fn a_read_only_database_is_mended_by_the_printed_sql() -> Outcome {
    let case = Case::with(&[A])?;
    let set = format!("alter database {} set default_transaction_read_only = on", case.database.database().name());
    case.database.client().batch_execute(&set).unwrap();
    let page = Page::of(&case, None);
    assert_eq!((page.code, page.state("writable")), (1, "wrong"));
    let mut client = case.database.client();
    for statement in page.sql("writable") {
        client.batch_execute(&statement).unwrap();
    }
    assert_eq!(Page::of(&case, None).state("writable"), "ok");
    Ok(())
}

fn a_server_with_settings_of_its_own_is_told_by_them() -> Outcome {
    let case = Case::with(&[A, ("2_alter", "alter table a add j int;", "alter table a drop column j;")])?;
    let settings = [
        "max_prepared_transactions=2",
        "max_connections=8",
        "idle_session_timeout=20s",
        "max_wal_senders=2",
        "wal_level=replica",
    ];
    let cluster = Cluster::new(&settings)?;
    let mut client = cluster.client();
    client
        .batch_execute(
            "create role ann login; alter role ann set statement_timeout = '30s'; grant create on schema public to ann",
        )
        .unwrap();
    xtask::run(case.command(&["up", "1"]).env("DATABASE_URL", cluster.url("postgres"))).ok();
    client.batch_execute("begin; insert into a values (1); prepare transaction 'it''s'").unwrap();
    std::thread::sleep(Duration::from_millis(2_500));

    let page = Page::of(&case, Some(&cluster.url("postgres")));
    assert_eq!((page.code, page.state("prepared"), page.state("timeouts")), (1, "wrong", "warn"));
    assert!(page.text("prepared").contains("with a lock on public.a"), "{}", page.text("prepared"));
    page.sql("prepared").iter().for_each(|statement| client.batch_execute(statement).unwrap());
    let page = Page::of(&case, Some(&cluster.url("postgres")));
    assert_eq!((page.state("prepared"), page.state("connections")), ("ok", "ok"));

    let _more: Vec<_> = (0..2).map(|_| cluster.client()).collect();
    let page = Page::of(&case, Some(&cluster.url_as("ann", "postgres")));
    assert_eq!(page.state("connections"), "warn", "{}", page.text("connections"));
    assert!(page.text("timeouts").contains("statement_timeout is 30 s for this role"), "{}", page.text("timeouts"));
    Ok(())
}

fn a_standby_takes_no_migrations_and_is_looked_at_all_the_same() -> Outcome {
    let case = Case::with(&[A])?;
    let settings = ["max_wal_senders=3", "wal_level=replica"];
    let primary = Cluster::new(&settings)?;
    let standby = primary.standby(&["max_wal_senders=3", "hot_standby=on"])?;
    let began = Instant::now();
    while let Err(error) = standby.database().connect() {
        assert!(began.elapsed() < Duration::from_secs(60), "{error}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let page = Page::of(&case, Some(&standby.url("postgres")));
    assert_eq!((page.code, page.checks.len(), page.state("writable")), (1, 24, "wrong"));
    let unknown: Vec<_> = page.unwell().into_iter().filter(|(_, state)| *state == "unknown").collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    Ok(())
}

fn a_public_schema_that_is_open_is_closed_by_the_printed_sql() -> Outcome {
    let role = Role::new("")?;
    let case = Case::with(&[A])?;
    case.database.client().batch_execute("grant create on schema public to public").unwrap();
    let url = role.url(&case.database);
    let page = Page::of(&case, Some(&url));
    assert_eq!((page.state("public"), page.state("privileges")), ("warn", "ok"));
    run_sql(&case, &page.sql("public"));
    // This role needs it, and keeps it.
    let page = Page::of(&case, Some(&url));
    assert_eq!((page.state("public"), page.state("privileges")), ("ok", "ok"));
    Ok(())
}

fn without_a_server_the_project_is_looked_at_all_the_same() -> Outcome {
    let case = Case::with(&[A])?;
    let page = Page::of(&case, Some("postgresql://u:hunter2@127.0.0.1:1/shop"));
    assert_eq!((page.code, page.ok), (4, false));
    assert_eq!(page.checks.keys().collect::<Vec<_>>(), ["connection", "files", "git", "lock"]);
    assert_eq!((page.state("connection"), page.state("files")), ("wrong", "ok"));
    let text = page.text("connection");
    assert!(text.contains("is the server running") && !text.contains("hunter2"), "{text}");
    assert_eq!(Page::of(&case, Some("mysql://u:hunter2@h/d")).code, 2);
    Ok(())
}

fn a_database_that_is_not_there_says_so() -> Outcome {
    let role = Role::new("")?;
    let case = Case::with(&[A])?;
    let name = case.database.database().name().to_owned();
    let url = role.url(&case.database);
    let page = Page::of(&case, Some(&url.replace(&name, "no_such_database")));
    assert!(page.text("connection").contains("cargo xtask db create"), "{}", page.text("connection"));

    case.database.client().batch_execute(&format!("revoke connect on database {name} from public")).unwrap();
    let page = Page::of(&case, Some(&url));
    assert_eq!(page.code, 4);
    run_sql(&case, &page.sql("connection"));
    assert_ne!(Page::of(&case, Some(&url)).code, 4);
    Ok(())
}

fn files_that_are_not_in_order_are_wrong() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace.write("2_b.up.sql", "select 'open;");
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    let page = Page::of(&case, None);
    assert_eq!((page.code, page.state("files"), page.state("migrations")), (1, "wrong", "wrong"));
    assert!(page.text("files").contains("2_b.up.sql:1"), "{}", page.text("files"));
    assert!(page.text("lock").contains("was edited"), "{}", page.text("lock"));
    fs::remove_dir_all(case.workspace.migrations()).unwrap();
    let page = Page::of(&case, None);
    assert_eq!((page.code, page.state("files")), (1, "wrong"));
    Ok(())
}

fn a_run_that_is_under_way_is_named() -> Outcome {
    let case = Case::with(&[("1_slow", "select pg_sleep(6);", "select 1;")])?;
    let mut run = case.command(&["up"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut page = Page::of(&case, None);
    for _ in 0..20 {
        if page.state("runner") == "warn" {
            break;
        }
        page = Page::of(&case, None);
    }
    run.wait().unwrap();
    assert_eq!(page.state("runner"), "warn");
    assert!(page.text("runner").contains("stairwell"), "{}", page.text("runner"));
    Ok(())
}

fn through_a_pooler_it_finds_the_pooler() -> Outcome {
    let case = Case::with(&[A])?;
    let pooler = PgBouncer::before(&case.database)?;
    let page = Page::of(&case, Some(pooler.url()));
    assert_eq!((page.code, page.state("pooler")), (0, "warn"), "{}", page.text("pooler"));
    assert_eq!(page.checks.len(), 24);
    case.workspace.write("2_i.up.sql", "-- stairwell: no-transaction\ncreate index concurrently i on a (i);");
    case.workspace.write("2_i.down.sql", "drop index i;");
    let page = Page::of(&case, Some(pooler.url()));
    assert_eq!((page.code, page.state("pooler")), (1, "wrong"));
    assert!(page.text("pooler").contains("DATABASE_MIGRATION_URL"), "{}", page.text("pooler"));
    Ok(())
}

fn it_writes_nothing() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["doctor"]).ok();
    assert_eq!(case.database.ask("SELECT count(*) FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'stairwell'))"), "0");
    assert!(!case.lock_path().exists());
    Ok(())
}
