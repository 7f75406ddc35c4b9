//! From a comparison to migrations: the ways there and back, step by step, proved while they are made.

use super::catalog::Catalog;
use super::compare::{Impossible, Manner, compare, compare_in};
use super::difference::{Difference, differences};
use super::proof::{Flaw, Leg, Proof};
use super::rename::Rename;
use super::scratch::{Scratch, ScratchError};
use super::script::{Part, Script};
use super::statement::Statement;

/// What one migration does.
#[derive(Debug, Clone)]
pub struct Step {
    /// The way there; `None` where it is only there for its way back, which takes more transactions than the way there.
    pub up: Option<Part>,
    /// The way back.
    pub down: Back,
    /// What was renamed.
    pub renames: Vec<Rename>,
    /// What else it changes.
    pub differences: Vec<Difference>,
}

/// The way back of a step.
#[derive(Debug, Clone)]
pub enum Back {
    /// These.
    Part(Part),
    /// There is none, because of these.
    Impossible(Vec<Impossible>),
}

/// The steps from one schema to another.
#[derive(Debug, Clone)]
pub struct Steps {
    /// They, in order.
    pub steps: Vec<Step>,
    /// What their proof found, if it does not hold.
    pub flaw: Option<Flaw>,
}

/// Two sides, and what is known of the way between them.
pub struct Way<'a> {
    /// The old side.
    pub old: &'a Catalog,
    /// The old side after the renames.
    pub renamed: &'a Catalog,
    /// The new side.
    pub new: &'a Catalog,
    /// What is renamed, in order.
    pub renames: &'a [Rename],
    /// What the way there is made for.
    pub manner: Manner,
}

impl Way<'_> {
    /// Makes the steps, and proves them on a scratch database in which nothing but the renames has been done: there, back, and there again.
    ///
    /// Fails with all that there is no way for.
    pub fn steps(
        &self,
        proof: &Proof<'_>,
        scratch: &mut Scratch,
    ) -> Result<Result<Steps, Vec<Impossible>>, ScratchError> {
        let script = match compare_in(self.renamed, self.new, self.manner) {
            Ok(script) => script,
            Err(found) => return Ok(Err(found)),
        };
        let parts = script.parts();
        let mut steps: Vec<Step> = Vec::new();
        let mut before = self.renamed.clone();
        for (n, part) in parts.iter().enumerate() {
            if let Err(failed) = scratch.run(&of(part))? {
                // What comes behind it is not tried, and kept for who wants the files nevertheless.
                steps.extend(parts.iter().skip(n).map(|part| one_way(part.clone())));
                let flaw = Some(Flaw::Refused(Leg::Up, failed));
                return Ok(Ok(Steps { steps: self.with_renames(steps), flaw }));
            }
            // After the last one it has to be the new side; the proof says whether.
            let after = if n + 1 == parts.len() { self.new.clone() } else { proof.read(scratch)? };
            steps.extend(step(part.clone(), &before, &after, self.manner));
            before = after;
        }
        let steps = self.with_renames(steps);
        let flaw = self.prove(proof, scratch, &steps)?;
        Ok(Ok(Steps { steps, flaw }))
    }

    /// Puts the renames first, and last on the way back.
    fn with_renames(&self, mut steps: Vec<Step>) -> Vec<Step> {
        if self.renames.is_empty() {
            return steps;
        }
        let there = self.statements(self.renames.iter().cloned());
        let back = self.statements(self.renames.iter().rev().map(Rename::reversed));
        let joins = steps.first().is_some_and(|step| {
            let is = |part: &Part| part.transactional;
            let free = |part: &Part| part.statements.iter().all(|statement| statement.fresh.is_none());
            step.up.as_ref().is_some_and(|part| is(part) && free(part))
                && matches!(&step.down, Back::Part(part) if is(part) && free(part))
        });
        if let Some(step) = steps.first_mut().filter(|_| joins) {
            if let Some(up) = &mut step.up {
                up.statements.splice(0..0, there);
            }
            if let Back::Part(down) = &mut step.down {
                down.statements.extend(back);
            }
            self.renames.clone_into(&mut step.renames);
        } else {
            let part = |statements| Part { statements, transactional: true };
            let step = Step {
                up: Some(part(there)),
                down: Back::Part(part(back)),
                renames: self.renames.to_vec(),
                differences: Vec::new(),
            };
            steps.insert(0, step);
        }
        steps
    }

    fn statements(&self, renames: impl Iterator<Item = Rename>) -> Vec<Statement> {
        renames.filter_map(|it| it.statement(self.renamed).or_else(|| it.statement(self.old))).collect()
    }

    fn prove(&self, proof: &Proof<'_>, scratch: &mut Scratch, steps: &[Step]) -> Result<Option<Flaw>, ScratchError> {
        if let Some(flaw) = proof.check(scratch, Leg::Up, self.new)? {
            return Ok(Some(flaw));
        }
        let mut downs = Vec::new();
        for step in steps.iter().rev() {
            match &step.down {
                Back::Part(part) => downs.push(of(part)),
                // Behind a step without a way back nothing is undone.
                Back::Impossible(_) => return Ok(None),
            }
        }
        let ups: Vec<Script> = steps.iter().filter_map(|step| step.up.as_ref().map(of)).collect();
        for (leg, scripts, wanted) in [(Leg::Down, &downs, self.old), (Leg::UpAgain, &ups, self.new)] {
            for script in scripts {
                if let Err(failed) = scratch.run(script)? {
                    return Ok(Some(Flaw::Refused(leg, failed)));
                }
            }
            if let Some(flaw) = proof.check(scratch, leg, wanted)? {
                return Ok(Some(flaw));
            }
        }
        Ok(None)
    }
}

/// A part without its way back.
fn one_way(part: Part) -> Step {
    let down = Back::Part(Part { statements: Vec::new(), transactional: true });
    Step { up: Some(part), down, renames: Vec::new(), differences: Vec::new() }
}

/// A part as a script.
fn of(part: &Part) -> Script {
    Script { statements: part.statements.clone() }
}

/// What makes of one state the next, and back. Where the way back takes several transactions, each but the last is the way back of a
/// migration of its own, which has no way there.
fn step(up: Part, before: &Catalog, after: &Catalog, manner: Manner) -> Vec<Step> {
    let found = differences(before, after);
    let step = |up, down, differences| Step { up, down, renames: Vec::new(), differences };
    // Back as it came, where that is one step, too.
    let as_it_came = compare_in(after, before, manner).ok().filter(|script| script.parts().len() <= 1);
    match as_it_came.map_or_else(|| compare(after, before), Ok) {
        Err(impossible) => vec![step(Some(up), Back::Impossible(impossible), found)],
        Ok(script) => {
            let mut downs = script.parts();
            let last = downs.pop().unwrap_or(Part { statements: Vec::new(), transactional: true });
            let mut steps = vec![step(Some(up), Back::Part(last), found)];
            steps.extend(downs.into_iter().rev().map(|part| step(None, Back::Part(part), Vec::new())));
            steps
        }
    }
}
