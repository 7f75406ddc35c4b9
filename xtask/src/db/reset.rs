//! `db reset`: drops the database, creates it, and applies everything.

use stairwell::{OutOfOrder, Target};

use crate::cli::Reset;
use crate::context::Context;
use crate::db::guard::{self, Deed};
use crate::db::recreate::{Existing, recreate};
use crate::db::up;
use crate::failure::Failure;

pub(super) fn run(context: &Context, args: &Reset) -> Result<(), Failure> {
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
