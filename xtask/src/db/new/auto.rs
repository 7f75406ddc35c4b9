//! `db new --auto`: a migration that writes itself, from what the migrations make to what is desired.

use stairwell::Inspection;
use stairwell::schema::{Catalog, Manner, Proof, Rename, Scratch, Script, Steps, Way, count_losses, likely};

use super::Auto;
use crate::context::Context;
use crate::db::guard::{self, Answer};
use crate::failure::{Code, Failure};
use crate::schema::side::Side;
use crate::schema::{Bench, impossible, same_version, without};
use crate::terminal::say;

/// The steps to what is desired; `None` if it is what the migrations make.
pub(super) fn steps(context: &Context, args: &Auto, inspection: Inspection) -> Result<Option<Steps>, Failure> {
    // Before a server is started: what cannot be read needs none.
    let desired = Side::Sql("the desired state".to_owned(), context.schema()?);
    let newest = inspection.set().head().map(|migration| migration.version);
    let migrations = Side::migrations(context, inspection, newest)?;
    let bench = Bench::of(context);
    let (old, new) = migrations.read_with(&desired, &bench)?;
    let ((old, scratch), (new, other)) = (old.made()?, new.made()?);
    same_version(&old, &new)?;
    let without = without();
    let proof = Proof::new(bench.workshop()?, &without);
    let old = proof.aligned_on(&old, &new, other)?;
    let mut work = Work { proof, scratch, current: old.clone(), new, renames: Vec::new() };
    // What is in a table goes first where it is named by the table's old name.
    let is_inner = |text: &&String| Rename::read(text, &old, &work.new).is_ok_and(|rename| rename.is_inner());
    let (inner, others): (Vec<&String>, Vec<&String>) = args.rename.iter().partition(is_inner);
    for text in inner.into_iter().chain(others) {
        let rename = Rename::read(text, &work.current, &work.new)
            .map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
        work.rename(rename)?;
    }
    work.ask()?;
    if work.current.objects == work.new.objects && work.renames.is_empty() {
        return Ok(None);
    }
    let manner = if args.online { Manner::Online } else { Manner::Plain };
    let Work { proof, mut scratch, current, new, renames } = work;
    let way = Way { old: &old, renamed: &current, new: &new, renames: &renames, manner };
    let mut steps = way.steps(&proof, &mut scratch)?.map_err(|found| impossible(&found))?;
    if let Some(flaw) = &steps.flaw
        && !args.force
    {
        return Err(Failure::new(
            Code::Failed,
            format!(
                "nothing was written, because the proof does not hold: {flaw}\n  \
                 = help: `--force` writes it with this as a comment; please report it with both schemas if you can"
            ),
        ));
    }
    let losses = steps.steps.iter_mut().filter_map(|step| step.up.as_mut()).flat_map(|up| &mut up.statements);
    if let Err(error) = count_losses(losses.flat_map(|it| &mut it.losses), &renames, &context.database()?) {
        say(&format!("note: how much of it there is was not counted: {error}"));
    }
    Ok(Some(steps))
}

/// A comparison under way.
struct Work<'a> {
    proof: Proof<'a>,
    /// What the migrations make, with what was renamed.
    scratch: Scratch,
    current: Catalog,
    new: Catalog,
    renames: Vec<Rename>,
}

impl Work<'_> {
    /// Renames, and looks at what that makes of the rest: definitions name other objects.
    fn rename(&mut self, rename: Rename) -> Result<(), Failure> {
        let Some(statement) = rename.statement(&self.current) else {
            return Err(Failure::new(Code::Usage, format!("{} cannot be renamed", rename.id())));
        };
        self.scratch.run(&Script { statements: vec![statement] })?.map_err(|failed| {
            Failure::new(Code::Failed, format!("`--rename {}` fails: {failed}", rename.spelling()))
        })?;
        let catalog = self.proof.read(&mut self.scratch)?;
        self.current = self.proof.aligned(&catalog, &self.new)?;
        self.renames.push(rename);
        Ok(())
    }

    /// Asks about what may have been renamed, or names it where nobody can be asked.
    fn ask(&mut self) -> Result<(), Failure> {
        let mut declined: Vec<Rename> = Vec::new();
        loop {
            let found = likely(&self.current, &self.new);
            // What Postgres named after a table or a column that was renamed goes with it: it holds nothing that could be lost.
            let follows = |it: &&Rename| it.follows(&self.renames);
            if let Some(rename) = found.iter().find(follows).cloned() {
                self.rename(rename)?;
                continue;
            }
            let mut open = found.into_iter().filter(|it| !declined.contains(it));
            let Some(rename) = open.next() else { return Ok(()) };
            match guard::ask(&format!("Rename {rename}? [y/N]")) {
                Answer::Said(answer) if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") => {
                    self.rename(rename)?;
                }
                Answer::Said(_) => declined.push(rename),
                Answer::NobodyToAsk(_) => {
                    for rename in std::iter::once(rename).chain(open) {
                        say(&format!(
                            "note: one goes and one like it comes; if you mean to rename {rename}: --rename '{}'",
                            rename.spelling()
                        ));
                    }
                    return Ok(());
                }
            }
        }
    }
}
