//! `db reset`: drops the database, creates it, and applies everything.

use stairwell::{OutOfOrder, Target};

use crate::context::Context;
use crate::db::guard::{self, Deed};
use crate::db::recreate::{Existing, recreate};
use crate::db::up;
use crate::failure::Failure;
use crate::options::{Confirm, Locked};

const HELP: &str = "\
The files are checked first, so a broken migration costs no data. Owner, encoding and locale stay; sessions that are connected are \
ended. A database on this machine that nobody calls production is dropped without a question.";

/// Drop the database, create it, and apply everything
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    confirm: Confirm,
    #[command(flatten)]
    locked: Locked,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let policy = context.lock_policy(args.locked);
    // First of all: a set that cannot be applied must not cost anyone a database.
    let inspection = up::checked(context, policy, OutOfOrder::Refuse)?;
    let database = context.database()?;
    let mut looked = None;
    guard::pass(Deed::Reset, &database, args.confirm.name(), || {
        let existing = looked.insert(Existing::look(&database)?);
        Ok(existing.as_ref().and_then(Existing::environment).map(str::to_owned))
    })?;
    let existing = match looked {
        Some(existing) => existing,
        None => Existing::look(&database)?,
    };
    recreate(&database, existing.as_ref())?;
    up::apply(context, &inspection, &database, policy, up::migrator(&inspection), Target::Head)
}
