//! `db protect` and `db unprotect`, and what a marked database wants.

use stairwell::postgres::{Database, Environment, Event, Ledger, Migrator, RunErrorKind};
use stairwell::schema::{Catalog, Without};
use stairwell::{MigrationSet, Target};

use super::case::{A, B, C, Case, Role};
use crate::harness::database::TestDatabase;
use crate::harness::files::set;
use crate::harness::pgbouncer::PgBouncer;
use crate::harness::server::server;
use crate::harness::xtask::{self, Ran};
use crate::harness::{Outcome, Skip};

crate::trials!(
    a_mark_is_set_told_and_taken_away,
    f39_on_a_marked_database_what_loses_data_wants_its_environments_name,
    no_machine_and_no_agent_is_asked_for_an_environment,
    a_person_types_the_environments_name,
    a_mark_outlives_a_reset,
    a_marked_database_is_dropped_with_its_environments_name_alone,
    one_that_was_dropped_half_way_can_still_be_dropped,
    another_mark_wants_the_name_of_the_old_one,
    f39_another_environment_than_the_configured_one_is_refused,
    without_a_mark_or_a_variable_there_is_no_question,
    a_database_is_marked_before_its_first_migration,
    who_reads_the_ledger_sees_the_mark_and_cannot_write_it,
    what_is_no_name_is_refused_before_anyone_connects,
    a_function_that_someone_else_wrote_is_no_mark_and_gives_no_leave,
    a_mark_that_is_set_while_a_run_is_planned_stops_it,
    a_mark_is_no_difference_between_schemas,
    a_mark_works_through_a_pooler,
    two_that_mark_at_once_are_one,
);

/// A database of this machine, marked as `staging`, with a row in `a`.
fn marked(migrations: &[super::case::Files<'_>]) -> Result<Case, Skip> {
    let case = Case::applied(migrations)?;
    case.db(&["protect", "staging"]).ok();
    case.database.client().batch_execute("insert into a values (1)").unwrap();
    Ok(case)
}

/// A command as it stands, without the name that [`Case::command`] gives where the server is on another machine.
fn db(case: &Case, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = xtask::db(case.workspace.path(), arguments);
    xtask::run(command.env("DATABASE_URL", case.database.url()).envs(variables.iter().copied()))
}

/// What the database tells of itself.
fn environment(database: &TestDatabase) -> String {
    database.ask("SELECT stairwell.ledger_environment()")
}

fn named(name: &str) -> Environment {
    name.parse().unwrap()
}

#[track_caller]
fn is_refused(ran: Ran, words: &[&str]) {
    let ran = ran.exits(5);
    for words in words {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
}

/// Everything that wants the word where one migration is applied and edited.
const DEEDS: [&[&str]; 9] = [
    &["reset"],
    &["drop"],
    &["down"],
    &["down", "--all"],
    &["redo"],
    &["stamp", "head", "--purge"],
    &["stamp", "base"],
    &["repair", "--yes", "--reason", "x"],
    &["unprotect"],
];

fn a_mark_is_set_told_and_taken_away() -> Outcome {
    let case = Case::applied(&[A])?;
    let seen = case.see_all(&[
        &["protect", "production"],
        &["protect", "production"],
        &["status"],
        &["current"],
        &["status", "--json"],
        &["current", "--json"],
        &["unprotect"],
        &["unprotect", "--confirm", "staging"],
        &["unprotect", "--confirm", "production"],
        &["unprotect"],
        &["status"],
    ]);
    let user = case.database.database().user().unwrap_or("postgres").to_owned();
    insta::assert_snapshot!("protect", seen.replace(&format!(", by {user}"), ", by <role>"));
    Ok(())
}

fn f39_on_a_marked_database_what_loses_data_wants_its_environments_name() -> Outcome {
    let case = marked(&[A])?;
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    let name = case.database.database().name().to_owned();
    for deed in DEEDS {
        let words = ["it is marked as `staging`", "there is no terminal", "`--confirm staging`", "nothing was done"];
        is_refused(db(&case, deed, &[]), &words);
        // Production is that too, and what is asked for is no other name.
        is_refused(db(&case, deed, &[("STAIRWELL_ENV", "Staging")]), &words);
        for wrong in [name.as_str(), "production", "Staging", ""] {
            let ran = db(&case, &[deed, &["--confirm", wrong]].concat(), &[]);
            is_refused(ran, &["the name given is not `staging`", "nothing was done"]);
        }
    }
    assert_eq!(
        (case.database.ask("select count(*) from a"), environment(&case.database)),
        ("1".into(), "staging".into())
    );
    assert_eq!(case.database.applied(), ["1"]);
    case.workspace.write("1_a.up.sql", A.1);
    case.db(&["status", "--check"]).ok();
    // The word is the way through.
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    for deed in [&["repair", "--yes", "--reason", "x"][..], &["redo"], &["stamp", "head", "--purge"], &["down"]] {
        db(&case, &[deed, &["--confirm", "staging"]].concat(), &[("CI", "")]).ok();
    }
    assert!(!case.has("a"));
    // What loses nothing needs none.
    case.db(&["up"]).ok();
    case.db(&["status"]).ok();
    assert_eq!(case.database.applied(), ["1"]);
    Ok(())
}

fn no_machine_and_no_agent_is_asked_for_an_environment() -> Outcome {
    let case = marked(&[A])?;
    for deed in [&["reset"][..], &["down"], &["unprotect"], &["protect", "production"]] {
        for variable in ["CI", "CLAUDECODE", "CURSOR_AGENT"] {
            is_refused(db(&case, deed, &[(variable, "1")]), &[&format!("`{variable}` is set"), "`--confirm staging`"]);
        }
    }
    assert_eq!(case.database.ask("select count(*) from a"), "1");
    db(&case, &["down", "--confirm", "staging"], &[("CI", "true"), ("CLAUDECODE", "1")]).ok();
    Ok(())
}

#[cfg(unix)]
fn a_person_types_the_environments_name() -> Outcome {
    let case = marked(&[A])?;
    let typed = |deed: &[&str], text: &str| {
        let mut command = xtask::db(case.workspace.path(), deed);
        super::output::in_terminal(command.env("DATABASE_URL", case.database.url()), &format!("{text}\n"))
    };
    for deed in [&["reset"][..], &["drop"], &["down"], &["redo"], &["unprotect"], &["protect", "production"]] {
        for wrong in ["", "yes", case.database.database().name()] {
            let seen = typed(deed, wrong)?;
            assert!(seen.contains("Type the environment's name") && seen.contains("is not `staging`"), "{seen}");
        }
    }
    assert_eq!(case.database.ask("select count(*) from a"), "1");
    let seen = typed(&["down"], "staging")?;
    assert!(seen.contains("1 undone"), "{seen}");
    let seen = typed(&["unprotect"], "staging")?;
    assert!(seen.contains("not marked as `staging` any more"), "{seen}");
    Ok(())
}

#[cfg(not(unix))]
fn a_person_types_the_environments_name() -> Outcome {
    Err(Skip("a terminal is made with Unix means".to_owned()))
}

fn a_mark_outlives_a_reset() -> Outcome {
    let case = marked(&[A, B])?;
    insta::assert_snapshot!("protect_reset", case.see(&["reset", "--confirm", "staging"]));
    assert_eq!(
        (case.database.ask("select count(*) from a"), environment(&case.database)),
        ("0".into(), "staging".into())
    );
    case.db(&["reset"]).exits(5);
    // Also where a migration fails then.
    case.workspace.write("3_c.up.sql", "create tabel c (i int);");
    case.workspace.write("3_c.down.sql", C.2);
    case.db(&["reset", "--confirm", "staging"]).exits(1);
    assert_eq!(
        (case.database.applied(), environment(&case.database)),
        (vec!["1".into(), "2".into()], "staging".into())
    );
    Ok(())
}

fn a_marked_database_is_dropped_with_its_environments_name_alone() -> Outcome {
    let case = marked(&[A])?;
    case.db(&["drop", "--confirm", "staging"]).ok();
    // What is not there is not marked.
    let name = case.database.database().name().to_owned();
    case.db(&["drop", "--if-exists", "--confirm", &name]).ok();
    for arguments in [&["protect", "staging"][..], &["unprotect"]] {
        let ran = case.db(arguments).exits(4);
        assert!(ran.stderr.contains("does not exist"), "{}", ran.stderr);
    }
    case.db(&["create"]).ok();
    Ok(())
}

fn one_that_was_dropped_half_way_can_still_be_dropped() -> Outcome {
    for deed in ["drop", "reset"] {
        let case = Case::applied(&[A])?;
        let mut admin = server()?.connect().unwrap();
        // What `DROP DATABASE` leaves when it is interrupted, since 15.4.
        let invalid = "UPDATE pg_database SET datconnlimit = -2 WHERE datname = $1";
        admin.execute(invalid, &[&case.database.database().name()]).unwrap();
        case.db(&[deed, "--confirm", case.database.database().name()]).ok();
        if deed == "drop" {
            case.db(&["create"]).ok();
        }
    }
    Ok(())
}

fn another_mark_wants_the_name_of_the_old_one() -> Outcome {
    let case = marked(&[A])?;
    let name = case.database.database().name().to_owned();
    for confirm in [&[][..], &["--confirm", "production"], &["--confirm", &name]] {
        let ran = db(&case, &[&["protect", "production"], confirm].concat(), &[]);
        is_refused(ran, &["`staging`", "nothing was done"]);
    }
    assert_eq!(environment(&case.database), "staging");
    let ran = db(&case, &["protect", "production", "--confirm", "staging"], &[]).ok();
    assert!(ran.stderr.contains("is `production` now, and was `staging`"), "{}", ran.stderr);
    assert_eq!(environment(&case.database), "production");
    // In the library it is said, too.
    let none = MigrationSet::default();
    let mut migrator = Migrator::new(&none);
    let error = migrator.unprotect(case.database.database(), &named("staging")).unwrap_err();
    assert!(matches!(error.kind, RunErrorKind::Marked { .. }), "{error}");
    let error = migrator.protect(case.database.database(), &named("test"), Some(&named("staging"))).unwrap_err();
    assert!(error.to_string().contains("is marked as `production`, so its mark was left"), "{error}");
    migrator.unprotect(case.database.database(), &named("production")).unwrap();
    assert_eq!(migrator.mark(case.database.database()).unwrap(), None);
    Ok(())
}

fn f39_another_environment_than_the_configured_one_is_refused() -> Outcome {
    let case = marked(&[A])?;
    case.workspace.write("2_b.up.sql", B.1);
    case.workspace.write("2_b.down.sql", B.2);
    let other = [("STAIRWELL_ENV", "production")];
    let confirmed: Vec<Vec<&str>> = DEEDS.iter().map(|deed| [*deed, &["--confirm", "staging"]].concat()).collect();
    let more: [&[&str]; 7] = [
        &["up"],
        &["up", "--to", "2"],
        &["up", "--dry-run"],
        &["up", "--check-only"],
        &["up", "--single-transaction"],
        &["down", "--dry-run"],
        &["stamp", "head"],
    ];
    // An edited one is what `repair` is for.
    for deed in confirmed.iter().map(Vec::as_slice).filter(|deed| deed[0] != "repair").chain(more) {
        is_refused(
            db(&case, deed, &other),
            &["is marked as `staging`, and this runs for `production`", "STAIRWELL_ENV"],
        );
    }
    insta::assert_snapshot!("protect_other", case.seen(&["up"], &db(&case, &["up"], &other)));
    assert_eq!((case.database.applied(), case.database.ask("select count(*) from a")), (vec!["1".into()], "1".into()));
    // Looking is no harm.
    for look in [&["status"][..], &["current"], &["history"], &["show", "a"]] {
        db(&case, look, &other).ok();
    }
    // Also with nothing to do, where it would be a surprise later.
    db(&case, &["up"], &[("STAIRWELL_ENV", " STAGING ")]).ok();
    is_refused(db(&case, &["up"], &other), &["this runs for `production`"]);
    case.workspace.write("1_a.up.sql", "create table a (i bigint);");
    let ran = db(&case, &["repair", "--yes", "--reason", "x", "--confirm", "staging"], &other);
    is_refused(ran, &["this runs for `production`"]);
    assert_eq!(case.database.ask("SELECT count(*) FROM stairwell.ledger WHERE remarks IS NOT NULL"), "0");
    Ok(())
}

fn without_a_mark_or_a_variable_there_is_no_question() -> Outcome {
    let case = Case::applied(&[A])?;
    db(&case, &["up"], &[("STAIRWELL_ENV", "anything at all")]).ok();
    case.db(&["protect", "staging"]).ok();
    for none in ["", " "] {
        db(&case, &["up"], &[("STAIRWELL_ENV", none)]).ok();
    }
    let ran = db(&case, &["protect", "staging"], &[("STAIRWELL_ENV", "production")]).ok();
    assert!(ran.stderr.contains("note: STAIRWELL_ENV is `production` here"), "{}", ran.stderr);
    Ok(())
}

fn a_database_is_marked_before_its_first_migration() -> Outcome {
    let case = Case::with(&[A, B])?;
    case.db(&["protect", "production"]).ok();
    is_refused(db(&case, &["up"], &[("STAIRWELL_ENV", "staging")]), &["this runs for `staging`"]);
    assert_eq!(case.database.applied(), [""; 0]);
    db(&case, &["up"], &[("STAIRWELL_ENV", "production")]).ok();
    assert_eq!(case.database.applied(), ["1", "2"]);
    Ok(())
}

fn who_reads_the_ledger_sees_the_mark_and_cannot_write_it() -> Outcome {
    let reader = Role::new("")?;
    let case = marked(&[A])?;
    let grant = format!(
        "GRANT USAGE ON SCHEMA stairwell TO {0}; GRANT ALL ON ALL TABLES IN SCHEMA stairwell TO {0}",
        reader.name
    );
    case.database.client().batch_execute(&grant).unwrap();
    let url = reader.url(&case.database);
    let run = |arguments: &[&str]| xtask::run(xtask::db(case.workspace.path(), arguments).env("DATABASE_URL", &url));
    let ran = run(&["status"]).ok();
    assert!(ran.stdout.contains("  environment: staging, since "), "{}", ran.stdout);
    for arguments in [&["unprotect", "--confirm", "staging"][..], &["protect", "x", "--confirm", "staging"]] {
        let ran = run(arguments).exits(1);
        assert!(ran.stderr.contains("42501"), "{}", ran.stderr);
    }
    assert_eq!(environment(&case.database), "staging");
    // Who owns the database may drop it, and sees of its schemas no more than the mark.
    let owner = Role::new("CREATEDB")?;
    let alter = format!("ALTER DATABASE {} OWNER TO {}", case.database.database().name(), owner.name);
    case.database.client().batch_execute(&alter).unwrap();
    let url = owner.url(&case.database);
    for arguments in [["drop"], ["reset"]] {
        let ran = xtask::run(xtask::db(case.workspace.path(), &arguments).env("DATABASE_URL", &url));
        is_refused(ran, &["it is marked as `staging`", "`--confirm staging`"]);
    }
    Ok(())
}

fn what_is_no_name_is_refused_before_anyone_connects() -> Outcome {
    let case = Case::with(&[])?;
    for wrong in ["", "Production", "a b", "it's", "a;b", "x'; drop table a; --", &"x".repeat(64)] {
        let ran = db(&case, &["protect", wrong], &[("DATABASE_URL", "postgresql://nowhere.invalid/x")]).exits(2);
        assert!(ran.stderr.contains("cannot name an environment") || wrong.is_empty(), "{}", ran.stderr);
    }
    db(&case, &["protect"], &[]).exits(2);
    Ok(())
}

fn a_function_that_someone_else_wrote_is_no_mark_and_gives_no_leave() -> Outcome {
    let case = marked(&[A])?;
    let mut client = case.database.client();
    // Elsewhere it is nobody's business.
    let elsewhere = "CREATE FUNCTION public.ledger_environment() RETURNS text LANGUAGE sql AS $$SELECT 'development'$$";
    client.batch_execute(elsewhere).unwrap();
    is_refused(db(&case, &["down"], &[]), &["it is marked as `staging`"]);
    let replace = "CREATE OR REPLACE FUNCTION stairwell.ledger_environment() RETURNS text LANGUAGE sql AS $$SELECT 'mine'::text$$";
    client.batch_execute(replace).unwrap();
    for deed in [&["down"][..], &["reset"], &["up"], &["status"]] {
        let ran = db(&case, deed, &[]).exits(1);
        assert!(ran.stderr.contains("is not as stairwell wrote it"), "{deed:?}: {}", ran.stderr);
    }
    assert_eq!(case.database.ask("select count(*) from a"), "1");
    Ok(())
}

/// Under the lock it is looked again, with a script in a transaction and with one that is in none.
fn a_mark_that_is_set_while_a_run_is_planned_stops_it() -> Outcome {
    let alone = ("2_index", "-- stairwell: no-transaction\ncreate index concurrently i on a (i);", "drop index i;");
    for second in [B, alone] {
        let database = TestDatabase::new()?;
        Migrator::new(&set(&[A])).up(database.database(), Target::Head).unwrap();
        let (both, mut marked) = (set(&[A, second]), false);
        let mut migrator = Migrator::new(&both).environment("staging").on_event(|event: &Event<'_>| {
            if matches!(event, Event::Planned { .. }) && !std::mem::replace(&mut marked, true) {
                Migrator::new(&both).protect(database.database(), &named("production"), None).unwrap();
            }
        });
        let error = migrator.up(database.database(), Target::Head).unwrap_err();
        drop(migrator);
        assert!(matches!(error.kind, RunErrorKind::Environment { .. }) && error.done == 0, "{error}");
        assert_eq!(database.applied(), ["1"]);
        assert_eq!(database.ask("SELECT to_regclass('b') IS NULL AND to_regclass('i') IS NULL"), "t");
    }
    Ok(())
}

fn a_mark_is_no_difference_between_schemas() -> Outcome {
    let case = marked(&[A])?;
    for arguments in [&["diff"][..], &["dump"], &["check"]] {
        let ran = db(&case, arguments, &[]).ok();
        assert!(!ran.stdout.contains("environment"), "{arguments:?}: {}", ran.stdout);
    }
    // A ledger in `public` is told from what else is there by its names.
    let database = TestDatabase::new()?;
    let (none, ledger) = (MigrationSet::default(), Ledger::new("public", "steps").unwrap());
    let empty = Catalog::of(database.database(), &Without::from(&ledger)).unwrap();
    Migrator::new(&none).ledger(ledger.clone()).protect(database.database(), &named("staging"), None).unwrap();
    assert_eq!(database.ask("SELECT public.steps_environment()"), "staging");
    assert_eq!(Catalog::of(database.database(), &Without::from(&ledger)).unwrap(), empty);
    Ok(())
}

fn a_mark_works_through_a_pooler() -> Outcome {
    let case = Case::applied(&[A])?;
    let bouncer = PgBouncer::before(&case.database)?;
    let through = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = xtask::db(case.workspace.path(), arguments);
        xtask::run(command.env("DATABASE_URL", bouncer.url()).envs(variables.iter().copied()))
    };
    through(&["protect", "staging"], &[]).ok();
    is_refused(through(&["up"], &[("STAIRWELL_ENV", "production")]), &["this runs for `production`"]);
    is_refused(through(&["down"], &[]), &["`--confirm staging`"]);
    through(&["down", "--confirm", "staging"], &[("STAIRWELL_ENV", "staging")]).ok();
    through(&["up"], &[("STAIRWELL_ENV", "staging")]).ok();
    through(&["unprotect", "--confirm", "staging"], &[]).ok();
    Ok(())
}

fn two_that_mark_at_once_are_one() -> Outcome {
    let database = TestDatabase::new()?;
    let mark = |name: &'static str| {
        let at: Database = database.database().clone();
        std::thread::spawn(move || Migrator::new(&MigrationSet::default()).protect(&at, &named(name), None))
    };
    let threads: Vec<_> = ["staging", "production"].into_iter().cycle().take(8).map(mark).collect();
    let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let (fine, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((fine.len(), refused.len()), (4, 4), "{refused:?}");
    for error in refused.into_iter().filter_map(Result::err) {
        assert!(matches!(error.kind, RunErrorKind::Marked { .. }), "{error}");
    }
    Ok(())
}
