//! Whether the baseline makes what the migrations make, on scratch databases, by the same runner and the same files as everywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use stairwell::lock::{LOCK_FILE, Lock};
use stairwell::migration::Migration;
use stairwell::postgres::{Database, RunError};
use stairwell::schema::{Catalog, Grantee, Proof, Scratch, Without, differences, tree};
use stairwell::{Inspection, Target};

use super::baseline::Baseline;
use super::data::Data;
use crate::context::Context;
use crate::db::migrator;
use crate::failure::{Code, Failure};
use crate::schema::side::Side;
use crate::schema::{Bench, without};
use crate::terminal::say;

/// Makes the baseline of these migrations, and proves it.
pub(super) fn prove(
    context: &Context,
    bench: &Bench<'_>,
    inspection: &Inspection,
    id: &str,
    squashed: &[Migration],
) -> Result<Baseline, Failure> {
    let Some(newest) = squashed.last().map(|migration| migration.version) else {
        return Err(Failure::new(Code::Usage, "there is nothing to squash"));
    };
    let workshop = bench.workshop()?;
    let old = Side::migrations(context, inspection.clone(), Some(newest))?.read(bench)?;
    let Some(mut one) = old.scratch else {
        return Err(Failure::new(Code::Failed, "there is no scratch database with what the migrations make"));
    };
    let mut other = workshop.scratch()?;
    let empty = other.catalog(&without())?;
    let data = Data::read(one.database())?;
    let baseline = Baseline::of(id, squashed, (&empty, &old.catalog), &data)?;
    say_roles(&old.catalog);
    let candidate = Candidate::write(inspection, &baseline, squashed)?;
    let new = candidate.inspect()?;
    let without = without();
    let judge = Judge { proof: Proof::new(workshop, &without), without: &without };
    let up = |database: &Database, target| migrator(&new).up(database, target).map(drop);

    // A fresh database has what the migrations made; undone, it is empty; and it can be made again.
    up(other.database(), Target::Version(newest)).map_err(|error| failed("the baseline", error))?;
    judge.same("the baseline", &old.catalog, &mut other)?;
    same_data(&data, other.database())?;
    if baseline.down.is_some() {
        migrator(&new)
            .down(other.database(), Target::Base)
            .map_err(|error| failed("the baseline's way back", error))?;
        judge.same("the baseline's way back", &empty, &mut other)?;
        up(other.database(), Target::Version(newest)).map_err(|error| failed("the baseline, a second time,", error))?;
        judge.same("the baseline, a second time,", &old.catalog, &mut other)?;
        same_data(&data, other.database())?;
    }
    // What comes after it runs on both, also where the ledger has the old rows.
    up(one.database(), Target::Head).map_err(|error| failed("a database that is past the baseline", error))?;
    up(other.database(), Target::Head).map_err(|error| failed("what comes after the baseline", error))?;
    let head = one.catalog(&without)?;
    judge.same("what comes after the baseline", &head, &mut other)?;
    Ok(baseline)
}

/// Compares catalogs, but for how Postgres prints them.
struct Judge<'a> {
    proof: Proof<'a>,
    without: &'a Without,
}

impl Judge<'_> {
    fn same(&self, what: &str, wanted: &Catalog, scratch: &mut Scratch) -> Result<(), Failure> {
        let outcome = scratch.catalog(self.without)?;
        let outcome = self.proof.aligned(&outcome, wanted)?;
        let found = differences(&outcome, wanted);
        if !found.is_empty() {
            return Err(flawed(format!(
                "{what} does not give what the migrations give (- is what comes out, + what they give)\n\n{}",
                tree(&found)
            )));
        }
        let moved = wanted.positions.iter().find(|(id, position)| outcome.positions.get(id) != Some(position));
        match moved {
            Some((column, _)) => {
                Err(flawed(format!("{what} does not give columns in the order in which they were: {column}")))
            }
            None => Ok(()),
        }
    }
}

fn same_data(wanted: &Data, database: &Database) -> Result<(), Failure> {
    match wanted.difference(&Data::read(database)?) {
        Some(what) => Err(flawed(format!("the baseline does not bring back what the migrations left: {what}"))),
        None => Ok(()),
    }
}

fn flawed(message: String) -> Failure {
    Failure::new(
        Code::Failed,
        format!(
            "the proof does not hold, and nothing was changed: {message}\n  = help: squash up to an older migration; and please report this, as it is a defect of stairwell"
        ),
    )
}

fn failed(what: &str, error: RunError) -> Failure {
    Failure::new(
        Code::Failed,
        format!(
            "the proof does not hold, and nothing was changed: {what} fails on a scratch database\n\n{}",
            Failure::from(error).message()
        ),
    )
}

/// Roles belong to the server, and no migration that was squashed makes them any more.
fn say_roles(catalog: &Catalog) {
    let granted = catalog.objects.values().flat_map(|object| object.grants.iter().flatten()).filter_map(|grant| {
        match &grant.grantee {
            Grantee::Role(name) => Some(name.clone()),
            _ => None,
        }
    });
    let owners = catalog.objects.values().filter_map(|object| object.owner.clone());
    // Roles that every server has.
    let needed: BTreeSet<String> = granted.chain(owners).filter(|role| !role.starts_with("pg_")).collect();
    if !needed.is_empty() {
        let needed: Vec<String> = needed.iter().map(|role| format!("`{role}`")).collect();
        say(&format!(
            "note: the baseline names {}, and makes no roles, since they belong to the whole server: a new server needs them first",
            needed.join(", ")
        ));
    }
}

/// A folder as it would be after the squash.
struct Candidate(PathBuf);

impl Candidate {
    fn write(inspection: &Inspection, baseline: &Baseline, squashed: &[Migration]) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("stairwell-squash-{}", std::process::id()));
        let error = |error| {
            Failure::new(Code::Files, format!("cannot write the scratch folder `{}`: {error}", folder.display()))
        };
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(error)?;
        let candidate = Self(folder.clone());
        let rest = inspection.set().migrations().get(squashed.len()..).unwrap_or_default();
        let scripts = rest.iter().flat_map(Migration::scripts).map(|script| (script.file().to_owned(), script.text()));
        for (file, text) in scripts.chain(baseline.files()) {
            fs::write(folder.join(file), text).map_err(error)?;
        }
        // What is locked already is not asked for style.
        let lock = Lock::of(rest).to_string();
        fs::write(folder.join(LOCK_FILE), lock).map_err(error)?;
        Ok(candidate)
    }

    /// Reads it, as the app's build does.
    fn inspect(&self) -> Result<Inspection, Failure> {
        let inspection = stairwell::inspect(&self.0)?;
        let defects = inspection.defects();
        if defects.0.is_empty() {
            return Ok(inspection);
        }
        Err(flawed(format!("the baseline is no good migration\n\n{defects}")))
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
