//! `db down`: undoes, newest first.

use crate::cli::Down;
use crate::context::Context;
use crate::db::guard::{self, Deed};
use crate::db::up::migrator;
use crate::failure::Failure;
use crate::terminal::{Steps, say};

pub(super) fn run(context: &Context, args: &Down) -> Result<(), Failure> {
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
