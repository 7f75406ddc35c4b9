//! `db check`: all that can be told about the migrations before they meet a database that matters.

mod cache;
mod judge;
mod report;

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stairwell::migration::Migration;
use stairwell::schema::{Catalog, End, Proof, RoundTrips, Trying, Verdict, differences, tree};
use stairwell::{Findings, Inspection};

use self::cache::Cache;
use self::report::{Finding, Outcome, Report, Row, Schema};
use crate::context::Context;
use crate::failure::{Failure, render_findings};
use crate::json;
use crate::options::{Format, Output};
use crate::schema::desired::Place;
use crate::schema::side::{Side, templates};
use crate::schema::{Bench, same_version, say_roles, without};
use crate::terminal::{color, say};

const HELP: &str = "\
For CI, and before a push. It looks at all of it, and then says what is wrong:
  * the files and their lock, as `db lock --check` does, with what the build says of them
  * every migration, on a scratch database: up, down, and up again. After the down script the
    schema must be what it was before, and at the end what the first time gave. One without a way
    back is only applied. Rows are not compared
  * the migrations that are new, as `db lint --trace` does: what would hurt a database in use
  * the desired state, if there is one (`schema.sql`): it must be what the migrations make

What was proved once is not proved again while the migration, those before it and the server's major version stay the same: \
target/stairwell/ has a note of it, which CI may keep. Scratch databases are made on the configured server, or on the project's own one; \
no other database is touched.

Examples:
  cargo xtask db check
  cargo xtask db check --all --json > check.json

Exit codes:
  0  all in order
  1  a migration cannot go up, down and up again, `db lint` denies something in it, or the desired
     state is something else
  3  only the files or their lock are not in order";

/// Check lock, ways back and `schema.sql`, for CI
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Prove also what was proved before
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let started = Instant::now();
    let mut report = Report::default();
    let inspection = context.inspect()?;
    let findings = Findings(inspection.findings.clone());
    if !findings.0.is_empty() {
        say(&format!("{}\n", render_findings(&findings, color())));
        report.findings = findings.0.iter().map(Finding::of).collect();
    }
    // Style stops nothing from being run; what else is wrong does.
    if inspection.defects().0.iter().all(|finding| finding.rule.is_style()) {
        let bench = Bench::of(context);
        let made = prove(context, args, &inspection, &bench, &mut report)?;
        judge::run(context, &inspection, &bench, &mut report)?;
        compare(context, &inspection, &bench, made, &mut report)?;
    } else {
        let all = inspection.set().migrations();
        report.migrations = all.iter().map(|migration| Row::new(migration, Outcome::NotTried)).collect();
        report.left_out.push("what the migrations do, because the files are not in order".to_owned());
    }
    report.ok = report.is_ok();
    if args.output.format() == Format::Json {
        json::print("check", &report)?;
    }
    say(&report.end(started.elapsed())?);
    Ok(())
}

/// What the migrations make, as far as that came out on the way.
enum Made {
    /// They were run, and make this.
    Known(Box<Catalog>),
    /// None had to be run.
    Unasked,
    /// They cannot all be run.
    Nothing,
}

/// Proves every migration that was not proved before.
fn prove(
    context: &Context,
    args: &Args,
    inspection: &Inspection,
    bench: &Bench,
    report: &mut Report,
) -> Result<Made, Failure> {
    let migrations = inspection.set().migrations();
    if migrations.is_empty() {
        return Ok(Made::Unasked);
    }
    let workshop = bench.workshop()?;
    let keys = cache::keys(migrations, workshop.server()?);
    let mut cache = Cache::open(context);
    cache.tidy(&keys);
    let wanted: Vec<bool> = keys.iter().map(|key| args.all || !cache.has(key)).collect();
    let index = |migration: &Migration| migrations.iter().position(|it| it.version == migration.version);
    let is_wanted = |migration: &Migration| index(migration).and_then(|n| wanted.get(n).copied()).unwrap_or(true);
    let total = wanted.iter().filter(|wanted| **wanted).count();
    report.migrations = migrations.iter().map(|it| Row::new(it, Outcome::ProvedBefore)).collect();
    let Some(first) = wanted.iter().position(|wanted| *wanted) else { return Ok(Made::Unasked) };

    let without = without();
    let steps: Vec<&Migration> = migrations.iter().take(first).collect();
    let round_trips = RoundTrips::new(inspection.set(), workshop, &without)
        .program(concat!("cargo xtask db check (stairwell ", env!("CARGO_PKG_VERSION"), ")"))
        .templates(templates(&context.key(), &steps));
    let bar = progress(total);
    let show = |text: &str| if bar.is_hidden() { say(text) } else { bar.println(text) };
    let end = round_trips.run(is_wanted, |event| match event {
        Trying::Started(migration) => bar.set_message(migration.id().to_owned()),
        Trying::Done(migration, verdict, elapsed) => {
            bar.inc(1);
            let Some(n) = index(migration) else { return };
            if let Some(row) = report.migrations.get_mut(n) {
                *row = Row::tried(migration, verdict, elapsed);
            }
            match verdict {
                Verdict::Broken(faults) => show(&report::faults(migration, faults, color())),
                Verdict::Holds | Verdict::OneWay => keys.get(n).into_iter().for_each(|key| cache.add(key)),
            }
        }
        _ => {}
    });
    bar.finish_and_clear();
    say_roles(workshop);
    Ok(match end? {
        End::Head(catalog) => Made::Known(catalog),
        End::Stuck(at) => {
            for (row, migration) in report.migrations.iter_mut().zip(migrations).skip(at + 1) {
                *row = Row::new(migration, Outcome::NotTried);
            }
            report.left_out.push("the migrations behind the one that cannot be applied".to_owned());
            Made::Nothing
        }
    })
}

/// Compares the desired state with what the migrations make.
fn compare(
    context: &Context,
    inspection: &Inspection,
    bench: &Bench,
    made: Made,
    report: &mut Report,
) -> Result<(), Failure> {
    let place = match context.desired()? {
        Place::Standard(path) if !path.exists() => return Ok(()),
        Place::Standard(path) | Place::Path(path) => path.display().to_string(),
        Place::Command(command) => format!("what `{command}` prints"),
    };
    let made = match made {
        Made::Known(catalog) => *catalog,
        Made::Unasked => {
            let newest = inspection.set().head().map(|migration| migration.version);
            Side::run(context, inspection.clone(), newest).read(bench)?.catalog
        }
        Made::Nothing => {
            report.left_out.push(format!("{place}, because the migrations cannot be applied"));
            return Ok(());
        }
    };
    let (desired, scratch) = Side::Sql(place.clone(), context.schema()?).read(bench)?.made()?;
    same_version(&made, &desired)?;
    let found = if made.objects == desired.objects {
        Vec::new()
    } else {
        let without = without();
        differences(&Proof::new(bench.workshop()?, &without).aligned_on(&made, &desired, scratch)?, &desired)
    };
    if !found.is_empty() {
        say(&format!(
            "error: {place} is not what the migrations make\n  = note: + is only in {place}, - only in what the migrations make\n  \
             = help: if it is right: `cargo xtask db new <name> --auto` writes the migration\n  \
             = help: if the migrations are right: `cargo xtask db dump` writes the file\n\n{}",
            report::indented(&tree(&found))
        ));
    }
    report.schema = Some(Schema { place, equal: found.is_empty(), differences: found });
    Ok(())
}

/// A bar on a terminal; elsewhere one line that says what takes so long.
fn progress(total: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(u64::try_from(total).ok(), ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        say(&format!("trying {}, up, down and up again", crate::db::lockfile::count(total, "migration")));
    } else if let Ok(style) = ProgressStyle::with_template("  [{bar:30}] {pos}/{len} {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
