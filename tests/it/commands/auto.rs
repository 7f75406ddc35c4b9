//! `db new --auto`: a migration that writes itself.

use super::case::{Case, Files, Role};
use crate::harness::{Outcome, xtask};

crate::trials!(
    a_migration_writes_itself_and_can_be_taken_back,
    where_nothing_is_to_be_done_nothing_is_written,
    a_rename_keeps_what_is_there,
    what_cannot_share_a_transaction_becomes_several_migrations,
    a_command_can_print_what_is_desired,
    what_postgres_prints_otherwise_once_it_was_loaded_is_no_change,
    what_cannot_be_proved_is_written_only_when_it_is_forced,
    rows_that_a_policy_hides_are_not_counted_as_none,
);

const USERS: Files<'_> = (
    "1_users",
    "create type mood as enum ('sad', 'ok');
     create table users (id bigint primary key, phone text, mood mood default 'ok');
     create view phones as select id, phone from users;",
    "drop view phones; drop table users; drop type mood;",
);

fn desired(case: &Case, text: &str) {
    std::fs::write(case.workspace.path().join("schema.sql"), text).unwrap();
}

/// The files of the migrations folder that a command wrote, with their text, without their versions.
fn written(case: &Case) -> String {
    let folder = case.workspace.path().join("migrations");
    let mut names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("20"));
    names.sort();
    let mut versions: Vec<String> = names.iter().map(|name| name.split('_').next().unwrap().to_owned()).collect();
    versions.dedup();
    let mut all = String::new();
    for name in names {
        all.extend(["==> ", &name, " <==\n", &std::fs::read_to_string(folder.join(&name)).unwrap(), "\n"]);
    }
    // Postgres 16 and later print columns of a single table without its name.
    let all = all.replace(" users.", " ").replace(case.database.database().name(), "shop");
    versions.iter().enumerate().fold(all, |all, (n, version)| all.replace(version, &format!("<version {}>", n + 1)))
}

fn a_migration_writes_itself_and_can_be_taken_back() -> Outcome {
    let case = Case::applied(&[USERS])?;
    // How much is lost is counted here.
    case.database.client().batch_execute("insert into users values (1, '12'), (2, null), (3, '13')").unwrap();
    desired(
        &case,
        "create type mood as enum ('sad', 'ok');
         create table users (id bigint primary key, mood mood default 'ok', email text not null unique);
         create table posts (id bigint primary key, author bigint not null references users on delete cascade);
         create view phones as select id from users;",
    );
    case.db(&["new", "posts", "--auto"]).ok();
    insta::assert_snapshot!("auto", written(&case));
    case.database.client().batch_execute("delete from users").unwrap();
    case.db(&["up"]).ok();
    assert_eq!(case.db(&["diff"]).ok().stdout, "");
    case.db(&["redo"]).ok();
    assert_eq!(case.db(&["new", "again", "--auto"]).ok().stdout, "");
    Ok(())
}

fn where_nothing_is_to_be_done_nothing_is_written() -> Outcome {
    let case = Case::with(&[USERS])?;
    desired(&case, USERS.1);
    let ran = case.db(&["new", "nothing", "--auto"]).ok();
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.trim_end()),
        ("", "nothing to write: the migrations make what is desired")
    );
    assert_eq!(written(&case), "");
    Ok(())
}

fn a_rename_keeps_what_is_there() -> Outcome {
    let index: Files<'_> = ("2_index", "create index users_phone_idx on users (phone)", "drop index users_phone_idx");
    let case = Case::applied(&[USERS, index])?;
    case.database.client().batch_execute("insert into users values (1, '12')").unwrap();
    let text = USERS
        .1
        .replace("users", "accounts")
        .replace("phone text", "mobile text")
        .replace("id, phone", "id, mobile as phone");
    let text = format!("{text}; create index accounts_mobile_idx on accounts (mobile)");
    desired(&case, &text.replace("'ok'", "'fine'"));
    let table = ["--rename", "users:accounts", "--rename", "accounts.phone:mobile"];
    case.db(&[&["new", "rename", "--auto", "--rename", "public.mood.ok:fine"], &table[..]].concat()).ok();
    // Since Postgres 18 a not-null constraint has a name, which would have been another for the other table.
    let has_names = case.database.ask("SELECT current_setting('server_version_num')::int >= 180000") == "t";
    insta::assert_snapshot!(if has_names { "auto_rename_18" } else { "auto_rename" }, written(&case));
    case.db(&["up"]).ok();
    assert_eq!(case.database.ask("SELECT mobile || mood FROM accounts"), "12fine");
    // What goes is counted under the name that it still has.
    desired(
        &case,
        "create type mood as enum ('sad', 'fine'); create table people (id bigint primary key, mood mood default 'fine');",
    );
    let ran = case.db(&["new", "forget", "--auto", "--rename", "accounts:people"]).ok();
    let loss = format!("with what is in it (1 of 1 rows in `{}`)", case.database.database().name());
    assert!(ran.stderr.contains(&format!("it drops the column public.people.mobile {loss}")), "{}", ran.stderr);
    assert!(
        written(&case).contains("-- stairwell: destructive drops the column public.people.mobile"),
        "{}",
        written(&case)
    );
    Ok(())
}

fn what_cannot_share_a_transaction_becomes_several_migrations() -> Outcome {
    let case = Case::applied(&[USERS])?;
    desired(&case, &USERS.1.replace("'sad', 'ok'", "'sad', 'ok', 'new'").replace("default 'ok'", "default 'new'"));
    case.db(&["new", "new_mood", "--auto"]).ok();
    insta::assert_snapshot!("auto_parts", written(&case));
    case.db(&["up"]).ok();
    case.db(&["down", "2"]).ok();
    assert_eq!(case.db(&["diff"]).ok().stdout, "");
    Ok(())
}

fn a_command_can_print_what_is_desired() -> Outcome {
    let case = Case::with(&[])?;
    let manifest = |command: &str| {
        let text = format!(
            "[workspace]\nmembers = []\n[workspace.metadata.stairwell]\nschema = {{ command = \"{command}\" }}\n"
        );
        std::fs::write(case.workspace.path().join("Cargo.toml"), text).unwrap();
    };
    manifest("echo 'create table t (a int);'");
    case.db(&["new", "t", "--auto"]).ok();
    assert!(written(&case).contains("CREATE TABLE public.t"), "{}", written(&case));
    manifest("echo no models >&2; exit 7");
    insta::assert_snapshot!("auto_command_fails", case.see(&["new", "t", "--auto"]));
    Ok(())
}

/// A dump of `x BETWEEN 1 AND 2 AND y BETWEEN 1 AND 2` that is loaded is printed with fewer brackets than it was written with.
fn what_postgres_prints_otherwise_once_it_was_loaded_is_no_change() -> Outcome {
    let ranges: Files<'_> = (
        "1_boxes",
        "create table boxes (id bigint primary key, x int, y int, kind varchar(9),
           check (x between 1 and 9 and y between 1 and 9), check (kind in ('a', 'b')));
         create view small as select id from boxes where x between 1 and 2 and y between 1 and 2;
         create view kinds as select kind from boxes;",
        "drop view kinds, small; drop table boxes;",
    );
    let case = Case::applied(&[ranges])?;
    case.db(&["dump"]).ok();
    let dump = std::fs::read_to_string(case.workspace.path().join("schema.sql")).unwrap();
    assert_eq!(case.db(&["new", "nothing", "--auto"]).ok().stdout, "");
    assert_eq!(case.db(&["diff", "--from", "migrations", "--to", "schema", "--sql"]).ok().stdout, "");
    // On its own, where the way takes several steps, and where a column that a view reads has another type and name.
    let more = "alter table boxes alter kind set not null, add z int;";
    desired(&case, &format!("{dump}\n{more}"));
    case.db(&["diff", "--from", "migrations", "--to", "schema", "--sql"]).ok();
    case.db(&["new", "more", "--auto", "--online"]).ok();
    insta::assert_snapshot!("auto_prints", written(&case));
    case.db(&["up"]).ok();
    desired(
        &case,
        &format!(
            "{dump}\n{more}\ndrop view kinds; alter table boxes rename kind to sort; alter table boxes alter sort type text; create view kinds as select sort from boxes;"
        ),
    );
    case.db(&["new", "sort", "--auto", "--rename", "boxes.kind:sort"]).ok();
    case.db(&["up"]).ok();
    case.db(&["redo"]).ok();
    case.db(&["check"]).ok();
    Ok(())
}

/// No statement takes from a column that it was declared in the child, too.
fn what_cannot_be_proved_is_written_only_when_it_is_forced() -> Outcome {
    let declared: Files<'_> =
        ("1_a", "create table a (x int); create table b (x int) inherits (a);", "drop table b; drop table a;");
    let case = Case::with(&[declared])?;
    desired(&case, "create table a (x int, y int); create table b () inherits (a);");
    let refused = case.db(&["new", "less", "--auto"]).exits(1);
    assert!(refused.stderr.contains("local: yes → no") && refused.stderr.contains("`--force`"), "{}", refused.stderr);
    assert_eq!(written(&case), "");
    let forced = case.db(&["new", "less", "--auto", "--force"]).ok();
    assert!(forced.stderr.contains("the proof does not hold"), "{}", forced.stderr);
    insta::assert_snapshot!("auto_forced", written(&case));
    std::fs::write(case.workspace.path().join("old.sql"), declared.1).unwrap();
    let (from, to) = (["diff", "--from", "old.sql"], ["--to", "schema", "--sql"]);
    assert_eq!(case.db(&[&from[..], &to[..]].concat()).exits(1).stdout, "");
    let sql = case.db(&[&from[..], &to[..], &["--force"]].concat()).ok().stdout;
    assert!(sql.starts_with("-- THE PROOF DOES NOT HOLD") && sql.contains("ADD COLUMN y integer"), "{sql}");
    Ok(())
}

/// Who is subject to row security would count what they see.
fn rows_that_a_policy_hides_are_not_counted_as_none() -> Outcome {
    let role = Role::new("CREATEDB")?;
    let case = Case::with(&[("1_t", "create table t (x int, y int);", "drop table t;")])?;
    let table = format!(
        "create table t (x int, y int); insert into t values (1, 1), (2, 2); analyze t;
         alter table t enable row level security; grant select on t to {}",
        role.name
    );
    case.database.client().batch_execute(&table).unwrap();
    desired(&case, "create table t (x int);");
    let mut command = case.command(&["new", "less", "--auto"]);
    let ran = xtask::run(command.env("DATABASE_URL", role.url(&case.database))).ok();
    assert!(ran.stderr.contains("with what is in it (about 2 rows in "), "{}", ran.stderr);
    Ok(())
}
