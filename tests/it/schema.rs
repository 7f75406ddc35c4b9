//! The law of the schema comparison: the way up gives exactly the new side, the way down exactly the old one.
//!
//! On random schemas: `PROPTEST_CASES=2000 cargo test --test it -- schema::random` runs more and others than the usual 50. On the pairs of schemas
//! that other projects test themselves with: `PAIRS=1 cargo test --test it -- schema::pairs` takes each, and not every 40th.

mod cases;
mod everything;
mod pairs;
mod random;

use stairwell::schema::{Catalog, Proof, Without, Workshop, compare};

/// What came of a pair.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The proof holds.
    Holds,
    /// There is no way, and the comparison said so.
    Refused(String),
}

/// Compares both ways, and proves it on scratch databases. Fails with what does not hold, and with the way up.
fn law(workshop: &Workshop, old: &Catalog, new: &Catalog) -> Result<Verdict, String> {
    let without = Without::default();
    let proof = Proof::new(workshop, &without);
    let scratch_error = |error: stairwell::schema::ScratchError| error.to_string();
    let aligned = proof.aligned(old, new).map_err(scratch_error)?;
    let (up, down) = match (compare(&aligned, new), compare(new, &aligned)) {
        (Ok(up), Ok(down)) => (up, down),
        (Err(found), _) | (_, Err(found)) => {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            return Ok(Verdict::Refused(found.join("\n")));
        }
    };
    let mut scratch = workshop.scratch().map_err(scratch_error)?;
    if let Err(why) = proof.fill(&mut scratch, old).map_err(scratch_error)? {
        return Err(format!("the old side cannot be made of its catalog: {why}"));
    }
    if let Some(flaw) = proof.check(&mut scratch, stairwell::schema::Leg::Up, old).map_err(scratch_error)? {
        return Err(format!("the old side, made of its catalog, is another one: {flaw}"));
    }
    match proof.prove(&mut scratch, (old, new), &up, Some(&down)).map_err(scratch_error)? {
        Ok(()) => Ok(Verdict::Holds),
        Err(flaw) => Err(format!("{flaw}\n-- up:\n{}\n-- down:\n{}", up.to_sql(), down.to_sql())),
    }
}

/// All trials of these modules.
pub(crate) fn add(trials: &mut Vec<libtest_mimic::Trial>) {
    cases::add(trials);
    everything::add(trials);
    pairs::add(trials);
    random::add(trials);
}
