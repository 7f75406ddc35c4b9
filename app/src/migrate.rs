//! `app migrate`: what a container does that has no Cargo.

use std::fmt::Write as _;
use std::process::ExitCode;

use stairwell::migration::Direction;
use stairwell::plan::PlanError;
use stairwell::postgres::{Destructive, Environment, Event, Migrator, Report, RunError, RunErrorKind, Standing};
use stairwell::startup::Log;
use stairwell::{MigrationSet, Target};
use tracing::{info, warn};

use crate::PROGRAM;
use crate::cli::{Code, Migrate, fail};
use crate::config::Config;

/// Does it, and waits for a server that is not there yet for as long as a start would.
pub(crate) fn run(config: &Config, set: &MigrationSet, what: Option<Migrate>) -> ExitCode {
    let migrator = migrator(set, config);
    let done = match what {
        Some(Migrate::Up { allow_destructive: true }) => up(config, migrator.destructive(Destructive::Allow)),
        None | Some(Migrate::Up { .. }) => up(config, migrator),
        Some(Migrate::Down { to, confirm }) => match target(&to) {
            Some(target) => down(config, migrator, target, confirm.as_deref()),
            None => {
                return fail(
                    Code::Usage,
                    &format!("`{to}` is no version\n  = help: `app migrate status` lists them; `base` undoes all"),
                );
            }
        },
        Some(Migrate::Status { check }) => status(config, migrator, check),
    };
    done.unwrap_or_else(|error| fail(code_of(&error), &error))
}

fn migrator<'a>(set: &'a MigrationSet, config: &Config) -> Migrator<'a> {
    let patience = config.patience;
    let mut log = Log::default();
    let log = move |event: &Event<'_>| log.event(event);
    Migrator::new(set)
        .program(PROGRAM)
        .environment(config.environment.as_deref().unwrap_or_default())
        .server_wait(patience)
        .connect_wait(patience)
        .on_event(log)
}

/// The newest migration after a run: `20261006161226`.
fn version(report: &Report) -> &str {
    report.head.as_deref().and_then(|id| id.split('_').next()).unwrap_or("none")
}

fn up(config: &Config, mut migrator: Migrator<'_>) -> Result<ExitCode, RunError> {
    info!("Running database migrations …");
    let report = migrator.up(&config.migrations, Target::Head)?;
    let version = version(&report);
    info!(applied = report.done.len(), %version, "Database migrations completed");
    Ok(ExitCode::SUCCESS)
}

fn down(
    config: &Config,
    mut migrator: Migrator<'_>,
    target: Target,
    confirm: Option<&str>,
) -> Result<ExitCode, RunError> {
    // Databases are called the same in every environment, so of one that is marked it is the environment's name.
    let mark = migrator.mark(&config.migrations)?.map(|mark| mark.environment);
    let name = mark.as_ref().map_or(config.migrations.name(), Environment::as_str);
    if confirm != Some(name) {
        return Ok(refuse(config, name));
    }
    // What was confirmed holds, where the environment says nothing of its own.
    let confirmed = mark.filter(|_| config.environment.is_none());
    let mut migrator = confirmed.into_iter().fold(migrator, Migrator::environment);
    let plan = migrator.plan(&config.migrations, Direction::Down, target)?;
    for losses in migrator.losses(&config.migrations, &plan)? {
        warn!("data is lost: {losses}");
    }
    let report = migrator.down(&config.migrations, target)?;
    let version = version(&report);
    info!(undone = report.done.len(), %version, "Database migrations undone");
    Ok(ExitCode::SUCCESS)
}

fn status(config: &Config, mut migrator: Migrator<'_>, check: bool) -> Result<ExitCode, RunError> {
    let status = migrator.status(&config.migrations)?;
    let marked = status.mark.as_ref().map(|mark| format!("  environment: {}\n", mark.environment)).unwrap_or_default();
    let (mut table, mut settled) = (format!("{}\n{marked}", config.migrations), true);
    for row in &status.rows {
        let applied = matches!(row.standing, Standing::Applied | Standing::CommentEdited);
        settled &= applied;
        let when = row.applied_at.as_deref().map(|at| format!("  {at}")).unwrap_or_default();
        let word = match row.standing {
            _ if applied => "applied",
            Standing::Pending => "pending",
            Standing::Edited => "EDITED",
            Standing::Missing => "MISSING",
            Standing::OutOfOrder => "OUT OF ORDER",
            _ => "UNFINISHED",
        };
        // Writing to a String does not fail.
        let _ = writeln!(table, "  {word:<12} {}{when}", row.id);
    }
    print!("{table}");
    Ok(if settled || !check { ExitCode::SUCCESS } else { Code::Failed.into() })
}

fn target(text: &str) -> Option<Target> {
    match text {
        "base" => Some(Target::Base),
        version => version.parse().ok().map(Target::Version),
    }
}

/// One rule wherever the database is: a container cannot be asked, and what is dropped here has data in it.
fn refuse(config: &Config, name: &str) -> ExitCode {
    let database = &config.migrations;
    fail(
        Code::Refused,
        &format!(
            "down would undo migrations of {database}, with the data in what they made\n  = help: if that is what you want: `--confirm {name}`"
        ),
    )
}

fn code_of(error: &RunError) -> Code {
    match &error.kind {
        RunErrorKind::Connect(_) => Code::NoDatabase,
        RunErrorKind::Plan(PlanError::UnknownVersion(_)) => Code::Usage,
        RunErrorKind::Environment { .. } | RunErrorKind::Destructive(_) => Code::Refused,
        _ => Code::Failed,
    }
}
