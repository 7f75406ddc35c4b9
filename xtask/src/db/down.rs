//! `db down`: undoes, newest first.

use std::num::NonZeroUsize;

use stairwell::{Target, Version};

use crate::context::Context;
use crate::db::guard::{self, Deed};
use crate::db::up::migrator;
use crate::failure::Failure;
use crate::options::{Confirm, Patience, Single};
use crate::terminal::{Steps, say};

const HELP: &str = "\
A migration is undone by its down file; if its up file was edited since it was applied, or is not here, by the down script that the \
database kept. One that is `irreversible` stops the command before anything is undone.

Examples:
  cargo xtask db down                      the newest
  cargo xtask db down 3                    the newest three
  cargo xtask db down --to 20261121093000  back to that version, which stays
  cargo xtask db down --all                all";

/// Undo the newest migration, or more
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// How many to undo
    #[arg(default_value = "1")]
    count: NonZeroUsize,
    /// Undo what is newer than this version, which stays
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["count", "all"])]
    to: Option<Version>,
    /// Undo everything
    #[arg(long, conflicts_with = "count")]
    all: bool,
    #[command(flatten)]
    single: Single,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    confirm: Confirm,
}

impl Args {
    fn target(&self) -> Target {
        match (self.to, self.all) {
            (Some(version), _) => Target::Version(version),
            (None, true) => Target::Base,
            (None, false) => Target::Steps(self.count),
        }
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    // Lock findings do not matter here: going back is how some of them are mended.
    let inspection = context.inspect()?;
    let defects = inspection.defects();
    if !defects.0.is_empty() {
        return Err(defects.into());
    }
    let database = context.database()?;
    guard::pass(Deed::Down, &database, args.confirm.name(), || guard::mark(&database))?;
    let mut steps = Steps::new();
    let report = args
        .patience
        .of(migrator(&inspection))
        .transactions(args.single.transactions())
        .on_event(|event| steps.show(event))
        .down(&database, args.target())?;
    drop(steps);
    let at = report.head.map_or_else(|| "empty of migrations".to_owned(), |head| format!("at {head}"));
    match report.done.len() {
        0 => say(&format!("nothing to undo: {database} is {at}")),
        done => say(&format!("{done} undone: {database} is {at}")),
    }
    Ok(())
}
