//! Drift: what a live database has that the migrations applied to it do not make, and the reverse.

use serde::Serialize;
use stairwell::postgres::Database;
use stairwell::schema::{Difference, Impossible, Proof, Script, compare, differences, tree};

use super::{Args, Way, way};
use crate::context::Context;
use crate::db::up::migrator;
use crate::failure::{Code, Failure};
use crate::json;
use crate::options::Format;
use crate::schema::side::Side;
use crate::schema::{Bench, same_version, without};
use crate::terminal::{print, say};

/// What is printed as JSON.
#[derive(Serialize)]
struct Document<'a> {
    database: String,
    /// The newest migration that is applied.
    current: Option<String>,
    drift: bool,
    differences: &'a [Difference],
    /// What makes the database what the migrations make.
    to_migrations: Option<Way>,
    /// What makes of the migrations' schema what the database has.
    to_database: Option<Way>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let database = match &args.url {
        Some(url) => Database::parse(url)?.with_defaults(|name| std::env::var(name).ok())?,
        None => context.database()?,
    };
    let inspection = context.inspect()?;
    let status = migrator(&inspection).status(&database)?;
    let history = migrator(&inspection).history(&database)?;
    let applied = history.newest_applied().map(|row| row.version);
    if !status.is_at_head() {
        say(&format!("{database} is compared with the migrations up to the newest applied one: {}", status.summary()));
    }
    // The newest one here that is not newer than what is applied: the applied one's file may be gone.
    let newest = applied.and_then(|applied| {
        inspection.set().migrations().iter().rfind(|it| it.version <= applied).map(|it| it.version)
    });
    let current = newest.map(|version| version.to_string());
    let made = Side::migrations(context, inspection, newest)?;
    let bench = match &args.url {
        Some(_) => Bench::beside(context, &database),
        None => Bench::of(context),
    };
    let (made, live) = (made.read(&bench)?.catalog, Side::Database(Box::new(database.clone())).read(&bench)?.catalog);
    same_version(&made, &live)?;
    let without = without();
    let made = if made.objects == live.objects {
        made
    } else {
        Proof::new(bench.workshop()?, &without).aligned(&made, &live)?
    };
    let found = differences(&made, &live);
    let (back, forth) = (compare(&live, &made), compare(&made, &live));
    match args.output.format() {
        Format::Json => json::print(
            "diff",
            &Document {
                database: database.to_string(),
                current,
                drift: !found.is_empty(),
                differences: &found,
                to_migrations: back.as_ref().ok().map(|script| way(script, None)),
                to_database: forth.as_ref().ok().map(|script| way(script, None)),
            },
        )?,
        Format::Text if args.sql && !found.is_empty() => {
            let text =
                |found: Result<&Script, &Vec<Impossible>>| found.map_or_else(|found| no_way(found), Script::to_sql);
            print(format_args!(
                "-- What makes {database} what its migrations make. Only one of the two directions can be meant.\n\n{}\
                 -- What makes of the migrations' schema what {database} has: for a new migration.\n\n{}",
                text(back.as_ref()),
                text(forth.as_ref())
            ))?;
        }
        Format::Text => print(tree(&found))?,
    }
    if found.is_empty() {
        say(&format!("no drift: {database} has what its migrations make"));
        return Ok(());
    }
    let objects =
        if found.len() == 1 { "1 object differs".to_owned() } else { format!("{} objects differ", found.len()) };
    Err(Failure::new(
        Code::Failed,
        format!(
            "{database} has drifted from its migrations: {objects} (+ only the database has it, - only the migrations)"
        ),
    ))
}

/// What cannot be done, as a comment.
fn no_way(found: &[Impossible]) -> String {
    let lines = found.iter().map(|it| format!("no way: {it}")).collect::<Vec<_>>().join("\n");
    lines.lines().fold(String::new(), |text, line| text + "-- " + line + "\n") + "\n"
}
