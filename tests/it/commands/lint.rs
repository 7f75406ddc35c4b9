//! `db lint`, and what `db check` says of it.

use std::fs;

use super::case::{Case, Files, commit_all, git, needs_git};
use crate::harness::Outcome;
use crate::harness::xtask::{self, Ran};

crate::trials!(
    findings_read_like_errors_of_rustc_and_a_script_silences_them_with_a_reason,
    programs_get_json_sarif_and_annotations,
    history_is_what_the_main_branch_has,
    a_pull_request_whose_main_branch_is_not_here_is_no_silence,
    a_project_sets_levels_and_a_misspelt_one_is_refused,
    what_is_mended_goes_up_down_and_up_again,
    a_file_that_is_locked_is_not_mended,
    a_scratch_database_shows_what_no_text_does,
    check_denies_what_lint_denies,
    what_writes_itself_online_passes,
    psqls_own_and_rubbish_take_nothing_down,
    a_secret_in_a_script_is_found_and_not_repeated,
);

const SHOP: Files<'_> = (
    "1_shop",
    "create table users (id bigint primary key, name varchar(40));\n\
     create table orders (id bigint primary key, user_id bigint references users);",
    "drop table orders; drop table users;",
);

/// What hurts, in the ways that differ in how they are found and told.
const HURTS: Files<'_> = (
    "2_hurts",
    "-- stairwell: allow rename nobody uses the old name\n\
     alter table users alter column name set not null;\n\
     create index users_name on users (name);\n\
     alter table users rename name to nick;\n\
     alter table users alter nick type text;\n\
     drop table orders;\n\
     set role none;\n\
     alter user mapping for user server s options (set a 'b');\n",
    "select 1;",
);

fn findings_read_like_errors_of_rustc_and_a_script_silences_them_with_a_reason() -> Outcome {
    let unused = ("3_unused", "-- stairwell: allow lock-table we are careful\nselect 1;", "select 1;");
    let case = Case::with(&[SHOP, HURTS, unused])?;
    insta::assert_snapshot!("lint", case.see(&["lint", "2", "unused"]));
    Ok(())
}

fn programs_get_json_sarif_and_annotations() -> Outcome {
    let odd = (
        "2_a",
        "create index i on users (name);\ncreate table t (id int4 primary key);\nset role none;\n",
        "drop index i;\ndrop table t;",
    );
    let case = Case::with(&[SHOP, odd])?;
    let json: serde_json::Value = serde_json::from_str(&case.db(&["lint", "--json"]).exits(1).stdout).unwrap();
    let rules: Vec<_> = json["findings"].as_array().unwrap().iter().map(|it| it["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["index-without-concurrently", "narrow-primary-key", "session-state"]);
    assert_eq!(
        (json["ok"].as_bool(), json["migrations"].as_u64(), json["history"].as_u64()),
        (Some(false), Some(2), Some(0))
    );
    let first = &json["findings"][0];
    assert_eq!((first["version"].as_str(), first["severity"].as_str()), (Some("2"), Some("error")));
    assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(1), Some(1)));

    let ran = case.db(&["lint", "--format", "sarif"]).exits(1);
    let sarif: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let run = &sarif["runs"][0];
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        let rule = &run["tool"]["driver"]["rules"][index];
        assert_eq!(rule["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "migrations/2_a.up.sql");
        assert!(place["region"]["startLine"].as_u64() > Some(0), "{result}");
    }
    assert_eq!(run["results"].as_array().unwrap().len(), 3);

    let annotations = case.db(&["lint", "--format", "github"]).exits(1).stdout;
    let first = annotations.lines().next().unwrap();
    let start = "::error file=migrations/2_a.up.sql,line=1,col=1,title=stairwell%3A index-without-concurrently::an index is built";
    assert!(first.starts_with(start) && first.contains("%0A"), "{first}");
    assert_eq!(annotations.lines().count(), 3);
    Ok(())
}

const INDEX: Files<'_> = ("2_i", "create index i on users (name);", "drop index i;");
const OTHER: Files<'_> = ("3_j", "create index j on users (id);", "drop index j;");

/// How many errors it found, and in how many migrations.
fn counted(ran: &Ran) -> &str {
    ran.stderr
        .lines()
        .rev()
        .find_map(|line| line.split(" migration").next().filter(|it| it.contains(" in ")))
        .unwrap_or_default()
}

fn history_is_what_the_main_branch_has() -> Outcome {
    needs_git()?;
    let case = Case::with(&[SHOP, INDEX])?;
    let root = case.workspace.path();
    case.db(&["lock"]).ok();
    commit_all(root);
    let nothing = case.db(&["lint"]).ok();
    assert!(nothing.stderr.contains("nothing found in 0 migrations; 2 more are history"), "{}", nothing.stderr);
    git(root, &["checkout", "--quiet", "-b", "work"]);
    case.workspace.write("3_j.up.sql", OTHER.1);
    case.workspace.write("3_j.down.sql", OTHER.2);
    assert_eq!(counted(&case.db(&["lint"]).exits(1)), "error: 1 error in 1", "not committed");
    case.db(&["lock"]).ok();
    commit_all(root);
    let branch = case.db(&["lint"]).exits(1);
    assert_eq!(counted(&branch), "error: 1 error in 1", "committed on the branch");
    assert!(branch.stderr.contains("where this branch left main"), "{}", branch.stderr);
    assert_eq!(counted(&case.db(&["lint", "--since", "HEAD"]).ok()), "nothing found in 0");
    assert_eq!(counted(&case.db(&["lint", "--all"]).exits(1)), "error: 2 errors in 3");
    assert_eq!(counted(&case.db(&["lint", "2"]).exits(1)), "error: 1 error in 1");
    let wrong = case.db(&["lint", "--since", "nowhere"]).exits(2);
    assert!(wrong.stderr.contains("git knows no commit `nowhere` here"), "{}", wrong.stderr);
    // What was edited is not what databases have been through.
    case.workspace.write("2_i.up.sql", "create index i on users (name desc);");
    assert_eq!(counted(&case.db(&["lint"]).exits(1)), "error: 2 errors in 2");
    Ok(())
}

fn a_pull_request_whose_main_branch_is_not_here_is_no_silence() -> Outcome {
    needs_git()?;
    let case = Case::with(&[SHOP, INDEX])?;
    let root = case.workspace.path();
    case.db(&["lock"]).ok();
    git(root, &["init", "--quiet", "--initial-branch", "work"]);
    commit_all(root);
    let here = case.db(&["lint"]).ok();
    assert!(here.stderr.contains("there is no main branch here"), "{}", here.stderr);
    let in_ci = |name: &str, value: &str| xtask::run(case.command(&["lint"]).env("CI", "true").env(name, value));
    let refused = in_ci("UNUSED", "").exits(2);
    assert!(refused.stderr.contains("this clone has no main branch") && refused.stderr.contains("fetch-depth: 0"));
    let refused = in_ci("GITHUB_BASE_REF", "trunk").exits(2);
    assert!(refused.stderr.contains("this clone has no `origin/trunk`"), "{}", refused.stderr);
    git(root, &["update-ref", "refs/remotes/origin/trunk", "HEAD"]);
    in_ci("GITHUB_BASE_REF", "trunk").ok();
    Ok(())
}

fn a_project_sets_levels_and_a_misspelt_one_is_refused() -> Outcome {
    let case = Case::with(&[SHOP, INDEX])?;
    let settings = |lint: &str| {
        let text = format!("[workspace]\n[workspace.metadata.stairwell.lint]\n{lint}\n");
        fs::write(case.workspace.path().join("Cargo.toml"), text).unwrap();
    };
    settings("index-without-concurrently = \"warn\"");
    let warned = case.db(&["lint"]).ok();
    assert!(warned.stderr.contains("warning[index-without-concurrently]"), "{}", warned.stderr);
    settings("index-without-concurrently = \"off\"\nforeign-key-without-index = \"deny\"");
    let denied = case.db(&["lint"]).exits(1);
    assert!(denied.stderr.contains("error[foreign-key-without-index]"), "{}", denied.stderr);
    settings("index-concurrently = \"off\"");
    let wrong = case.db(&["lint"]).exits(2);
    assert!(wrong.stderr.contains("there is no rule `index-concurrently`"), "{}", wrong.stderr);
    settings("destructive = \"off\"");
    assert!(case.db(&["lint"]).exits(2).stderr.contains("the build finds it"));
    let page = case.db(&["lint", "--explain", "rename"]).ok();
    assert!(page.stdout.starts_with("# rename\n"), "{}", page.stdout);
    case.db(&["lint", "--explain", "renames"]).exits(2);
    Ok(())
}

fn what_is_mended_goes_up_down_and_up_again() -> Outcome {
    let up = "-- What the shop needs.\n\
              alter table users alter column name set not null;\n\
              create index users_name on users (name);\n\
              alter table orders add constraint orders_id check (id > 0), add column note text;\n\
              alter table users add constraint users_name_key unique (name);\n";
    let down = "alter table users drop constraint users_name_key;\n\
                alter table orders drop constraint orders_id, drop column note;\n\
                drop index users_name;\n\
                alter table users alter column name drop not null;\n";
    let one = ("3_one", "drop index users_name;", "create index users_name on users (name);");
    let case = Case::with(&[SHOP, ("2_more", up, down), one])?;
    let warned = case.db(&["lint", "--fix"]).ok();
    assert!(warned.stderr.contains("prove it: cargo xtask db check"), "{}", warned.stderr);
    let written = warned.stdout.lines().count();
    assert_eq!(written, 2 + 6 * 2 + 2, "{}", warned.stdout);
    assert_eq!(
        case.workspace.read("3_one.up.sql"),
        "-- stairwell: no-transaction\nDROP INDEX CONCURRENTLY users_name;"
    );
    case.db(&["lint"]).ok();
    // The index that `3_one` drops is made later now; a person has to see that.
    case.workspace.remove("3_one.up.sql");
    case.workspace.remove("3_one.down.sql");
    case.db(&["lock"]).ok();
    let checked = case.db(&["check"]).ok();
    assert!(checked.stderr.contains("8 migrations tried"), "{}", checked.stderr);
    Ok(())
}

fn a_file_that_is_locked_is_not_mended() -> Outcome {
    needs_git()?;
    let case = Case::applied(&[SHOP])?;
    commit_all(case.workspace.path());
    case.workspace.write("2_i.up.sql", INDEX.1);
    case.workspace.write("2_i.down.sql", INDEX.2);
    case.db(&["up"]).ok();
    let refused = case.db(&["lint", "--fix"]).exits(1);
    assert!(refused.stderr.contains("migrations/2_i.up.sql is locked, and stays as it is"), "{}", refused.stderr);
    assert_eq!(case.workspace.read("2_i.up.sql"), INDEX.1);
    Ok(())
}

fn a_scratch_database_shows_what_no_text_does() -> Outcome {
    let make = (
        "1_make",
        "create table users (id bigint primary key, at timestamp, name d);\n\
         create function tidy() returns void language plpgsql as $$ begin lock table users in share mode; end $$;\n",
        "drop function tidy(); drop table users;",
    );
    let make =
        (make.0, &*format!("create domain d as varchar(40);\n{}", make.1), &*format!("{} drop domain d;", make.2));
    let watched = (
        "2_watched",
        "select tidy();\n\
         set local timezone = 'UTC';\n\
         alter table users alter at type timestamptz;\n\
         alter table users alter name type text;\n\
         create domain e as int default 7 check (value > 0);\n\
         alter table users add column e e;\n",
        "alter table users drop column e; drop domain e; alter table users alter name type d, alter at type timestamp;",
    );
    let case = Case::with(&[make, watched])?;
    insta::assert_snapshot!("lint_traced", case.see(&["lint", "2", "--trace"]));
    Ok(())
}

fn check_denies_what_lint_denies() -> Outcome {
    needs_git()?;
    let case = Case::with(&[SHOP])?;
    case.db(&["lock"]).ok();
    commit_all(case.workspace.path());
    case.workspace.write("2_i.up.sql", INDEX.1);
    case.workspace.write("2_i.down.sql", INDEX.2);
    case.db(&["lock"]).ok();
    let checked = case.db(&["check"]).exits(1);
    assert!(checked.stderr.contains("error[index-without-concurrently]"), "{}", checked.stderr);
    assert!(checked.stderr.contains("* 1 error of `db lint`"), "{}", checked.stderr);
    let json: serde_json::Value = serde_json::from_str(&case.db(&["check", "--json"]).exits(1).stdout).unwrap();
    assert_eq!(json["lint"][0]["rule"], "index-without-concurrently");
    commit_all(case.workspace.path());
    case.db(&["check"]).ok();
    Ok(())
}

fn what_writes_itself_online_passes() -> Outcome {
    let old = "create table users (id bigint primary key, name varchar(40), age int, mail text, code text);\n\
               create table orders (id bigint primary key, user_id bigint, at timestamptz);\n\
               create index users_mail on users (mail);\n";
    let case = Case::with(&[("1_old", old, "drop table orders; drop table users;")])?;
    case.db(&["lock"]).ok();
    let schema = "create table users (id bigint primary key, name varchar(80) not null, age int check (age > 0), mail text,\n\
                      code text constraint users_code_key unique, state text not null default 'new');\n\
                  create table orders (id bigint primary key, user_id bigint references users, at timestamptz not null);\n\
                  create table items (id bigint primary key, order_id bigint not null references orders);\n\
                  create index users_name on users (lower(name));\n\
                  create index orders_user on orders (user_id);\n";
    fs::write(case.workspace.path().join("schema.sql"), schema).unwrap();
    case.db(&["new", "more", "--auto", "--online"]).ok();
    case.db(&["lint"]).ok();
    let traced = case.db(&["lint", "--trace"]).ok();
    assert!(!traced.stderr.contains("error["), "{}", traced.stderr);
    // The same without --online does not.
    for entry in fs::read_dir(case.workspace.migrations()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("_more") {
            fs::remove_file(path).unwrap();
        }
    }
    case.db(&["new", "more", "--auto"]).ok();
    case.db(&["lint"]).exits(1);
    Ok(())
}

fn psqls_own_and_rubbish_take_nothing_down() -> Outcome {
    let deep = format!("select {}1{};", "(".repeat(20_000), ")".repeat(20_000));
    let case = Case::with(&[SHOP, ("2_deep", &deep, "select 1;"), INDEX_LAST])?;
    let ran = case.db(&["lint"]).exits(1);
    assert!(ran.stderr.contains("more than 500 brackets in each other"), "{}", ran.stderr);
    assert!(ran.stderr.contains("error[index-without-concurrently]"), "{}", ran.stderr);
    case.workspace.write("4_meta.up.sql", "\\connect shop\nselect 1;");
    case.workspace.write("4_meta.down.sql", "select 1;");
    let ran = case.db(&["lint"]).exits(3);
    assert!(ran.stderr.contains("error[meta-command]"), "{}", ran.stderr);
    Ok(())
}

fn a_secret_in_a_script_is_found_and_not_repeated() -> Outcome {
    let roles = (
        "1_roles",
        "create role app password 'hunter2'; create table a (i int4 primary key);\n\
         alter role app password $$hunter2$$;\n\
         create subscription s connection 'host=h password=hunter2' publication p;\n",
        "select 1;",
    );
    let case = Case::with(&[roles])?;
    for format in ["text", "json", "sarif", "github"] {
        let ran = case.db(&["lint", "--format", format]).exits(1);
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains("literal-secret") && !said.contains("hunter2"), "{said}");
    }
    Ok(())
}

const INDEX_LAST: Files<'_> = ("3_i", INDEX.1, INDEX.2);
