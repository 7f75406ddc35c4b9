//! What every project wants of its migrations, in a line each.

use std::fmt::Write as _;
use std::path::Path;

use super::migrations::Migrations;
use super::server::server;
use super::thread::blocking;
use crate::postgres::Ledger;
use crate::schema::{
    End, MissingRoles, Proof, RoundTrips, Source, Trying, Verdict, Without, Workshop, differences, tree,
};

/// That each migration's way back undoes it: up, down and up again, and the catalogs are the same. One that says it is `irreversible` is only run.
///
/// # Panics
///
/// If one does not, with each that does not and what is left over or missing; and where there is no server.
#[track_caller]
pub fn assert_reversible(migrations: impl Into<Migrations>) {
    let migrations = migrations.into();
    let outcome = blocking(|| reversible(&migrations));
    if let Err(why) = outcome {
        panic!("{why}");
    }
}

/// That the migrations make what a file says: the `schema.sql` that `cargo xtask db dump` writes, or any other script, or a folder of them.
///
/// # Panics
///
/// If they do not, with the differences; if either cannot be run; and where there is no server.
#[track_caller]
pub fn assert_schema(migrations: impl Into<Migrations>, schema: impl AsRef<Path>) {
    let (migrations, schema) = (migrations.into(), schema.as_ref());
    let outcome = blocking(|| same_schema(&migrations, schema));
    if let Err(why) = outcome {
        panic!("{why}");
    }
}

fn workshop() -> Result<Workshop, String> {
    let server = server().map_err(|error| error.to_string())?;
    Workshop::open(&server.admin, MissingRoles::Create).map_err(|error| error.to_string())
}

fn reversible(migrations: &Migrations) -> Result<(), String> {
    let set = migrations.set().map_err(|error| error.to_string())?;
    let (workshop, without) = (workshop()?, Without::from(&Ledger::default()));
    let (mut broken, mut tried) = (String::new(), 0);
    let note = |event: Trying<'_>| {
        if let Trying::Done(migration, verdict, _) = event {
            tried += 1;
            if let Verdict::Broken(faults) = verdict {
                for fault in faults {
                    let fault = fault.to_string();
                    let _ = write!(broken, "\n\n{}: {}", migration.id(), fault.trim_end());
                    // A statement that fails says where it stands.
                    if !fault.contains("-->") {
                        let script = migration.down.as_ref().unwrap_or(&migration.up);
                        let _ = write!(broken, "\n  --> {}", script.path());
                    }
                }
            }
        }
    };
    let end = RoundTrips::new(&set, &workshop, &without).program("stairwell tests").run(|_| true, note);
    match end.map_err(|error| error.to_string())? {
        _ if !broken.is_empty() => Err(format!("not every migration can be undone:{broken}")),
        End::Stuck(n) => Err(format!("the migrations behind number {} could not be tried", n + 1)),
        End::Head(_) => Ok(()),
    }
}

fn same_schema(migrations: &Migrations, schema: &Path) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let set = migrations.set().map_err(|error| said(&error))?;
    let (workshop, without) = (workshop()?, Without::from(&Ledger::default()));
    // None is tried: all are run.
    let end = RoundTrips::new(&set, &workshop, &without).program("stairwell tests");
    let mut failure = None;
    let end = end.run(
        |_| false,
        |event| {
            if let Trying::Done(migration, Verdict::Broken(faults), _) = event {
                failure = faults.first().map(|fault| format!("{}: {fault}", migration.id()));
            }
        },
    );
    let made = match end.map_err(|error| said(&error))? {
        End::Head(made) => made,
        End::Stuck(_) => return Err(failure.unwrap_or_default()),
    };
    let sources = Source::read(schema).map_err(|error| said(&error))?;
    let mut scratch = workshop.scratch().map_err(|error| said(&error))?;
    scratch.load(&sources).map_err(|error| said(&error))?;
    let wanted = scratch.catalog(&without).map_err(|error| said(&error))?;
    if made.objects == wanted.objects {
        return Ok(());
    }
    let aligned = Proof::new(&workshop, &without).aligned_on(&made, &wanted, scratch).map_err(|error| said(&error))?;
    let found = differences(&aligned, &wanted);
    if found.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the migrations do not make what {} says (+ is only there, - only in what the migrations make)\n\n{}\n  \
         = help: `cargo xtask db new <name> --auto` writes the migration that is missing, and `cargo xtask db dump` the file",
        schema.display(),
        tree(&found)
    ))
}
