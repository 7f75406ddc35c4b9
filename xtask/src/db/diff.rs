//! `db diff`: what differs between two schemas, and the SQL that makes one of the other.

mod drift;

use serde::Serialize;
use stairwell::schema::{Catalog, Difference, Proof, Script, compare, differences, tree};

use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::json;
use crate::options::{Format, Output};
use crate::schema::side::{Given, Read, Side};
use crate::schema::{Bench, impossible, same_version, without};
use crate::terminal::{print, say};

const HELP: &str = "\
With --from and --to it prints the SQL that makes of the first what the second is. Each is one of
  postgresql://…   a database, which is only read
  a path           a file with SQL, or a folder of such files in the order of their names
  migrations       what this project's migrations make
  schema           the desired state: what `schema` in [workspace.metadata.stairwell] names, or
                   `schema.sql` beside the migrations

Before the SQL is printed it is proved: run on a scratch database that has the first schema, it must give exactly the second. If it \
does not, what differs is printed on standard error, and no SQL.

Without --from and --to it shows drift: what a live database has that the migrations applied to it do not make, and the reverse.

Scratch databases are made on the server of the database that is named first, otherwise on the configured one, and dropped at the end.

Examples:
  cargo xtask db diff                                    drift of the configured database
  cargo xtask db diff postgresql://db.example/shop --sql the same of another one, as SQL
  cargo xtask db diff --from migrations --to schema      what `db new --auto` would write
  cargo xtask db diff --from old.sql --to new.sql > change.sql

Exit codes:
  0  done; without --from and --to: no drift
  1  there is drift; with --exit-code, the two differ; there is no way from one to the other;
     or the proof does not hold";

/// Compare two schemas, or look for drift
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// For drift: the database to look at [default: the configured one]
    #[arg(value_name = "URL", conflicts_with_all = ["from", "to"])]
    url: Option<String>,
    /// What there is: a URL, a path, `migrations` or `schema`
    #[arg(long, value_name = "WHAT", requires = "to")]
    from: Option<Given>,
    /// What there shall be: a URL, a path, `migrations` or `schema`
    #[arg(long, value_name = "WHAT", requires = "from")]
    to: Option<Given>,
    /// Print SQL, which --from and --to do anyway
    #[arg(long, conflicts_with = "json")]
    sql: bool,
    #[command(flatten)]
    output: Output,
    /// End with 1 if the two differ, as drift does anyway
    #[arg(long)]
    exit_code: bool,
    /// Print the SQL even if the proof does not hold, with what differs as a comment
    #[arg(long)]
    force: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Document<'a> {
    from: String,
    to: String,
    equal: bool,
    differences: &'a [Difference],
    #[serde(flatten)]
    way: Way,
}

/// The SQL from one side to the other.
#[derive(Serialize)]
struct Way {
    parts: Vec<Part>,
    losses: Vec<String>,
    /// What the proof found wrong.
    flaw: Option<String>,
}

#[derive(Serialize)]
struct Part {
    in_transaction: bool,
    sql: String,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    match (&args.from, &args.to) {
        (Some(from), Some(to)) => pair(context, args, from, to),
        _ => drift::run(context, args),
    }
}

fn pair(context: &Context, args: &Args, from: &Given, to: &Given) -> Result<(), Failure> {
    let (from, to) = (Side::of(context, from)?, Side::of(context, to)?);
    let bench = match from.database().or(to.database()) {
        Some(database) => Bench::beside(context, database),
        None => Bench::of(context),
    };
    let (mut old, new) = from.read_with(&to, &bench)?;
    same_version(&old.catalog, &new.catalog)?;
    if old.catalog.objects == new.catalog.objects {
        return end(args, &from, &to, &[], &Script::default(), None);
    }
    let proven = prove(&bench, &mut old, &new.catalog)?;
    if let Some(flaw) = &proven.flaw
        && !args.force
    {
        return Err(flaw.failure());
    }
    end(args, &from, &to, &differences(&proven.old, &new.catalog), &proven.script, proven.flaw.as_ref())
}

/// A script and what its proof found.
struct Proven {
    /// The old side, without what differs only in how Postgres prints it.
    old: Catalog,
    script: Script,
    flaw: Option<Flaw>,
}

/// What a proof found wrong.
struct Flaw(String);

impl Flaw {
    fn failure(&self) -> Failure {
        Failure::new(
            Code::Failed,
            format!(
                "the SQL was not printed, because its proof does not hold: {}\n  \
                 = help: `--force` prints it with this as a comment; please report it with both schemas if you can",
                self.0
            ),
        )
    }
}

/// The script from the one side to the other, run on a scratch database that has the first.
fn prove(bench: &Bench<'_>, old: &mut Read, new: &Catalog) -> Result<Proven, Failure> {
    let without = without();
    // Before a server is asked for anything: what cannot be done needs none.
    compare(&old.catalog, new).map_err(|found| impossible(&found))?;
    let workshop = bench.workshop()?;
    let proof = Proof::new(workshop, &without);
    let aligned = proof.aligned(&old.catalog, new)?;
    let script = compare(&aligned, new).map_err(|found| impossible(&found))?;
    if script.is_empty() {
        return Ok(Proven { old: aligned, script, flaw: None });
    }
    let is_copy = old.scratch.is_none();
    let mut scratch = if let Some(scratch) = old.scratch.take() {
        scratch
    } else {
        let mut scratch = workshop.scratch()?;
        if let Err(failed) = proof.fill(&mut scratch, &old.catalog)? {
            let flaw = Flaw(format!("the first schema cannot be made again in a scratch database: {failed}"));
            return Ok(Proven { old: aligned, script, flaw: Some(flaw) });
        }
        scratch
    };
    let Err(flaw) = proof.prove(&mut scratch, (&aligned, new), &script, None)? else {
        return Ok(Proven { old: aligned, script, flaw: None });
    };
    let mut flaw = flaw.to_string();
    if is_copy {
        let lost = proof.unfaithful(&old.catalog)?;
        if !lost.is_empty() {
            let tree = tree(&lost);
            flaw = format!(
                "{flaw}\n\nThe scratch database that it ran on was no true copy of the first schema (- is the copy's):\n\n{tree}"
            );
        }
    }
    Ok(Proven { old: aligned, script, flaw: Some(Flaw(flaw)) })
}

/// Prints what was found.
fn end(
    args: &Args,
    from: &Side,
    to: &Side,
    found: &[Difference],
    script: &Script,
    flaw: Option<&Flaw>,
) -> Result<(), Failure> {
    match args.output.format() {
        Format::Json => json::print(
            "diff",
            &Document {
                from: from.to_string(),
                to: to.to_string(),
                equal: found.is_empty(),
                differences: found,
                way: way(script, flaw),
            },
        )?,
        Format::Text => print(format_args!("{}{}", flaw.map(comment).unwrap_or_default(), script.to_sql()))?,
    }
    if flaw.is_some() {
        say("warning: the proof does not hold; the comment at the top says what differs");
    }
    if args.exit_code && !found.is_empty() {
        return Err(Failure::new(Code::Failed, format!("{from} and {to} differ")));
    }
    Ok(())
}

fn way(script: &Script, flaw: Option<&Flaw>) -> Way {
    let part = |part: stairwell::schema::Part| Part { in_transaction: part.transactional, sql: part.to_sql() };
    Way {
        parts: script.parts().into_iter().map(part).collect(),
        losses: script.losses().map(ToString::to_string).collect(),
        flaw: flaw.map(|flaw| flaw.0.clone()),
    }
}

/// What the proof found, for the top of the SQL.
fn comment(flaw: &Flaw) -> String {
    let text = format!("THE PROOF DOES NOT HOLD: {}", flaw.0);
    text.lines().map(|line| format!("-- {line}").trim_end().to_owned() + "\n").collect::<String>() + "\n"
}
