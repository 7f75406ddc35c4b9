//! Whether a script does what it says: run on a scratch database, it must give exactly the other side.

use std::cell::RefCell;
use std::fmt;

use super::catalog::{Catalog, Object};
use super::compare::{Impossible, compare};
use super::difference::{Difference, differences, tree};
use super::id::Id;
use super::read::Without;
use super::scratch::{Scratch, ScratchError, StatementFailed, Workshop};
use super::script::Script;

/// How often a catalog is printed, loaded and printed again before two prints of it count as two things.
const PRINTS: usize = 2;

/// Which script was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The way there.
    Up,
    /// The way back.
    Down,
    /// The way there again.
    UpAgain,
}

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// A statement was refused.
    Refused(Leg, StatementFailed),
    /// It runs, and what it gives differs in these: the old side is what came out, the new side what was wanted.
    Differs(Leg, Vec<Difference>),
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "the way up",
            Self::Down => "the way down",
            Self::UpAgain => "the way up, taken again",
        })
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(leg, failed) => write!(f, "{leg} fails: {failed}"),
            Self::Differs(leg, found) => {
                write!(
                    f,
                    "{leg} does not give what was asked for (- is what comes out, + what was asked for)\n\n{}",
                    tree(found)
                )
            }
        }
    }
}

/// What there is and what there shall be, with what is known of how Postgres prints them.
pub struct Proof<'a> {
    workshop: &'a Workshop,
    without: &'a Without,
    /// What [`Proof::aligned`] found to be one thing, printed twice: how the old side has it, and how the new one does.
    prints: RefCell<Vec<(Id, Object, Object)>>,
}

impl<'a> Proof<'a> {
    /// With scratch databases of this workshop.
    pub fn new(workshop: &'a Workshop, without: &'a Without) -> Self {
        Self { workshop, without, prints: RefCell::default() }
    }

    /// Runs the ways on a scratch database that has the old side: up, down and up again, or up alone. It is that side's no more then.
    pub fn prove(
        &self,
        scratch: &mut Scratch,
        (old, new): (&Catalog, &Catalog),
        up: &Script,
        down: Option<&Script>,
    ) -> Result<Result<(), Flaw>, ScratchError> {
        let mut legs = vec![(Leg::Up, up, new)];
        if let Some(down) = down {
            legs.extend([(Leg::Down, down, old), (Leg::UpAgain, up, new)]);
        }
        for (leg, script, wanted) in legs {
            if let Err(failed) = scratch.run(script)? {
                return Ok(Err(Flaw::Refused(leg, failed)));
            }
            if let Some(flaw) = self.check(scratch, leg, wanted)? {
                return Ok(Err(flaw));
            }
        }
        Ok(Ok(()))
    }

    /// Whether a scratch database has this catalog now.
    pub fn check(&self, scratch: &mut Scratch, leg: Leg, wanted: &Catalog) -> Result<Option<Flaw>, ScratchError> {
        let found = self.unprinted(&self.read(scratch)?, wanted)?;
        Ok((!found.is_empty()).then_some(Flaw::Differs(leg, found)))
    }

    /// The catalog of a scratch database, in which what is already known to be one thing is printed as on the new side.
    pub fn read(&self, scratch: &mut Scratch) -> Result<Catalog, ScratchError> {
        let mut catalog = scratch.catalog(self.without)?;
        for (id, old, new) in self.prints.borrow().iter() {
            if let Some(object) = catalog.objects.get_mut(id).filter(|object| *object == old) {
                new.clone_into(object);
            }
        }
        Ok(catalog)
    }

    /// What differs, without that which differs only in how Postgres prints it: what came out is a later print of what was wanted.
    fn unprinted(&self, outcome: &Catalog, wanted: &Catalog) -> Result<Vec<Difference>, ScratchError> {
        let mut found = differences(outcome, wanted);
        let mut print: Option<Catalog> = None;
        for _ in 0..PRINTS {
            let open: Vec<Id> = open(&found);
            if open.is_empty() {
                break;
            }
            let Some(next) = self.printed_again(print.as_ref().unwrap_or(wanted), &open)? else { break };
            found.retain(|difference| {
                !open.contains(&difference.id) || next.get(&difference.id) != outcome.get(&difference.id)
            });
            print = Some(next);
        }
        Ok(found)
    }

    /// The catalog with these as they are printed after they were loaded from their print; `None` if that cannot be done. What they do
    /// not need may be missing.
    fn printed_again(&self, catalog: &Catalog, these: &[Id]) -> Result<Option<Catalog>, ScratchError> {
        match self.copy_read(&catalog.around(these))? {
            // What is in the text of a function's body is known to nobody.
            None => self.copy_read(catalog),
            found => Ok(found),
        }
    }

    /// The catalog as it is printed after it was loaded from its print; `None` if that cannot be done.
    fn copy_read(&self, catalog: &Catalog) -> Result<Option<Catalog>, ScratchError> {
        let mut scratch = self.workshop.scratch()?;
        match self.fill(&mut scratch, catalog)? {
            Ok(()) => scratch.catalog(self.without).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Makes an empty scratch database what a catalog says.
    pub fn fill(&self, scratch: &mut Scratch, catalog: &Catalog) -> Result<Result<(), CopyFailed>, ScratchError> {
        let empty = scratch.empty_catalog(self.without)?;
        Ok(match compare(&empty, catalog) {
            Err(found) => Err(CopyFailed::Impossible(found)),
            Ok(script) => scratch.run(&script)?.map_err(CopyFailed::Refused),
        })
    }

    /// In what a copy of this catalog differs from it: where a proof on a copy fails, that may be why.
    pub fn unfaithful(&self, catalog: &Catalog) -> Result<Vec<Difference>, ScratchError> {
        let Some(copy) = self.copy_read(catalog)? else { return Ok(Vec::new()) };
        self.unprinted(&copy, catalog)
    }

    /// [`Proof::aligned`], quicker: on a scratch database that has the new side, and is that side's no more then. What the old side's
    /// print needs is mostly there, too.
    pub fn aligned_on(&self, old: &Catalog, new: &Catalog, mut scratch: Scratch) -> Result<Catalog, ScratchError> {
        let mut aligned = old.clone();
        let mut printed = new.clone();
        let open = open(&differences(old, new));
        for id in &open {
            printed.objects.extend(old.get(id).map(|object| (id.clone(), object.clone())));
        }
        if let Ok(script) = compare(new, &printed)
            && !script.is_empty()
            && scratch.run(&script)?.is_ok()
        {
            let again = scratch.catalog(self.without)?;
            for id in open.iter().filter(|id| again.get(id) == new.get(id)) {
                if let (Some(before), Some(object)) = (old.get(id), new.get(id)) {
                    self.is_one(id, before, object, &mut aligned);
                }
            }
        }
        drop(scratch);
        self.aligned(&aligned, new)
    }

    /// The old side with those objects taken from the new one that differ only in how Postgres prints them. A database that has the old
    /// side is from then on read in the same way.
    pub fn aligned(&self, old: &Catalog, new: &Catalog) -> Result<Catalog, ScratchError> {
        let mut aligned = old.clone();
        let mut open = open(&differences(old, new));
        let (mut olds, mut news) = (vec![old.clone()], vec![new.clone()]);
        for _ in 0..PRINTS {
            // The old side first: what was loaded from a file is mostly a later print than what migrations made.
            for is_old in [true, false] {
                if open.is_empty() {
                    return Ok(aligned);
                }
                let prints = if is_old { &mut olds } else { &mut news };
                let Some(next) = prints.last().map(|last| self.printed_again(last, &open)).transpose()?.flatten()
                else {
                    return Ok(aligned);
                };
                prints.push(next);
                open.retain(|id| {
                    let meets = olds.iter().any(|a| news.iter().any(|b| a.get(id).is_some() && a.get(id) == b.get(id)));
                    if meets && let (Some(before), Some(object)) = (old.get(id), new.get(id)) {
                        self.is_one(id, before, object, &mut aligned);
                    }
                    !meets
                });
            }
            // What is printed as before is not printed otherwise the next time.
            let settled = |prints: &[Catalog], id: &Id| match prints {
                [.., a, b] => a.get(id) == b.get(id),
                _ => false,
            };
            open.retain(|id| !(settled(&olds, id) && settled(&news, id)));
        }
        Ok(aligned)
    }

    /// Notes that both are one thing, printed twice.
    fn is_one(&self, id: &Id, old: &Object, new: &Object, aligned: &mut Catalog) {
        aligned.objects.insert(id.clone(), new.clone());
        self.prints.borrow_mut().push((id.clone(), old.clone(), new.clone()));
    }
}

/// What may differ only in how Postgres prints it.
fn open(found: &[Difference]) -> Vec<Id> {
    found.iter().filter(|difference| difference.may_be_the_print()).map(|difference| difference.id.clone()).collect()
}

/// Why a catalog could not be made again in an empty database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFailed {
    /// There are no statements for it.
    Impossible(Vec<Impossible>),
    /// The server refused one.
    Refused(StatementFailed),
}

impl fmt::Display for CopyFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Impossible(found) => found.iter().try_for_each(|it| writeln!(f, "{it}")),
            Self::Refused(failed) => failed.fmt(f),
        }
    }
}
