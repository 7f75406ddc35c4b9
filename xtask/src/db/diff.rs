//! `db diff`: what makes one schema of another.

mod side;

use stairwell::schema::{Catalog, Impossible, Scratch, Workshop, compare};

use self::side::{Given, Side};
use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::terminal::print;

const HELP: &str = "\
What can be compared:
  postgresql://…   a database; it is only read
  a path           a file with SQL, or a folder of such files in order of their names; loaded into a scratch database
  migrations       what the migrations of this project make
  schema           the desired state: `schema` in [workspace.metadata.stairwell], or `schema.sql` beside the migrations

Scratch databases are made on the server of the first database that is named, or else on the configured one, and are dropped \
at the end.

Examples:
  cargo xtask db diff --from schema-old.sql --to schema.sql
  cargo xtask db diff --from migrations --to postgresql://db.example/shop --sql";

/// Compare two schemas, and write the SQL that makes one of the other
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// What there is
    #[arg(long, value_name = "WHAT")]
    from: Given,
    /// What there shall be
    #[arg(long, value_name = "WHAT")]
    to: Given,
    /// Print the statements and nothing else [default]
    #[arg(long)]
    sql: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let (from, to) = (Side::of(context, &args.from)?, Side::of(context, &args.to)?);
    let script = with_workshop(context, &from, &to, |workshop| {
        let old = from.catalog(workshop)?;
        let new = to.catalog(workshop)?;
        same_version(&old, &new)?;
        compare(&old, &new).map_err(|findings| impossible(&findings))
    })?;
    print(script.to_sql())
}

/// Does something with the server on which scratch databases are made.
fn with_workshop<T>(
    context: &Context,
    from: &Side,
    to: &Side,
    work: impl FnOnce(&mut Bench) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut bench = Bench { place: side::place(context, &[from, to])?, workshop: None, made: Vec::new() };
    let outcome = work(&mut bench);
    bench.clear();
    outcome
}

/// The scratch databases of one command. The server is connected to when the first is wanted.
pub(super) struct Bench {
    place: side::Place,
    workshop: Option<Workshop>,
    made: Vec<Scratch>,
}

impl Bench {
    fn workshop(&mut self) -> Result<&mut Workshop, Failure> {
        if self.workshop.is_none() {
            self.workshop = Some(self.place.open()?);
        }
        self.workshop.as_mut().ok_or_else(|| Failure::new(Code::NoDatabase, "there is no server for scratch databases"))
    }

    fn clear(&mut self) {
        if let Some(workshop) = &mut self.workshop {
            self.made.drain(..).for_each(|scratch| workshop.discard(scratch));
        }
    }
}

/// Two versions print one definition in two ways.
fn same_version(old: &Catalog, new: &Catalog) -> Result<(), Failure> {
    if old.server == new.server {
        return Ok(());
    }
    Err(Failure::new(
        Code::Usage,
        format!(
            "the two sides are on servers of PostgreSQL {} and {}, which write one definition in two ways\n  \
             = help: compare on servers of one major version",
            old.server, new.server
        ),
    ))
}

/// All that there is no way for.
fn impossible(findings: &[Impossible]) -> Failure {
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Failure::new(Code::Failed, format!("there is no way from one schema to the other\n\n{}", text.join("\n\n")))
}
