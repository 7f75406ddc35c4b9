//! What a person sees of a run that failed: what, where, why, what to do, and what is true now.

use std::time::Duration;

use super::case::{A, B, C, Case, Files, Role};
use crate::harness::Outcome;
use crate::harness::xtask;

crate::trials!(
    a_syntax_error_is_pointed_at_behind_text_of_several_bytes_a_character,
    a_run_time_error_names_the_statement_and_its_line,
    an_error_in_a_function_shows_where_in_it,
    a_duplicate_shows_its_key,
    a_null_shows_its_row,
    a_name_that_is_nearly_right_shows_the_right_one,
    a_deferred_violation_is_shown_at_the_end_of_its_script,
    a_lock_that_was_not_free_names_who_has_it,
    a_deadlock_shows_both_sides,
    another_runner_that_takes_too_long_is_named,
    a_missing_privilege_says_how_to_get_it,
    a_role_that_may_not_make_the_ledger_says_how_to_let_it,
    a_role_that_may_not_read_the_ledger_says_how_to_let_it,
    a_database_that_is_read_only_by_default_says_so,
    a_script_that_makes_its_transaction_read_only_is_pointed_at,
    outside_of_a_transaction_the_first_statement_leaves_nothing,
    outside_of_a_transaction_the_second_statement_leaves_the_first,
    an_invalid_index_is_named_with_its_schema,
    a_way_back_that_fails_in_the_middle_says_what_is_undone,
    a_redo_that_fails_on_its_way_back_has_undone_what_it_says,
    a_redo_that_fails_on_its_way_forth_says_what_is_pending,
    the_third_of_seven_leaves_two,
    a_script_that_ended_its_transaction_may_be_partially_applied,
    a_script_that_commits_is_stopped_there_and_can_be_tried_again,
    a_procedure_that_commits_is_rolled_back,
    an_edited_ledger_is_not_read,
    a_table_that_is_no_ledger_is_not_read,
    a_value_of_an_enum_that_is_too_new_says_where_to_use_it,
    what_cannot_run_in_a_transaction_says_where_it_can,
    a_very_long_line_is_cut_around_what_is_wrong,
    a_statement_of_many_lines_is_shown_by_its_first,
    tabs_and_line_ends_of_windows_do_not_move_the_caret,
    a_message_of_several_lines_stays_readable,
    a_script_that_raises_shows_what_it_says,
    what_the_server_says_about_rows_is_not_for_a_log,
);

const DOWN: &str = "select 1;";

/// What `db up` says about these.
fn up(migrations: &[Files<'_>]) -> Result<String, crate::harness::Skip> {
    Ok(Case::with(migrations)?.see(&["up"]))
}

/// Two migrations before the one that fails and one behind it.
fn among_others(script: &str) -> Result<String, crate::harness::Skip> {
    up(&[A, B, ("3_wrong", script, DOWN), ("4_next", "create table next (i int);", "drop table next;")])
}

fn a_syntax_error_is_pointed_at_behind_text_of_several_bytes_a_character() -> Outcome {
    let script = "-- Größe: 🚀🚀\ncreate table straße (\"größe\" int);\ninsert into straße values (1); /* 東京 */ insrt into straße values (2);\n";
    insta::assert_snapshot!("syntax_multibyte", among_others(script)?);
    Ok(())
}

fn a_run_time_error_names_the_statement_and_its_line() -> Outcome {
    let lines: Vec<String> =
        (1..=10).map(|n| if n == 7 { "select 1 / (select 0);".to_owned() } else { format!("select {n};") }).collect();
    insta::assert_snapshot!("run_time_seven_of_ten", among_others(&lines.join("\n\n"))?);
    Ok(())
}

fn an_error_in_a_function_shows_where_in_it() -> Outcome {
    let function = "create function price(i int) returns int language plpgsql as $$\nbegin\n  return 100 / i;\nend $$;\n\
                    create function total() returns int language sql as 'select price(2) + price(0)';\n";
    insta::assert_snapshot!("function_context", among_others(&format!("{function}\nselect total();\n"))?);
    Ok(())
}

fn a_duplicate_shows_its_key() -> Outcome {
    let script = "create table users (email text unique);\ninsert into users values ('ann@example.com');\n\
                  insert into users\n  select 'ann@example.com';\n";
    insta::assert_snapshot!("unique_detail", among_others(script)?);
    Ok(())
}

fn a_null_shows_its_row() -> Outcome {
    let script = "create table users (id int, email text, phone text);\ninsert into users values (1, 'ann@example.com');\n\
                  alter table users alter phone set not null;\n";
    insta::assert_snapshot!("not_null_alter", among_others(script)?);
    let script = "create table users (id int, email text, phone text not null);\ninsert into users values (1, 'ann@example.com');\n";
    insta::assert_snapshot!("not_null_detail", among_others(script)?);
    Ok(())
}

fn a_name_that_is_nearly_right_shows_the_right_one() -> Outcome {
    let script = "create table users (id int, email text);\nupdate users\n   set email = lower(emial)\n where email <> lower(email);\n";
    insta::assert_snapshot!("column_hint", among_others(script)?);
    Ok(())
}

fn a_deferred_violation_is_shown_at_the_end_of_its_script() -> Outcome {
    let script = "create table parent (i int primary key);\n\
                  create table child (parent int references parent deferrable initially deferred);\n\
                  insert into child values (7);\n-- done\n";
    insta::assert_snapshot!("deferred", among_others(script)?);
    Ok(())
}

/// A text without the numbers and times that differ from run to run.
fn anonymous(text: &str) -> String {
    let line = |line: &str| {
        let mut before = "";
        let mut words = Vec::new();
        for word in line.split(' ') {
            let rest = word.trim_start_matches(|c: char| c.is_ascii_digit() || ".:".contains(c));
            words.push(match before {
                _ if rest.len() == word.len() => word.to_owned(),
                "process" | "Process" | "relation" | "database" => format!("<number>{rest}"),
                "in" => format!("<pause>{}", rest.trim_start_matches(char::is_alphabetic)),
                "since" => format!("<time>{rest}"),
                _ => word.to_owned(),
            });
            before = word;
        }
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Waits for the answer `t`.
fn until(case: &Case, question: &str) {
    let started = std::time::Instant::now();
    while case.database.ask(question) != "t" {
        assert!(started.elapsed() < Duration::from_secs(60), "never: {question}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn a_lock_that_was_not_free_names_who_has_it() -> Outcome {
    let case = Case::applied(&[A])?;
    case.workspace.write("2_wrong.up.sql", "create table b (i int);\nalter table a add column j int;\n");
    case.workspace.write("2_wrong.down.sql", DOWN);
    let mut report = case.database.client();
    report.batch_execute("set application_name = 'nightly report'; begin; select * from a").unwrap();
    let seen = case.see(&["up", "--tries", "2"]);
    insta::assert_snapshot!("lock_not_free", anonymous(&seen));
    Ok(())
}

fn a_deadlock_shows_both_sides() -> Outcome {
    let case = Case::applied(&[A, B])?;
    let waits = "exists (select from pg_locks where relation = 'a'::regclass and not granted)";
    let script = format!(
        "-- stairwell: lock-timeout 60s\nlock table a;\n\
         do $$ begin while not {waits} loop perform pg_sleep(0.01); end loop; end $$;\nlock table b;\n"
    );
    case.workspace.write("3_wrong.up.sql", script);
    case.workspace.write("3_wrong.down.sql", DOWN);
    let mut app = case.database.client();
    // It is the migration that finds the deadlock, and so is rolled back.
    app.batch_execute("set application_name = 'shop'; set deadlock_timeout = '10min'; begin; lock table b").unwrap();
    let seen = std::thread::scope(|scope| {
        let seen = scope.spawn(|| case.see(&["up", "--tries", "1"]));
        until(&case, "select count(*) = 1 from pg_locks where relation = 'a'::regclass and granted");
        app.batch_execute("lock table a; commit").unwrap();
        seen.join().unwrap()
    });
    insta::assert_snapshot!("deadlock", anonymous(&seen));
    Ok(())
}

fn another_runner_that_takes_too_long_is_named() -> Outcome {
    use stairwell::Target;
    use stairwell::postgres::Migrator;

    let case = Case::with(&[A, ("2_slow", "select pg_advisory_xact_lock(7);", DOWN)])?;
    let mut gate = case.database.client();
    gate.batch_execute("select pg_advisory_lock(7)").unwrap();
    let set = case.workspace.set();
    let error = std::thread::scope(|scope| {
        let slow = scope.spawn(|| case.db(&["up"]));
        until(
            &case,
            "select count(*) = 1 from pg_stat_activity where datname = current_database() and wait_event = 'advisory'",
        );
        let most = Some(Duration::ZERO);
        let error = Migrator::new(&set).lock_wait(most).up(case.database.database(), Target::Head).unwrap_err();
        gate.batch_execute("select pg_advisory_unlock(7)").unwrap();
        slow.join().unwrap().ok();
        error
    });
    insta::assert_snapshot!("another_runner", anonymous(&error.to_string()));
    Ok(())
}

/// The same with its role's name.
fn see_as(case: &Case, role: &Role, arguments: &[&str]) -> String {
    let mut command = case.command(arguments);
    command.env("DATABASE_URL", role.url(&case.database));
    case.seen(arguments, &xtask::run(&mut command)).replace(&role.name, "deployer")
}

fn a_missing_privilege_says_how_to_get_it() -> Outcome {
    let role = Role::new("")?;
    let case = Case::with(&[A, ("2_wrong", "create table b (i int);\nalter table a add column j int;\n", DOWN)])?;
    case.db(&["up", "1"]).ok();
    let grant = format!(
        "grant usage on schema stairwell to {0}; grant all on stairwell.ledger to {0}; grant create on schema public to {0}",
        role.name
    );
    case.database.client().batch_execute(&grant).unwrap();
    insta::assert_snapshot!("privilege", see_as(&case, &role, &["up"]));
    Ok(())
}

fn a_role_that_may_not_make_the_ledger_says_how_to_let_it() -> Outcome {
    let role = Role::new("")?;
    let case = Case::with(&[A])?;
    insta::assert_snapshot!("privilege_ledger_create", see_as(&case, &role, &["up"]));
    Ok(())
}

fn a_role_that_may_not_read_the_ledger_says_how_to_let_it() -> Outcome {
    let role = Role::new("")?;
    let case = Case::applied(&[A])?;
    insta::assert_snapshot!("privilege_ledger_read", see_as(&case, &role, &["up"]));
    Ok(())
}

fn a_database_that_is_read_only_by_default_says_so() -> Outcome {
    let case = Case::with(&[A])?;
    let name = case.database.database().name();
    let set = format!("alter database \"{name}\" set default_transaction_read_only = on");
    case.database.client().batch_execute(&set).unwrap();
    insta::assert_snapshot!("read_only_default", case.see(&["up"]));
    Ok(())
}

fn a_script_that_makes_its_transaction_read_only_is_pointed_at() -> Outcome {
    insta::assert_snapshot!("read_only_script", among_others("set transaction read only;\ncreate table c (i int);\n")?);
    Ok(())
}

fn outside_of_a_transaction_the_first_statement_leaves_nothing() -> Outcome {
    insta::assert_snapshot!("alone_first", among_others("-- stairwell: no-transaction\nvacuum nothing;\n")?);
    Ok(())
}

fn outside_of_a_transaction_the_second_statement_leaves_the_first() -> Outcome {
    let case = Case::with(&[A])?;
    case.workspace
        .write("2_two.up.sql", "vacuum a;\ncreate index concurrently a_i on a (i);\nvacuum nothing;\nvacuum a;\n");
    case.workspace.write("2_two.down.sql", "drop index a_i;");
    case.db(&["lock", "--import"]).ok();
    insta::assert_snapshot!("alone_third", case.see_all(&[&["up"], &["status"], &["down"]]));
    Ok(())
}

fn an_invalid_index_is_named_with_its_schema() -> Outcome {
    let data = "create schema shop; create table shop.users (email text);\ninsert into shop.users values ('ann@example.com'), ('ann@example.com');\n";
    let index =
        "-- stairwell: no-transaction\ncreate unique index concurrently users_email\n  on shop.users (email);\n";
    insta::assert_snapshot!("alone_invalid_index", up(&[("1_users", data, DOWN), ("2_email", index, DOWN)])?);
    Ok(())
}

fn a_way_back_that_fails_in_the_middle_says_what_is_undone() -> Outcome {
    let wrong = ("2_wrong", "create table b (i int);", "alter table b add column j int;\ndrop table nothing;\n");
    let case = Case::applied(&[A, wrong, C, ("4_d", "create table d (i int);", "drop table d;")])?;
    insta::assert_snapshot!("down_third_of_four", case.see_all(&[&["down", "--all"], &["status"]]));
    Ok(())
}

fn a_redo_that_fails_on_its_way_back_has_undone_what_it_says() -> Outcome {
    let case = Case::applied(&[A, ("2_wrong", "create table b (i int);", "drop table nothing;"), C])?;
    insta::assert_snapshot!("redo_fails_back", case.see_all(&[&["redo", "2"], &["status"]]));
    Ok(())
}

fn a_redo_that_fails_on_its_way_forth_says_what_is_pending() -> Outcome {
    let case = Case::applied(&[A, B, C])?;
    case.workspace.write("2_b.up.sql", "create table b (i int);\ncreate table a (i int);\n");
    insta::assert_snapshot!("redo_fails_forth", case.see_all(&[&["redo", "2"], &["status"]]));
    Ok(())
}

fn the_third_of_seven_leaves_two() -> Outcome {
    let wrong = ("3_wrong", "create table c (i int);\ninsert into a values ('x');\n", DOWN);
    let rest: Vec<(String, String)> =
        (4..=7).map(|n| (format!("{n}_t"), format!("create table t{n} (i int);"))).collect();
    let mut all = vec![A, B, wrong];
    all.extend(rest.iter().map(|(id, script)| (id.as_str(), script.as_str(), DOWN)));
    insta::assert_snapshot!("third_of_seven", up(&all)?);
    Ok(())
}

fn a_script_that_ended_its_transaction_may_be_partially_applied() -> Outcome {
    let case = Case::with(&[A, ("2_ends", "create table b (i int);\nrollback;\ncreate table c (i int);\n", DOWN)])?;
    case.db(&["lock", "--import"]).ok();
    insta::assert_snapshot!("transaction_ended", case.see_all(&[&["up"], &["status"]]));
    Ok(())
}

fn a_script_that_commits_is_stopped_there_and_can_be_tried_again() -> Outcome {
    let case = Case::with(&[A, ("2_ends", "create table b (i int);\ncommit;\ncreate table a (i int);\n", DOWN)])?;
    case.db(&["lock", "--import"]).ok();
    insta::assert_snapshot!("transaction_committed", case.see_all(&[&["up"], &["status"], &["up"]]));
    Ok(())
}

fn a_procedure_that_commits_is_rolled_back() -> Outcome {
    let script = "create procedure refill() language plpgsql as $$\nbegin\n  create table b (i int);\n  commit;\nend $$;\ncall refill();\n";
    insta::assert_snapshot!("procedure_commits", up(&[A, ("2_commits", script, DOWN)])?);
    Ok(())
}

fn an_edited_ledger_is_not_read() -> Outcome {
    let case = Case::applied(&[A])?;
    case.database.client().batch_execute("update stairwell.ledger set checksum = 'none'").unwrap();
    insta::assert_snapshot!("ledger_edited", case.see(&["up"]));
    Ok(())
}

fn a_table_that_is_no_ledger_is_not_read() -> Outcome {
    let case = Case::with(&[A])?;
    let other = "create schema stairwell; create table stairwell.ledger (account int, amount int)";
    case.database.client().batch_execute(other).unwrap();
    insta::assert_snapshot!("ledger_of_another", case.see(&["up"]));
    Ok(())
}

fn a_value_of_an_enum_that_is_too_new_says_where_to_use_it() -> Outcome {
    let mood = ("1_mood", "create type mood as enum ('sad');\ncreate table days (mood mood);", DOWN);
    let script = "alter type mood add value 'glad';\ninsert into days values ('glad');\n";
    let case = Case::with(&[mood, ("2_glad", script, DOWN)])?;
    // A build refuses it in a new script.
    case.db(&["lock", "--import"]).ok();
    insta::assert_snapshot!("enum_value", case.see(&["up"]));
    Ok(())
}

fn what_cannot_run_in_a_transaction_says_where_it_can() -> Outcome {
    let script = "create function tidy() returns void language plpgsql as $$ begin execute 'vacuum a'; end $$;\nselect tidy();\n";
    insta::assert_snapshot!("vacuum_in_function", up(&[A, ("2_vacuum", script, DOWN)])?);
    Ok(())
}

fn a_very_long_line_is_cut_around_what_is_wrong() -> Outcome {
    let values: Vec<String> = (1..5_000).map(|n| format!("({n}, 'Zürich')")).collect();
    let script = format!(
        "create table c (i int, s text); insert into c values {}, (5000, nonsense), (1, '');",
        values.join(", ")
    );
    insta::assert_snapshot!("long_line", among_others(&script)?);
    Ok(())
}

fn a_statement_of_many_lines_is_shown_by_its_first() -> Outcome {
    let values: Vec<String> = (1..5_000).map(|n| format!("  ({})", n % 4_990)).collect();
    let script = format!("create table c (i int primary key);\n\ninsert into c (i) values\n{};\n", values.join(",\n"));
    insta::assert_snapshot!("huge_statement", among_others(&script)?);
    Ok(())
}

fn tabs_and_line_ends_of_windows_do_not_move_the_caret() -> Outcome {
    let script = "create table c (\r\n\ti int,\r\n\tj\tint defualt 7\r\n);\r\n";
    insta::assert_snapshot!("tabs_and_crlf", among_others(script)?);
    Ok(())
}

fn a_message_of_several_lines_stays_readable() -> Outcome {
    let script = "create table c (i int);\ncreate view v as select i from c;\ncreate view w as select i from v;\ncreate view x as select i from w;\ndrop view v;\n";
    insta::assert_snapshot!("several_lines", among_others(script)?);
    Ok(())
}

fn a_script_that_raises_shows_what_it_says() -> Outcome {
    let script = "do $$\nbegin\n  raise notice 'counting';\n  raise exception 'there are % orders without a customer', 3\n    using hint = 'delete them first', detail = 'the oldest is of 2019';\nend $$;\n";
    insta::assert_snapshot!("raised", among_others(script)?);
    Ok(())
}

fn what_the_server_says_about_rows_is_not_for_a_log() -> Outcome {
    use stairwell::postgres::{Details, Migrator, RunErrorKind};
    use stairwell::{Color, Target};

    let script = "create table users (email text unique);\n\
                  create function add(e text) returns void language plpgsql as $$ begin insert into users values (e); end $$;\n\
                  select add('ann@example.com');\nselect add(lower('ANN@EXAMPLE.COM'));\n";
    let case = Case::with(&[A, ("2_users", script, DOWN)])?;
    let set = case.workspace.set();
    let mut log = Vec::new();
    let error = Migrator::new(&set)
        .on_event(|event| log.push(event.to_string()))
        .up(case.database.database(), Target::Head)
        .unwrap_err();
    let RunErrorKind::Script(failure) = &error.kind else { panic!("{error}") };
    let shown = failure.render(Details::Show, Color::Never);
    assert!(shown.contains("ann@example.com") && shown.contains("detail:") && shown.contains("context:"), "{shown}");
    assert_eq!(case.see(&["up"]).matches("ann@example.com").count(), shown.matches("ann@example.com").count());
    // What an app logs, by whichever way it prints an error.
    let logged = [error.to_string(), failure.to_string(), failure.render(Details::Hide, Color::Never), log.join("\n")];
    for text in logged {
        assert!(!text.contains("ann@example.com") && !text.contains("detail:") && !text.contains("context:"), "{text}");
    }
    let folder = format!("{}/", case.workspace.path().display());
    insta::assert_snapshot!("in_a_log", error.to_string().replace(&folder, ""));
    Ok(())
}
