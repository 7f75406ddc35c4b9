//! Databases that keep what many migrations made, so that the next comparison runs only what is new.

use super::quote::{ident, literal};
use super::scratch::{Scratch, ScratchError, Workshop, server};
use crate::checksum::Checksum;

/// What their names begin with; 8 and 16 hexadecimal digits follow: the project's key, and the digest of what was run.
const PREFIX: &str = "stairwell_template_";

/// What their comments begin with. A database without it is not ours, whatever its name.
const MARK: &str = "stairwell keeps what migrations made here";

/// How many a project keeps on a server: that of today, and of a few branches.
const KEPT: usize = 4;

/// The first key of the advisory lock under which a project's templates are made and removed.
const LOCK: u32 = 0x5741_6c6c;

/// The templates of one project, for a set of migrations.
#[derive(Debug, Clone)]
pub struct Templates {
    project: String,
    /// For each number of migrations from the first, from 1, the name of the template that has them.
    names: Vec<String>,
}

impl Templates {
    /// `project` tells projects of one server from each other: eight hexadecimal digits. `migrations` are the digests of the scripts, in
    /// order.
    pub fn new(project: &str, migrations: &[Checksum]) -> Self {
        let mut seen = String::new();
        let names = migrations.iter().map(|migration| {
            seen = Checksum::of(format!("{seen} {migration}")).to_string();
            format!("{PREFIX}{project}_{}", seen.get(..16).unwrap_or_default())
        });
        Self { names: names.collect(), project: project.to_owned() }
    }

    /// A database with as many of the migrations as any template has, and how many these are.
    pub fn longest(&self, workshop: &Workshop) -> Result<(Scratch, usize), ScratchError> {
        if let Some((n, name)) = self.best(workshop)?
            // Somebody may have removed it meanwhile, or look into it.
            && let Ok(scratch) = workshop.scratch_of(name)
        {
            return Ok((scratch, n + 1));
        }
        Ok((workshop.scratch()?, 0))
    }

    /// Begins to make it, as [`Workshop::ahead`] does.
    pub fn ahead(&self, workshop: &Workshop) -> Result<(), ScratchError> {
        match self.best(workshop)? {
            Some((_, name)) => workshop.ahead_of(name),
            None => workshop.ahead(),
        }
        Ok(())
    }

    /// Whether a template has all of the migrations.
    pub fn are_complete(&self, workshop: &Workshop) -> Result<bool, ScratchError> {
        Ok(self.best(workshop)?.is_some_and(|(last, _)| last + 1 == self.names.len()))
    }

    /// The template with the most migrations, and the index of the last of them.
    fn best(&self, workshop: &Workshop) -> Result<Option<(usize, &String)>, ScratchError> {
        let there = self.there(workshop)?;
        Ok(self.names.iter().enumerate().rev().find(|(_, name)| there.contains(name)))
    }

    /// Keeps this database, which has all of the migrations, as a template, and removes the oldest of those that are too many. It is only
    /// a matter of speed, so a server that does not want to is left alone.
    pub fn keep(&self, workshop: &Workshop, scratch: &mut Scratch) -> Result<(), ScratchError> {
        let Some(name) = self.names.last() else { return Ok(()) };
        // A database that is copied has no connections.
        scratch.disconnect();
        self.alone(workshop, "lock")?;
        let outcome = self.make(workshop, scratch, name);
        self.alone(workshop, "unlock")?;
        outcome
    }

    fn make(&self, workshop: &Workshop, scratch: &Scratch, name: &str) -> Result<(), ScratchError> {
        let there = self.there(workshop)?;
        if there.iter().any(|it| it == name) {
            return Ok(());
        }
        let comment = format!("{MARK}, to be quick; remove it when you like, and it is made again when it is wanted");
        // Under a name that the next workshop removes, until its comment stands.
        let Ok(copy) = workshop.scratch_of(scratch.name()) else { return Ok(()) };
        let mut keeper = workshop.keeper();
        for statement in [
            format!("COMMENT ON DATABASE {} IS {}", ident(copy.name()), literal(&comment)),
            format!("ALTER DATABASE {} RENAME TO {}", ident(copy.name()), ident(name)),
        ] {
            keeper.session.send(&statement).map_err(|failed| server(&failed))?;
        }
        let most = there.len().saturating_sub(KEPT - 1);
        for old in there.iter().take(most) {
            keeper.drop_database(old);
        }
        // `copy` finds nothing to drop under its own name.
        drop(keeper);
        Ok(())
    }

    /// This project's templates, the oldest first.
    fn there(&self, workshop: &Workshop) -> Result<Vec<String>, ScratchError> {
        let rows = workshop
            .keeper()
            .session
            .send(&format!(
                "SELECT datname FROM pg_database WHERE datname ~ '^{PREFIX}{}_[0-9a-f]{{16}}$' AND pg_has_role(datdba, 'USAGE')
                     AND starts_with(shobj_description(oid, 'pg_database'), {}) ORDER BY oid",
                self.project,
                literal(MARK)
            ))
            .map_err(|failed| server(&failed))?;
        Ok(rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect())
    }

    fn alone(&self, workshop: &Workshop, verb: &str) -> Result<(), ScratchError> {
        let key = u32::from_str_radix(&self.project, 16).unwrap_or_default().cast_signed();
        let call = format!("SELECT pg_advisory_{verb}({}, {key})", LOCK.cast_signed());
        workshop.keeper().session.send(&call).map(drop).map_err(|failed| server(&failed))
    }
}
