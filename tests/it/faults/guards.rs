//! Rows 6, 21, 22, 39 and 40 of the table of faults: what is refused to keep data and other scripts safe.

use std::process::Command;

use stairwell::build::{Build, Unlocked, Verdict};
use stairwell::plan::PlanError;
use stairwell::postgres::{Migrator, RunErrorKind};
use stairwell::{Findings, Rule, Severity, Target};

use crate::commands::output::in_terminal;
use crate::harness::database::TestDatabase;
use crate::harness::files::{Workspace, set};
use crate::harness::xtask::{self, Ran};
use crate::harness::{Outcome, Skip};

crate::trials!(
    f06_a_database_that_is_ahead,
    f06_an_applied_file_was_deleted,
    f21_session_state_in_a_script_is_refused,
    f21_session_state_that_is_smuggled_in_reaches_nobody,
    f22_an_enum_value_is_used_where_it_is_added,
    f39_what_destroys_is_refused_where_data_matters,
    f39_only_a_person_is_asked,
    f39_up_is_not_guarded,
    f40_what_loses_data_has_to_say_so,
    f40_what_a_block_hides,
    f40_history_is_not_asked,
);

const A: (&str, &str, &str) = ("1_a", "create table a (i int);", "drop table a;");
const B: (&str, &str, &str) = ("2_b", "create table b (i int);", "drop table b;");
const C: (&str, &str, &str) = ("3_c", "create table c (i int);", "drop table c;");
const DOWN: &str = "select 1;\n";

/// The rules of what a build says about the workspace's migrations, errors and warnings, without that they are not locked; and its text.
fn build(workspace: &Workspace) -> (Vec<Rule>, Vec<Rule>, String) {
    let build = Build { unlocked: Unlocked::Warn, workspace: Some(workspace.path().to_owned()) };
    let verdict = Verdict::of(&workspace.migrations(), &build);
    let (errors, warnings): (Vec<_>, Vec<_>) = verdict
        .findings()
        .into_iter()
        .filter(|finding| finding.rule != Rule::NotLocked)
        .partition(|finding| finding.severity == Severity::Error);
    let rules = |findings: Vec<stairwell::Diagnostic>| findings.iter().map(|finding| finding.rule).collect();
    (rules(errors), rules(warnings), verdict.to_string())
}

/// Fails unless a build stops with this rule alone, and says these words.
#[track_caller]
fn build_refuses(up: &str, rule: Rule, words: &[&str]) {
    let workspace = Workspace::with(&[("1_a", up, DOWN)]);
    let (errors, _, text) = build(&workspace);
    assert!(!errors.is_empty() && errors.iter().all(|found| *found == rule), "{up}: {errors:?}\n{text}");
    for words in ["cargo::error=", "--> migrations/1_a.up.sql:", "help: "].iter().chain(words) {
        assert!(text.contains(words), "{words} in {text}");
    }
}

fn command(workspace: &Workspace, database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = xtask::db(workspace.path(), arguments);
    command.env("DATABASE_URL", database.url());
    command
}

fn db(workspace: &Workspace, database: &TestDatabase, arguments: &[&str]) -> Ran {
    xtask::run(&mut command(workspace, database, arguments))
}

fn f06_a_database_that_is_ahead() -> Outcome {
    let database = TestDatabase::new()?;
    Migrator::new(&set(&[A, B])).up(database.database(), Target::Head).unwrap();
    // The command, in a checkout that has a migration of its own instead.
    let older = Workspace::with(&[A, C]);
    let ran = db(&older, &database, &["up"]).exits(1);
    for words in
        ["`2_b` is applied in this database, and its file is not here", "help: update to a checkout that has it"]
    {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
    // An older release, which tells this from all else that can go wrong, and goes on as its owner decides.
    let set = older.set();
    let error = Migrator::new(&set).up(database.database(), Target::Head).unwrap_err();
    let RunErrorKind::Plan(PlanError::Conflicts(Findings(conflicts))) = &error.kind else { panic!("{error}") };
    assert!(conflicts.iter().all(|conflict| conflict.rule == Rule::Missing), "{error}");
    assert!(error.to_string().contains("2_b") && error.done == 0, "{error}");
    assert_eq!(database.applied(), ["1", "2"]);
    assert_eq!(database.ask("SELECT to_regclass('c') IS NULL"), "t", "nothing ran");
    // The way back needs no file: the ledger kept the script.
    Migrator::new(&set).down(database.database(), Target::Steps(1.try_into().unwrap())).unwrap();
    assert_eq!(database.ask("SELECT to_regclass('b') IS NULL"), "t");
    Migrator::new(&set).up(database.database(), Target::Head).unwrap();
    assert_eq!(database.applied(), ["1", "3"]);
    Ok(())
}

fn f06_an_applied_file_was_deleted() -> Outcome {
    let database = TestDatabase::new()?;
    let workspace = Workspace::with(&[A, B]);
    db(&workspace, &database, &["up"]).ok();
    workspace.remove("1_a.up.sql");
    workspace.remove("1_a.down.sql");
    workspace.write("3_c.up.sql", C.1);
    workspace.write("3_c.down.sql", C.2);
    let (errors, _, text) = build(&workspace);
    assert_eq!(errors, [Rule::Missing], "{text}");
    assert!(text.contains("1_a.up.sql") && text.contains("git checkout HEAD -- "), "{text}");
    let ran = db(&workspace, &database, &["up"]);
    assert!(matches!(ran.code, 1 | 3) && ran.stderr.contains("1_a"), "{ran:?}");
    assert_eq!(database.applied(), ["1", "2"]);
    Ok(())
}

fn f21_session_state_in_a_script_is_refused() -> Outcome {
    for (statement, help) in [
        ("SET search_path = ''", "SET LOCAL"),
        ("set session search_path to app", "SET LOCAL"),
        ("select pg_catalog.set_config('search_path', '', false)", "third argument"),
        ("SET ROLE app", "SET LOCAL"),
        ("set session authorization app", "SET LOCAL"),
        ("set session characteristics as transaction read only", "SET TRANSACTION"),
        ("RESET ALL", "remove it"),
        ("reset role", "remove it"),
        ("discard plans", "remove it"),
        ("listen changes", "remove it"),
    ] {
        build_refuses(
            &format!("create table a (i int);\n{statement};\n"),
            Rule::SessionState,
            &["1_a.up.sql:2:1", help],
        );
    }
    // The command does not begin either, and what the script says itself counts.
    let database = TestDatabase::new()?;
    let workspace = Workspace::with(&[("1_a", "set search_path = '';", DOWN)]);
    db(&workspace, &database, &["up"]).exits(3);
    assert_eq!(database.applied(), [""; 0]);
    workspace.write("1_a.up.sql", "-- stairwell: allow session-state nothing comes after it\nset search_path = '';");
    db(&workspace, &database, &["up"]).ok();
    workspace.write("2_b.up.sql", "set local search_path = 'public'; create table b (i int);");
    workspace.write("2_b.down.sql", B.2);
    db(&workspace, &database, &["up"]).ok();
    assert_eq!(database.applied(), ["1", "2"]);
    Ok(())
}

fn f21_session_state_that_is_smuggled_in_reaches_nobody() -> Outcome {
    let database = TestDatabase::new()?;
    let role = format!("{}_guest", database.database().name());
    let role_exists = "create function leak_role(r text) returns void language plpgsql as $$ begin execute format('set role %I', r); end $$;";
    let leaks = [
        "select leak();".to_owned(),
        "do $$ begin perform leak(); end $$;".to_owned(),
        "do $$ begin set search_path = ''; end $$;".to_owned(),
        "do $$ begin execute 'set search_path = pg_temp'; end $$;".to_owned(),
        format!("select leak_role('{role}');"),
        format!("do $$ begin execute 'set role {role}'; end $$;"),
        "do $$ begin reset all; end $$;".to_owned(),
        "do $$ begin set default_transaction_read_only = on; end $$;".to_owned(),
    ];
    let first = format!(
        "create table seen (path text, role_is_same bool, read_only text);\n{role_exists}\n\
         create function leak() returns void language sql as $$ select set_config('search_path', '', false) $$;"
    );
    let mut scripts = vec![("1_first".to_owned(), first)];
    for (n, leak) in leaks.into_iter().enumerate() {
        scripts.push((format!("{}_leak", 2 * n + 2), leak));
        // Unqualified, so that a search path that leaked fails it.
        let look = "insert into seen select current_setting('search_path'), current_user = session_user, current_setting('transaction_read_only');";
        scripts.push((format!("{}_look", 2 * n + 3), look.to_owned()));
    }
    let scripts: Vec<_> = scripts.iter().map(|(id, up)| (id.as_str(), up.as_str(), DOWN)).collect();
    database.client().batch_execute(&format!("CREATE ROLE {role}")).unwrap();
    let outcome = Migrator::new(&set(&scripts)).up(database.database(), Target::Head);
    let seen = database.ask(
        "SELECT count(*) || ' ' || string_agg(DISTINCT concat_ws(' ', path, role_is_same, read_only), ',') FROM seen",
    );
    let applied = database.applied().len();
    database.client().batch_execute(&format!("DROP ROLE {role}")).unwrap();
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(seen, "8 \"$user\", public t off");
    assert_eq!(applied, scripts.len());
    Ok(())
}

fn f22_an_enum_value_is_used_where_it_is_added() -> Outcome {
    let add = "alter type mood add value 'new';";
    let use_it = "insert into t values ('new');";
    build_refuses(
        &format!("{add}\n{use_it}"),
        Rule::EnumValueUsed,
        &["1_a.up.sql:2:23", "`mood`", "a later migration"],
    );
    let database = TestDatabase::new()?;
    let workspace = Workspace::with(&[("1_a", "create type mood as enum ('old'); create table t (mood mood);", DOWN)]);
    db(&workspace, &database, &["up"]).ok();
    workspace.write("2_b.up.sql", format!("{add}\n{use_it}"));
    workspace.write("2_b.down.sql", DOWN);
    db(&workspace, &database, &["up"]).exits(3);
    // Who insists is told by Postgres, and nothing of it stays.
    workspace.write("2_b.up.sql", format!("-- stairwell: allow enum-value-used is it true?\n{add}\n{use_it}"));
    let ran = db(&workspace, &database, &["up"]).exits(1);
    assert!(ran.stderr.contains("55P04") && ran.stderr.contains("2_b was rolled back"), "{}", ran.stderr);
    assert_eq!(database.ask("SELECT enum_range(NULL::mood)"), "{old}");
    // What the message says to do.
    workspace.write("2_b.up.sql", add);
    workspace.write("3_c.up.sql", use_it);
    workspace.write("3_c.down.sql", DOWN);
    db(&workspace, &database, &["up"]).ok();
    assert_eq!(database.ask("SELECT * FROM t"), "new");
    Ok(())
}

/// A database of this machine with a row in `a`: only there is it a mark that makes the difference.
fn guarded() -> Result<(Workspace, TestDatabase), Skip> {
    let database = TestDatabase::new()?;
    if !database.database().is_loopback() {
        return Err(Skip("the test server is on another machine".to_owned()));
    }
    let workspace = Workspace::with(&[A]);
    db(&workspace, &database, &["up"]).ok();
    database.client().batch_execute("insert into a values (1)").unwrap();
    Ok((workspace, database))
}

fn mark_as_production(database: &TestDatabase) {
    let mark = format!("ALTER DATABASE {} SET stairwell.environment = 'production'", database.database().name());
    database.client().batch_execute(&mark).unwrap();
}

const DEEDS: [&[&str]; 4] = [&["reset"], &["down"], &["down", "--all"], &["redo"]];

#[track_caller]
fn is_refused(mut command: Command, words: &[&str]) {
    let ran = xtask::run(&mut command).exits(5);
    for words in words.iter().chain(&["nothing was done"]) {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
}

fn f39_what_destroys_is_refused_where_data_matters() -> Outcome {
    let (workspace, database) = guarded()?;
    let name = database.database().name();
    let confirm = format!("--confirm {name}");
    for deed in DEEDS {
        // Another machine: refused before anyone looks for it.
        let mut remote = command(&workspace, &database, deed);
        remote.env("DATABASE_URL", "postgresql://db.example.invalid/shop");
        is_refused(remote, &["it is not on this machine, but on db.example.invalid", "--confirm shop"]);
        // Production, by the environment.
        let mut production = command(&workspace, &database, deed);
        production.env("STAIRWELL_ENV", "production");
        is_refused(production, &["it is production: `STAIRWELL_ENV` says so", "there is no terminal", &confirm]);
        let wrong: Vec<_> = deed.iter().copied().chain(["--confirm", "shop"]).collect();
        let mut production = command(&workspace, &database, &wrong);
        production.env("STAIRWELL_ENV", "production");
        is_refused(production, &["the name given is not that of"]);
    }
    // Production, by its own mark; no setting of a session takes that away.
    mark_as_production(&database);
    for deed in DEEDS {
        is_refused(command(&workspace, &database, deed), &["its setting `stairwell.environment` says so", &confirm]);
        let mut disguised = command(&workspace, &database, deed);
        disguised.env("PGOPTIONS", "-c stairwell.environment=development").env("STAIRWELL_ENV", "development");
        is_refused(disguised, &["its setting `stairwell.environment` says so"]);
        for variable in ["CI", "CLAUDECODE", "CURSOR_AGENT"] {
            let mut unattended = command(&workspace, &database, deed);
            unattended.env(variable, "1");
            is_refused(unattended, &[&format!("`{variable}` is set"), &confirm]);
        }
    }
    assert_eq!(database.ask("select count(*) from a"), "1", "nothing was lost");
    // The name is the way through, for a person and for a machine.
    for deed in [&["redo"][..], &["reset"], &["down"]] {
        let named: Vec<_> = deed.iter().copied().chain(["--confirm", name]).collect();
        xtask::run(command(&workspace, &database, &named).env("CI", "true")).ok();
    }
    assert_eq!(database.applied(), [""; 0]);
    Ok(())
}

#[cfg(unix)]
fn f39_only_a_person_is_asked() -> Outcome {
    let (workspace, database) = guarded()?;
    mark_as_production(&database);
    let name = database.database().name();
    let typed = |deed: &[&str], variable: Option<&str>, text: &str| {
        let mut command = command(&workspace, &database, deed);
        command.envs(variable.map(|variable| (variable, "true")));
        in_terminal(&command, &format!("{text}\n"))
    };
    for deed in DEEDS {
        for variable in ["CI", "CLAUDECODE", "CURSOR_AGENT", "AI_AGENT"] {
            let seen = typed(deed, Some(variable), name)?;
            assert!(!seen.contains("Type its name"), "{seen}");
            assert!(seen.contains(&format!("`{variable}` is set")) && seen.contains("nothing was done"), "{seen}");
        }
        for wrong in ["", "yes", "shop"] {
            let seen = typed(deed, None, wrong)?;
            assert!(seen.contains("Type its name") && seen.contains("the name given is not that of"), "{seen}");
        }
    }
    assert_eq!(database.ask("select count(*) from a"), "1", "nothing was lost");
    for deed in [&["redo"][..], &["reset"], &["down"]] {
        let seen = typed(deed, None, name)?;
        assert!(seen.contains("Type its name") && !seen.contains("nothing was done"), "{seen}");
    }
    assert_eq!(database.applied(), [""; 0]);
    Ok(())
}

#[cfg(not(unix))]
fn f39_only_a_person_is_asked() -> Outcome {
    Err(Skip("a terminal is made with Unix means".to_owned()))
}

fn f39_up_is_not_guarded() -> Outcome {
    let (workspace, database) = guarded()?;
    mark_as_production(&database);
    workspace.write("2_b.up.sql", B.1);
    workspace.write("2_b.down.sql", B.2);
    let mut up = command(&workspace, &database, &["up"]);
    xtask::run(up.env("STAIRWELL_ENV", "production").env("CLAUDECODE", "1")).ok();
    db(&workspace, &database, &["status"]).ok();
    assert_eq!(database.applied(), ["1", "2"]);
    // Nor is anything else on this machine without a mark.
    let (workspace, database) = guarded()?;
    for deed in [&["redo"][..], &["down", "--all"], &["reset"]] {
        xtask::run(command(&workspace, &database, deed).env("CI", "true").env("CLAUDECODE", "1")).ok();
    }
    Ok(())
}

fn f40_what_loses_data_has_to_say_so() -> Outcome {
    for (statement, what) in [
        ("drop table users", "statement 2 drops or overwrites data: DROP TABLE users"),
        ("alter table users add b int, drop column a", "ALTER TABLE users DROP COLUMN a"),
        ("drop schema app cascade", "DROP SCHEMA app CASCADE"),
        ("drop type mood", "DROP TYPE mood"),
        ("drop materialized view totals", "DROP MATERIALIZED VIEW totals"),
        ("truncate users, orders", "TRUNCATE orders"),
        ("delete from users", "DELETE FROM users without WHERE"),
        ("update users set a = 1", "UPDATE users without WHERE"),
        ("with x as (delete from users returning *) select * from x", "DELETE FROM users without WHERE"),
    ] {
        let words = ["1_a.up.sql:2:", what, "`-- stairwell: destructive <reason>`"];
        build_refuses(&format!("select 1;\n{statement};\n"), Rule::Destructive, &words);
    }
    let database = TestDatabase::new()?;
    let workspace = Workspace::with(&[A]);
    db(&workspace, &database, &["up"]).ok();
    database.client().batch_execute("insert into a values (1)").unwrap();
    workspace.write("2_b.up.sql", "truncate a;");
    workspace.write("2_b.down.sql", DOWN);
    db(&workspace, &database, &["up"]).exits(3);
    // No flag and no allow stands for the line that is reviewed in git.
    let ran = db(&workspace, &database, &["up", "--allow-destructive"]).exits(3);
    assert!(ran.stderr.contains("error[destructive]"), "{}", ran.stderr);
    for instead in
        ["-- stairwell: allow destructive it is empty", "-- stairwell: destructive", "-- destructive: it is empty"]
    {
        workspace.write("2_b.up.sql", format!("{instead}\ntruncate a;"));
        db(&workspace, &database, &["up"]).exits(3);
        db(&workspace, &database, &["up", "--allow-destructive"]).exits(3);
    }
    assert_eq!(database.ask("select count(*) from a"), "1");
    workspace.write("2_b.up.sql", "-- stairwell: destructive what is in it was a test\ntruncate a;");
    assert_eq!(build(&workspace).0, []);
    // Nor does the line stand for somebody who has seen what is in this database.
    let ran = db(&workspace, &database, &["up"]).exits(5);
    assert!(ran.stderr.contains("TRUNCATE a: 1 row"), "{}", ran.stderr);
    assert_eq!(database.ask("select count(*) from a"), "1");
    db(&workspace, &database, &["up", "--allow-destructive"]).ok();
    assert_eq!(database.ask("select count(*) from a"), "0");
    Ok(())
}

fn f40_what_a_block_hides() -> Outcome {
    for block in [
        "do $$ begin drop table a; end $$;",
        "do $$ begin if true then delete from a; end if; end $$;",
        "do $$ begin execute 'drop table a'; end $$;",
        "do $$ begin execute format('drop table %I', 'a'); end $$;",
    ] {
        build_refuses(block, Rule::Destructive, &["a DO block", "`-- stairwell: destructive <reason>`"]);
    }
    let database = TestDatabase::new()?;
    let block = "do $$ begin execute 'dr' || 'op table a'; end $$;";
    let workspace = Workspace::with(&[A, ("2_b", block, DOWN)]);
    let (errors, warnings, text) = build(&workspace);
    assert_eq!((errors, warnings), (vec![], vec![Rule::OpaqueSql]));
    assert!(text.contains("cargo::warning=[opaque-sql]: statement 1, a DO block, hides from review"), "{text}");
    let ran = db(&workspace, &database, &["up"]).ok();
    assert!(ran.stderr.contains("warning[opaque-sql]") && ran.stderr.contains("2_b.up.sql:1:13"), "{}", ran.stderr);
    let silent = format!("-- stairwell: allow opaque-sql it drops what nobody has\n{block}");
    assert_eq!(build(&Workspace::with(&[("1_a", &silent, DOWN)])).1, []);
    Ok(())
}

fn f40_history_is_not_asked() -> Outcome {
    let database = TestDatabase::new()?;
    let history =
        [A, ("2_b", "set search_path = public;\ndrop table a;\ndo $$ begin execute 'sel' || 'ect 1'; end $$;", DOWN)];
    let workspace = Workspace::with(&history);
    db(&workspace, &database, &["lock"]).exits(3);
    let ran = db(&workspace, &database, &["lock", "--import"]).ok();
    assert!(
        ran.stderr.contains("warning[destructive]") && ran.stderr.contains("warning[session-state]"),
        "{}",
        ran.stderr
    );
    let (errors, warnings, text) = build(&workspace);
    assert_eq!((errors, warnings), (vec![], vec![]), "{text}");
    db(&workspace, &database, &["up"]).ok();
    assert_eq!(database.ask("SELECT to_regclass('a') IS NULL"), "t");
    // A new one is asked, and so is an old one that somebody edits.
    workspace.write("2_b.up.sql", "drop table a;");
    assert!(build(&workspace).0.contains(&Rule::Destructive));
    Ok(())
}
