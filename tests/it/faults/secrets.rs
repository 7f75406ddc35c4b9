//! Row 38: passwords.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::fs;

use stairwell::Target;
use stairwell::postgres::{Database, Event, Migrator};

use super::DOWN;
use crate::commands::case::{A, Case};
use crate::harness::cluster::Cluster;
use crate::harness::database::TestDatabase;
use crate::harness::files::set;
use crate::harness::proxy::Refusal;
use crate::harness::xtask::{self, Ran};
use crate::harness::{Outcome, Skip};

crate::trials!(f38_a_password_is_shown_nowhere, f38_a_password_is_in_the_arguments_of_no_process);

/// The password, and as it stands in a URL: what has to be escaped is, in one case more than that.
const SECRET: &str = "hunter2@/?#%:é";
const ESCAPED: &str = "hunter2%40%2F%3F%23%25%3A%C3%A9";
/// The part that any form of it has.
const TRACE: &str = "hunter2";
const WRONG: &str = "hunter2-wrong";

fn f38_a_password_is_shown_nowhere() -> Outcome {
    in_what_the_library_says()?;
    in_what_commands_say_to_a_server_that_refuses()?;
    in_what_commands_say()
}

/// Fails if a text has the password in any form.
#[track_caller]
fn clean(text: &str) {
    for form in [TRACE, "%68unter2", "unter2", SECRET, ESCAPED] {
        assert!(!text.contains(form), "{text}");
    }
}

#[track_caller]
fn clean_value(value: &(impl Debug + Display)) {
    clean(&format!("{value} {value:?} {value:#?}"));
}

/// An error with its causes, for a person and as a panic that unwraps it shows it.
#[track_caller]
fn clean_chain(error: &(dyn Error + 'static)) {
    clean(&format!("{error} {error:?} {error:#?}"));
    let mut source = error.source();
    while let Some(error) = source {
        clean(&format!("{error} {error:?} {error:#?}"));
        source = error.source();
    }
}

/// Every way to say a password in a connection string; the place is of no matter.
fn strings(place: &str, password: &str, escaped: &str) -> Vec<String> {
    vec![
        format!("postgresql://u:{escaped}@{place}/d"),
        format!("postgres://u@{place}/d?password={escaped}"),
        format!("postgresql+asyncpg://u:{escaped}@{place}/d?connect_timeout=2"),
        format!("postgresql://u:%68unter2{}@{place}/d", &escaped[TRACE.len()..]),
        format!(
            "host={} port={} user=u dbname=d password='{password}'",
            place.split(':').next().unwrap(),
            place.rsplit(':').next().unwrap()
        ),
    ]
}

fn in_what_the_library_says() -> Result<(), Skip> {
    let database = TestDatabase::new()?;
    let refusal = Refusal { sqlstate: "28P01", message: "password authentication failed for user \"u\"" };
    let proxy = database.proxy().refuse_first(u64::MAX, refusal).start().unwrap();
    let set = set(&[("1_a", "select 1;", DOWN)]);
    let refused = format!("127.0.0.1:{}", proxy.port());
    let gone = {
        let proxy = database.proxy().start().unwrap();
        format!("127.0.0.1:{}", proxy.port())
    };
    for place in [refused, gone] {
        for text in strings(&place, SECRET, ESCAPED) {
            let database = Database::parse(&text).unwrap_or_else(|error| panic!("{error}"));
            clean_value(&database);
            clean_value(&database.with_name("other"));
            clean(&format!("{:?} {:?} {} {:?}", database.hosts(), database.user(), database.name(), database.port()));
            clean_chain(&database.connect().err().unwrap());
            let mut heard = Vec::new();
            let mut migrator =
                Migrator::new(&set).on_event(|event: &Event<'_>| heard.push(format!("{event} {event:?}")));
            let error = migrator.up(&database, Target::Head).unwrap_err();
            drop(migrator);
            clean_chain(&error);
            clean_chain(&error.kind);
            clean(&heard.join("\n"));
        }
    }
    // By variables and by a password file.
    let folder = tempfile::tempdir().unwrap();
    let passfile = folder.path().join("pgpass");
    fs::write(&passfile, format!("127.0.0.1:*:*:*:{}\n", SECRET.replace(':', "\\:"))).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&passfile, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for (name, value) in [("PGPASSWORD", SECRET), ("PGPASSFILE", passfile.to_str().unwrap())] {
        let port = proxy.port().to_string();
        let variable = |asked: &str| match asked {
            "PGHOST" => Some("127.0.0.1".to_owned()),
            "PGPORT" => Some(port.clone()),
            "PGUSER" => Some("u".to_owned()),
            asked if asked == name => Some(value.to_owned()),
            _ => None,
        };
        let database = Database::from_variables(variable).unwrap().unwrap();
        clean_value(&database);
        clean_chain(&Migrator::new(&set).up(&database, Target::Head).unwrap_err());
    }
    Ok(())
}

const COMMANDS: [&[&str]; 8] = [
    &["up"],
    &["down"],
    &["redo"],
    &["status"],
    &["reset"],
    &["up", "--to", "77"],
    &["protect", "staging"],
    &["unprotect", "--confirm", "staging"],
];

/// Every way to hand over the URL or the password, with every command.
fn commands(case: &Case, url: &str, place: (&str, u16, &str, &str), password: &str) -> Vec<Ran> {
    let (host, port, user, name) = place;
    let folder = case.workspace.path();
    let passfile = folder.join("target-pgpass");
    fs::write(&passfile, format!("*:*:*:*:{}\n", password.replace(':', "\\:"))).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&passfile, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut ran = Vec::new();
    for arguments in COMMANDS {
        let command = |arguments: &[&str]| {
            let mut command = xtask::db(folder, arguments);
            command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
            command
        };
        let by_variables = || {
            let mut command = command(arguments);
            command.env("PGHOST", host).env("PGPORT", port.to_string()).env("PGUSER", user).env("PGDATABASE", name);
            command
        };
        ran.push(xtask::run(command(arguments).env("DATABASE_URL", url)));
        ran.push(xtask::run(&mut command(&[arguments, &["--database-url", url]].concat())));
        ran.push(xtask::run(by_variables().env("PGPASSWORD", password)));
        ran.push(xtask::run(by_variables().env("PGPASSFILE", &passfile)));
        fs::write(folder.join(".env"), format!("DATABASE_URL='{url}'\n")).unwrap();
        ran.push(xtask::run(&mut command(arguments)));
        fs::remove_file(folder.join(".env")).unwrap();
    }
    ran
}

fn in_what_commands_say_to_a_server_that_refuses() -> Result<(), Skip> {
    let case = Case::with(&[A])?;
    let refusal = Refusal { sqlstate: "28P01", message: "password authentication failed for user \"u\"" };
    let proxy = case.database.proxy().refuse_first(u64::MAX, refusal).start().unwrap();
    let place = format!("127.0.0.1:{}", proxy.port());
    for url in strings(&place, SECRET, ESCAPED) {
        let ran = xtask::run(case.command(&["up"]).env("DATABASE_URL", &url).env("RUST_LOG", "trace"));
        clean(&format!("{}{}", ran.stdout, ran.stderr));
        assert!(ran.code == 4 && ran.stderr.contains("password authentication failed"), "{url}: {ran:?}");
    }
    let url = &strings(&place, SECRET, ESCAPED)[0];
    for ran in commands(&case, url, ("127.0.0.1", proxy.port(), "u", "d"), SECRET) {
        clean(&format!("{}{}", ran.stdout, ran.stderr));
        assert_eq!(ran.code, 4, "{ran:?}");
    }
    Ok(())
}

/// A server that asks for the password: it is given, right and wrong, and every command comes to its end.
fn in_what_commands_say() -> Outcome {
    let cluster = Cluster::new(&["password_encryption=scram-sha-256"])?;
    let mut admin = cluster.client();
    admin.batch_execute(&format!("CREATE ROLE u LOGIN SUPERUSER PASSWORD '{SECRET}'")).unwrap();
    admin.batch_execute("CREATE DATABASE d OWNER u").unwrap();
    cluster.ask_for_passwords();
    let case = Case::with(&[A])?;
    let place = ("127.0.0.1", cluster.port(), "u", "d");
    let url = |password: &str| format!("postgresql://u:{password}@127.0.0.1:{}/d", cluster.port());
    for ran in commands(&case, &url(WRONG), place, WRONG) {
        clean(&format!("{}{}", ran.stdout, ran.stderr));
        assert!(ran.code == 4 && ran.stderr.contains("password authentication failed"), "{ran:?}");
    }
    let right = commands(&case, &url(ESCAPED), place, SECRET);
    for ran in &right {
        clean(&format!("{}{}", ran.stdout, ran.stderr));
        assert_ne!(ran.code, 4, "it is the right one: {ran:?}");
    }
    assert_eq!(right[0].code, 0, "{:?}", right[0]);
    Ok(())
}

/// Whoever is on this machine can read what a process was started with. Looked for in all of them, as often as it goes, while commands run.
#[cfg(target_os = "linux")]
fn f38_a_password_is_in_the_arguments_of_no_process() -> Outcome {
    use std::sync::atomic::{AtomicBool, Ordering};

    // Other tests hand over theirs as `--database-url`.
    let secret = format!("in-no-arguments-{}", std::process::id());
    let cluster = Cluster::new(&["password_encryption=scram-sha-256"])?;
    let mut admin = cluster.client();
    admin.batch_execute(&format!("CREATE ROLE u LOGIN SUPERUSER PASSWORD '{secret}'")).unwrap();
    admin.batch_execute("CREATE DATABASE d OWNER u").unwrap();
    cluster.ask_for_passwords();
    let case = Case::with(&[A])?;
    let url = format!("postgresql://u:{secret}@127.0.0.1:{}/d", cluster.port());
    let is_over = AtomicBool::new(false);
    let (seen, looks) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let (mut seen, mut looks) = (Vec::new(), 0_u32);
            while !is_over.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").unwrap().flatten() {
                    let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
                    let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
                    if arguments.contains(&secret) {
                        seen.push(arguments);
                    }
                }
                looks += 1;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            (seen, looks)
        });
        for arguments in [
            &["create"][..],
            &["protect", "staging"],
            &["wait"],
            &["up"],
            &["status"],
            &["current"],
            &["history", "--verbose"],
            &["show", "a"],
            &["down"],
            &["down", "--confirm", "staging"],
            &["up"],
            &["redo", "--confirm", "staging"],
            &["stamp", "head", "--purge", "--confirm", "staging"],
            &["repair"],
            &["dump"],
            &["diff"],
            &["check"],
            &["url"],
            &["sql"],
            &["shell", "-c", "select pg_sleep(0.1)"],
            &["reset", "--confirm", "staging"],
            &["protect", "production", "--confirm", "staging"],
            &["unprotect", "--confirm", "production"],
            &["drop"],
        ] {
            let ran = xtask::run(xtask::db(case.workspace.path(), arguments).env("DATABASE_URL", &url));
            assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(&secret), "{arguments:?}: {ran:?}");
            assert!(
                matches!((ran.code, arguments), (0, _) | (5, ["down"]) | (127, ["shell", ..])),
                "{arguments:?}: {ran:?}"
            );
        }
        is_over.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(looks > 20 && seen.is_empty(), "{looks} looks: {seen:?}");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn f38_a_password_is_in_the_arguments_of_no_process() -> Outcome {
    Err(Skip("it is looked for in /proc".to_owned()))
}
