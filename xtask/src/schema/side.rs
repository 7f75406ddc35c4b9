//! The two sides of a comparison: what a person may name, and how its catalog is come by.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;

use stairwell::migration::Migration;
use stairwell::postgres::{Database, RunErrorKind};
use stairwell::schema::{Catalog, Scratch, Source, Templates};
use stairwell::{Checksum, Inspection, Target, Version};

use super::{Bench, Keeps, say_roles, without};
use crate::context::Context;
use crate::db::migrator;
use crate::failure::{Code, Failure};

/// What a person named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    Url(String),
    Path(PathBuf),
    Migrations,
    Schema,
}

impl FromStr for Given {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "migrations" => Self::Migrations,
            "schema" => Self::Schema,
            url if url.contains("://") => Self::Url(url.to_owned()),
            path => Self::Path(path.into()),
        })
    }
}

/// A side that can be read.
pub(crate) enum Side {
    /// A database as it is.
    Database(Box<Database>),
    /// What files make; how a person calls them.
    Sql(String, Vec<Source>),
    /// What migrations make, all or up to one.
    Migrations(Box<Migrations>),
}

/// Migrations that are to be run.
pub(crate) struct Migrations {
    inspection: Inspection,
    /// The newest to run; `None` for none at all.
    newest: Option<Version>,
    /// Tells the project from others of its server.
    project: String,
}

/// The catalog of a side, and the scratch database that has it, if one was made.
pub(crate) struct Read {
    pub(crate) catalog: Catalog,
    pub(crate) scratch: Option<Scratch>,
}

impl Read {
    /// The catalog and the scratch database of a side that was made.
    pub(crate) fn made(self) -> Result<(Catalog, Scratch), Failure> {
        match self.scratch {
            Some(scratch) => Ok((self.catalog, scratch)),
            None => Err(Failure::new(Code::Usage, "a database that is there already is no scratch database")),
        }
    }
}

/// The order in which two sides are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It may be out of reach, which is soon known.
    Database,
    /// They have to run, and may make roles that files name.
    Migrations,
    /// Loading takes longest: what else is wanted is made meanwhile.
    Files,
    /// Migrations that a template has.
    Copy,
}

impl Side {
    /// Of what a person named.
    pub(crate) fn of(context: &Context, given: &Given) -> Result<Self, Failure> {
        Ok(match given {
            Given::Url(url) => {
                Self::Database(Box::new(Database::parse(url)?.with_defaults(|name| std::env::var(name).ok())?))
            }
            Given::Path(path) => Self::Sql(path.display().to_string(), Source::read(path)?),
            Given::Migrations => {
                let inspection = context.inspect()?;
                let newest = inspection.set().head().map(|migration| migration.version);
                Self::migrations(context, inspection, newest)?
            }
            Given::Schema => Self::Sql("the desired state".to_owned(), context.schema()?),
        })
    }

    /// The migrations up to this one, of files that are in order.
    pub(crate) fn migrations(
        context: &Context,
        inspection: Inspection,
        newest: Option<Version>,
    ) -> Result<Self, Failure> {
        let defects = inspection.defects();
        if !defects.0.is_empty() {
            return Err(defects.into());
        }
        Ok(Self::run(context, inspection, newest))
    }

    /// The same of files that need not be in order, as long as they can be run.
    pub(crate) fn run(context: &Context, inspection: Inspection, newest: Option<Version>) -> Self {
        Self::Migrations(Box::new(Migrations { inspection, newest, project: context.key() }))
    }

    /// The database, where it is one.
    pub(crate) fn database(&self) -> Option<&Database> {
        match self {
            Self::Database(database) => Some(database),
            _ => None,
        }
    }

    /// Its catalog and that of another side, each while the other is read or made, as far as that can be.
    pub(crate) fn read_with(&self, other: &Self, bench: &Bench<'_>) -> Result<(Read, Read), Failure> {
        if let (Self::Database(_), Self::Database(there)) = (self, other) {
            return thread::scope(|scope| {
                let new = scope.spawn(|| Catalog::of(there, &without()));
                let old = self.read(bench)?;
                let ended = |_| Failure::new(Code::Failed, "reading a catalog ended unexpectedly");
                Ok((old, Read { catalog: new.join().map_err(ended)??, scratch: None }))
            });
        }
        let other_first = other.turn(bench)? < self.turn(bench)?;
        let (first, second) = if other_first { (other, self) } else { (self, other) };
        first.ahead(bench)?;
        second.ahead(bench)?;
        let (first, second) = (first.read(bench)?, second.read(bench)?);
        Ok(if other_first { (second, first) } else { (first, second) })
    }

    /// Which of two sides is read first.
    fn turn(&self, bench: &Bench<'_>) -> Result<Turn, Failure> {
        Ok(match self {
            Self::Database(_) => Turn::Database,
            Self::Sql(..) => Turn::Files,
            Self::Migrations(migrations) if migrations.templates().are_complete(bench.workshop()?)? => Turn::Copy,
            Self::Migrations(_) => Turn::Migrations,
        })
    }

    /// Begins to make the scratch database that it will be read from, if there will be one.
    fn ahead(&self, bench: &Bench<'_>) -> Result<(), Failure> {
        match self {
            Self::Database(_) => {}
            Self::Sql(..) => bench.workshop()?.ahead(),
            Self::Migrations(migrations) => migrations.templates().ahead(bench.workshop()?)?,
        }
        Ok(())
    }

    /// Its catalog, read or made.
    pub(crate) fn read(&self, bench: &Bench<'_>) -> Result<Read, Failure> {
        match self {
            Self::Database(database) => Ok(Read { catalog: Catalog::of(database, &without())?, scratch: None }),
            Self::Sql(_, sources) => {
                let workshop = bench.workshop()?;
                let mut scratch = workshop.scratch()?;
                let outcome = scratch.load(sources);
                say_roles(workshop);
                outcome?;
                Ok(Read { catalog: scratch.catalog(&without())?, scratch: Some(scratch) })
            }
            Self::Migrations(migrations) => {
                let mut scratch = migrations.run(bench)?;
                Ok(Read { catalog: scratch.catalog(&without())?, scratch: Some(scratch) })
            }
        }
    }
}

impl Migrations {
    fn steps(&self) -> Vec<&Migration> {
        let migrations = self.inspection.set().migrations().iter();
        migrations.filter(|it| self.newest.is_some_and(|newest| it.version <= newest)).collect()
    }

    fn templates(&self) -> Templates {
        templates(&self.project, &self.steps())
    }

    /// A scratch database with what they make.
    fn run(&self, bench: &Bench<'_>) -> Result<Scratch, Failure> {
        let workshop = bench.workshop()?;
        let templates = self.templates();
        let (mut scratch, done) = templates.longest(workshop)?;
        let Some(newest) = self.newest.filter(|_| done < self.steps().len()) else { return Ok(scratch) };
        loop {
            let outcome = migrator(&self.inspection).up(scratch.database(), Target::Version(newest));
            let Err(error) = outcome else { break };
            let made = match &error.kind {
                RunErrorKind::Script(failure) => match failure.missing_role() {
                    Some(role) => workshop.make_role(role)?,
                    None => false,
                },
                _ => false,
            };
            if !made {
                return Err(error.into());
            }
        }
        say_roles(workshop);
        if bench.keeps()? == Keeps::Templates {
            templates.keep(workshop, &mut scratch)?;
        }
        Ok(scratch)
    }
}

/// The templates of a project for these migrations, which are its first.
pub(crate) fn templates(project: &str, migrations: &[&Migration]) -> Templates {
    let digest = |it: &&Migration| Checksum::of(format!("{} {}", it.id(), it.up.checksum()));
    Templates::new(project, &migrations.iter().map(digest).collect::<Vec<_>>())
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(database) => database.fmt(f),
            Self::Sql(name, _) => f.write_str(name),
            Self::Migrations(_) => f.write_str("the migrations"),
        }
    }
}
