//! Whether each migration's way back undoes its way up: on a scratch database it goes up, down and up again.

use std::fmt;
use std::time::{Duration, Instant};

use super::catalog::Catalog;
use super::difference::{Difference, differences, tree};
use super::proof::{Leg, Proof};
use super::read::Without;
use super::scratch::{Scratch, ScratchError, Workshop};
use super::template::Templates;
use crate::migration::{Direction, Migration, Mode};
use crate::plan::{OutOfOrder, Target};
use crate::postgres::{Destructive, Migrator, RunError, RunErrorKind};
use crate::set::MigrationSet;

/// So many migrations are run again quicker than a database is copied.
const FEW: usize = 16;

/// Tries the migrations of a set, each from what those before it make.
pub struct RoundTrips<'a> {
    set: &'a MigrationSet,
    workshop: &'a Workshop,
    without: &'a Without,
    program: String,
    templates: Option<Templates>,
}

/// What came of trying one.
#[derive(Debug)]
pub enum Verdict {
    /// The way back undoes it, and it can be taken again.
    Holds,
    /// It runs, and has no way back.
    OneWay,
    /// These are wrong with it.
    Broken(Vec<Fault>),
}

/// Something that is wrong with a migration.
#[derive(Debug)]
pub enum Fault {
    /// A script failed.
    Failed(Leg, Box<RunError>),
    /// What is there after it is not what was there: for the way down, the old side is what was there before the migration; for the way
    /// up taken again, what the first time made. The new side is what came out.
    Differs(Leg, Vec<Difference>),
}

/// What happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum Trying<'a> {
    /// Migrations that need not be tried are run, because others stand on them: so many.
    Preparing(usize),
    /// This one is tried now.
    Started(&'a Migration),
    /// This one was tried, in this time.
    Done(&'a Migration, &'a Verdict, Duration),
}

/// Where it came to.
#[derive(Debug)]
pub enum End {
    /// All migrations ran; this is what they make.
    Head(Box<Catalog>),
    /// This many ran, and the next one does not: those behind it could not be tried.
    Stuck(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(leg, error) => write!(f, "{leg} fails: {error}"),
            Self::Differs(Leg::Down, found) => {
                write!(f, "the way down does not undo it (+ stays behind, - is not brought back)\n\n{}", tree(found))
            }
            Self::Differs(leg, found) => {
                write!(f, "{leg} gives something else (- is only of the first time, + only of this)\n\n{}", tree(found))
            }
        }
    }
}

impl<'a> RoundTrips<'a> {
    /// Of this set, with scratch databases of this workshop.
    pub fn new(set: &'a MigrationSet, workshop: &'a Workshop, without: &'a Without) -> Self {
        Self {
            set,
            workshop,
            without,
            program: concat!("stairwell ", env!("CARGO_PKG_VERSION")).to_owned(),
            templates: None,
        }
    }

    /// What the ledgers of the scratch databases name as the program.
    #[must_use]
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }

    /// Copies of what the first migrations made, so that these are not run again. They must be of those before the first that is
    /// to be tried, as they are; what these make is kept, if they are many.
    #[must_use]
    pub fn templates(mut self, templates: Templates) -> Self {
        self.templates = Some(templates);
        self
    }

    /// Tries those of which `wanted` says so, oldest first. One whose way back is broken does not keep the next from being tried.
    pub fn run(
        &self,
        wanted: impl Fn(&Migration) -> bool,
        mut on: impl FnMut(Trying<'_>),
    ) -> Result<End, ScratchError> {
        let migrations = self.set.migrations();
        let mut walk = Walk::begin(self)?;
        let copied = walk.applied;
        for (n, migration) in migrations.iter().enumerate().filter(|(_, migration)| wanted(migration)) {
            if let Some((stuck, error)) = walk.advance(n, &mut on)? {
                return Ok(self.stuck(stuck, error, &mut on));
            }
            // Before it has gone down for the first time.
            if n - copied.min(n) > FEW
                && !walk.went_down
                && let Some(templates) = &self.templates
            {
                templates.keep(self.workshop, &mut walk.scratch)?;
            }
            on(Trying::Started(migration));
            let started = Instant::now();
            let verdict = walk.try_out(n)?;
            on(Trying::Done(migration, &verdict, started.elapsed()));
            if walk.applied <= n {
                return Ok(End::Stuck(n));
            }
        }
        if let Some((stuck, error)) = walk.advance(migrations.len(), &mut on)? {
            return Ok(self.stuck(stuck, error, &mut on));
        }
        Ok(End::Head(Box::new(walk.catalog()?)))
    }

    /// One that was only to be run does not.
    fn stuck(&self, n: usize, error: Box<RunError>, on: &mut impl FnMut(Trying<'_>)) -> End {
        if let Some(migration) = self.set.migrations().get(n) {
            let verdict = Verdict::Broken(vec![Fault::Failed(Leg::Up, error)]);
            on(Trying::Done(migration, &verdict, Duration::ZERO));
        }
        End::Stuck(n)
    }

    /// What is tried.
    pub(super) fn set(&self) -> &MigrationSet {
        self.set
    }

    /// A database with the first so many migrations or fewer, and how many these are.
    pub(super) fn database(&self) -> Result<(Scratch, usize), ScratchError> {
        match &self.templates {
            Some(templates) => templates.longest(self.workshop),
            None => Ok((self.workshop.scratch()?, 0)),
        }
    }

    /// Goes up or down to this target. A role that is missing is made, where that is allowed.
    pub(super) fn go(
        &self,
        scratch: &Scratch,
        direction: Direction,
        to: Target,
    ) -> Result<Result<(), Box<RunError>>, ScratchError> {
        loop {
            let mut migrator = Migrator::new(self.set)
                .program(&self.program)
                .out_of_order(OutOfOrder::Allow)
                // A scratch database has nothing that anybody would miss.
                .destructive(Destructive::Allow);
            let outcome = match direction {
                Direction::Up => migrator.up(scratch.database(), to),
                Direction::Down => migrator.down(scratch.database(), to),
            };
            let Err(error) = outcome else { return Ok(Ok(())) };
            match &error.kind {
                RunErrorKind::Connect(error) => return Err(error.clone().into()),
                RunErrorKind::Script(failure) => match failure.missing_role() {
                    Some(role) if self.workshop.make_role(role)? => {}
                    _ => return Ok(Err(Box::new(error))),
                },
                _ => return Ok(Err(Box::new(error))),
            }
        }
    }
}

/// A scratch database on its way through the migrations.
struct Walk<'a, 'b> {
    of: &'b RoundTrips<'a>,
    scratch: Scratch,
    /// How many migrations it has.
    applied: usize,
    /// Its catalog, where that is known.
    here: Option<Catalog>,
    /// Whether it has gone down since it was made: rows may be gone that a later migration counts on.
    went_down: bool,
    /// A copy to go on from when a way down has left a mess, and how many migrations it has.
    copy: Option<(Scratch, usize)>,
}

impl<'a, 'b> Walk<'a, 'b> {
    fn begin(of: &'b RoundTrips<'a>) -> Result<Self, ScratchError> {
        let (scratch, applied) = of.database()?;
        Ok(Self { of, scratch, applied, here: None, went_down: false, copy: None })
    }

    /// What the database has.
    fn catalog(&mut self) -> Result<Catalog, ScratchError> {
        match self.here.take() {
            Some(catalog) => Ok(catalog),
            None => self.scratch.catalog(self.of.without),
        }
    }

    /// Goes up until it has so many. Gives the index of the one that fails, and why.
    fn advance(
        &mut self,
        to: usize,
        on: &mut impl FnMut(Trying<'_>),
    ) -> Result<Option<(usize, Box<RunError>)>, ScratchError> {
        if to <= self.applied {
            return Ok(None);
        }
        on(Trying::Preparing(to - self.applied));
        let Err(mut error) = self.up_to(to)? else { return Ok(None) };
        if self.went_down {
            // On a database that never went down it may be different.
            match self.again(to)? {
                Ok(()) => return Ok(None),
                Err(fresh) => error = fresh,
            }
        }
        let id = match &error.kind {
            RunErrorKind::Script(failure) => Some(failure.id().to_owned()),
            _ => None,
        };
        let at = self.of.set.migrations().iter().position(|migration| Some(migration.id()) == id.as_deref());
        Ok(Some((at.unwrap_or(self.applied), error)))
    }

    fn up_to(&mut self, to: usize) -> Result<Result<(), Box<RunError>>, ScratchError> {
        let Some(newest) = to.checked_sub(1).and_then(|n| self.of.set.migrations().get(n)) else { return Ok(Ok(())) };
        if to <= self.applied {
            return Ok(Ok(()));
        }
        self.here = None;
        let outcome = self.of.go(&self.scratch, Direction::Up, Target::Version(newest.version))?;
        if outcome.is_ok() {
            self.applied = to;
        }
        Ok(outcome)
    }

    /// Takes another database, with so many migrations that never went down.
    fn again(&mut self, to: usize) -> Result<Result<(), Box<RunError>>, ScratchError> {
        let (scratch, applied) = match &self.copy {
            Some((copy, applied)) if *applied <= to => (self.of.workshop.scratch_of(copy.name())?, *applied),
            _ => self.of.database()?,
        };
        (self.scratch, self.applied, self.here, self.went_down) = (scratch, applied, None, false);
        let outcome = self.up_to(to)?;
        if outcome.is_ok() && to - applied > FEW {
            self.scratch.disconnect();
            self.copy = Some((self.of.workshop.scratch_of(self.scratch.name())?, to));
        }
        Ok(outcome)
    }

    /// Tries the migration of this index; all before it are there. Then it is there, too, unless it cannot be applied.
    fn try_out(&mut self, n: usize) -> Result<Verdict, ScratchError> {
        let Some(migration) = self.of.set.migrations().get(n) else { return Ok(Verdict::Holds) };
        let before = match &migration.down {
            Some(_) => Some(self.catalog()?),
            None => None,
        };
        if let Err(error) = self.up_to(n + 1)? {
            let error = if self.went_down { self.again(n + 1)?.err() } else { Some(error) };
            if let Some(error) = error {
                return Ok(Verdict::Broken(vec![Fault::Failed(Leg::Up, error)]));
            }
        }
        let (Some(before), Some(down)) = (before, &migration.down) else { return Ok(Verdict::OneWay) };
        let first = self.catalog()?;
        self.went_down = true;
        let mut faults = Vec::new();
        let previous = n.checked_sub(1).and_then(|n| self.of.set.migrations().get(n));
        let back = previous.map_or(Target::Base, |previous| Target::Version(previous.version));
        let mess = if let Err(error) = self.of.go(&self.scratch, Direction::Down, back)? {
            faults.push(Fault::Failed(Leg::Down, error));
            // What failed in a transaction has left nothing.
            down.mode() == Mode::Statements
        } else {
            self.applied = n;
            let after = self.catalog()?;
            self.compare(Leg::Down, &before, &after, &mut faults)?;
            if let Err(error) = self.up_to(n + 1)? {
                faults.push(Fault::Failed(Leg::UpAgain, error));
                true
            } else {
                let again = self.catalog()?;
                self.compare(Leg::UpAgain, &first, &again, &mut faults)?
            }
        };
        if mess && let Err(error) = self.again(n + 1)? {
            faults.push(Fault::Failed(Leg::Up, error));
        } else {
            self.here = Some(first);
        }
        Ok(if faults.is_empty() { Verdict::Holds } else { Verdict::Broken(faults) })
    }

    /// Notes what differs; says whether anything does.
    fn compare(&self, leg: Leg, old: &Catalog, new: &Catalog, faults: &mut Vec<Fault>) -> Result<bool, ScratchError> {
        if old.objects == new.objects {
            return Ok(false);
        }
        let old = Proof::new(self.of.workshop, self.of.without).aligned(old, new)?;
        let found = differences(&old, new);
        let differs = !found.is_empty();
        if differs {
            faults.push(Fault::Differs(leg, found));
        }
        Ok(differs)
    }
}
