//! Databases with something wrong about them, which can be put right.

use stairwell::startup::Cause;

use crate::commands::case::{A, B, Case};
use crate::harness::Skip;
use crate::harness::app::command;
use crate::harness::database::TestDatabase;
use crate::harness::files::Workspace;
use crate::harness::proxy::Refusal;

/// Something is wrong with a database, and can be put right.
pub(super) struct Trouble {
    pub(super) url: String,
    /// What health and log say of it.
    pub(super) words: &'static str,
    pub(super) cause: Cause,
    /// How an app ends that does not serve because of it.
    pub(super) code: i32,
    pub(super) workspace: Workspace,
    pub(super) mend: Box<dyn FnMut()>,
}

pub(super) type Make = fn() -> Result<Trouble, Skip>;

pub(super) const TROUBLES: [(&str, Make); 7] = [
    ("a missing database", missing_database),
    ("a wrong password", wrong_password),
    ("no server", no_server),
    ("a server that starts", starting_server),
    ("a read-only database", read_only),
    ("a script that fails", failing_script),
    ("an edited migration", edited),
];

fn missing_database() -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    let (name, other) = (database.database().name().to_owned(), format!("{}_later", database.database().name()));
    let url = database.url().replace(&name, &other);
    let clone = TestDatabase::from_template("template0")?;
    Ok(Trouble {
        url,
        words: "does not exist",
        cause: Cause::Permanent,
        code: 4,
        workspace: Workspace::with(&[A, B]),
        // Under the name that was missing; the clone's own is free then.
        mend: Box::new(move || {
            let rename = format!("ALTER DATABASE \"{}\" RENAME TO \"{other}\"", clone.database().name());
            database.client().batch_execute(&rename).unwrap();
        }),
    })
}

/// What a server says, as long as it is told to.
fn refused(sqlstate: &'static str, message: &'static str, cause: Cause) -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    let refusal = Refusal { sqlstate, message };
    let proxy = database.proxy().refuse_first(u64::MAX, refusal).start().unwrap();
    Ok(Trouble {
        url: database.url_through(&proxy),
        words: message,
        cause,
        code: 4,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || {
            let _ = &database;
            proxy.refuse(0, Refusal { sqlstate, message });
        }),
    })
}

fn wrong_password() -> Result<Trouble, Skip> {
    refused("28P01", "password authentication failed for user \"u\"", Cause::Permanent)
}

fn starting_server() -> Result<Trouble, Skip> {
    refused("57P03", "the database system is starting up", Cause::Transient)
}

pub(super) fn no_server() -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    let proxy = database.proxy().start().unwrap();
    proxy.close();
    Ok(Trouble {
        url: database.url_through(&proxy),
        words: "cannot connect to the database",
        cause: Cause::Transient,
        code: 4,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || {
            let _ = &database;
            proxy.open().unwrap();
        }),
    })
}

fn read_only() -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    let name = database.database().name().to_owned();
    let alter = move |database: &TestDatabase, what: &str| {
        let mut client = database.client();
        client.batch_execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE").unwrap();
        client.batch_execute(&format!("ALTER DATABASE \"{name}\" {what}")).unwrap();
    };
    alter(&database, "SET default_transaction_read_only = on");
    Ok(Trouble {
        url: database.url().to_owned(),
        words: "is read-only by default",
        cause: Cause::Permanent,
        code: 1,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || alter(&database, "RESET default_transaction_read_only")),
    })
}

pub(super) fn failing_script() -> Result<Trouble, Skip> {
    let database = TestDatabase::new()?;
    database.client().batch_execute("CREATE TABLE b (taken int)").unwrap();
    Ok(Trouble {
        url: database.url().to_owned(),
        words: "relation \"b\" already exists",
        cause: Cause::Permanent,
        code: 1,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || database.client().batch_execute("DROP TABLE b").unwrap()),
    })
}

fn edited() -> Result<Trouble, Skip> {
    let case = Case::applied(&[A])?;
    let database = case.database;
    let was = database.ask("SELECT fingerprint FROM stairwell.ledger");
    let set = |to: &str| format!("UPDATE stairwell.ledger SET checksum = '{to}', fingerprint = '{to}'");
    database.client().batch_execute(&set(&"0".repeat(64))).unwrap();
    let mend = set(&was);
    Ok(Trouble {
        url: database.url().to_owned(),
        words: "was edited after it was applied",
        cause: Cause::Permanent,
        code: 1,
        workspace: Workspace::with(&[A, B]),
        mend: Box::new(move || database.client().batch_execute(&mend).unwrap()),
    })
}

/// The app with this trouble and this policy, not yet started.
pub(super) fn app(trouble: &Trouble, on_failure: &str) -> std::process::Command {
    let mut command = command(Some(&trouble.workspace.migrations()), &trouble.url, &[]);
    // What may pass is not waited for here, and what is tried again is tried soon.
    command.env("STAIRWELL_ON_FAILURE", on_failure).env("STAIRWELL_WAIT", "0").env("STAIRWELL_RETRY", "1");
    command
}
