//! `db reset`: drops the database, creates it, and applies everything.

use std::cell::RefCell;

use stairwell::postgres::Destructive;
use stairwell::{OutOfOrder, Target};

use crate::context::Context;
use crate::db::backup::Backup;
use crate::db::guard::{self, Deed};
use crate::db::losses;
use crate::db::protect;
use crate::db::recreate::{Existing, recreate};
use crate::db::up;
use crate::failure::Failure;
use crate::options::{Confirm, Locked};

const HELP: &str = "\
The files are checked first, so a broken migration costs no data. Owner, encoding and locale stay; sessions that are connected are \
ended. A database on this machine that is not marked (`db protect`) and that nobody calls production is dropped without a question. A \
mark is set again.";

/// Drop the database, create it, and apply everything
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    backup: Backup,
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
    let looked = RefCell::new(None);
    let mark = || {
        // First whether it could be made again.
        *looked.borrow_mut() = Existing::look(&database)?;
        guard::mark(&database)
    };
    let setting = || Ok(looked.borrow().as_ref().and_then(Existing::environment).map(str::to_owned));
    let mark = guard::pass(Deed::Reset, &database, args.confirm.name(), mark, setting)?;
    let existing = looked.into_inner();
    if existing.is_some() {
        args.backup.make(&database)?;
        if !database.is_loopback() {
            losses::say_recovery_point(&database);
        }
    }
    recreate(&database, existing.as_ref())?;
    if let Some(environment) = &mark {
        protect::again(&database, environment)?;
    }
    // What there was to lose is gone.
    let migrator = up::migrator(&inspection).destructive(Destructive::Allow);
    up::apply(context, &inspection, &database, policy, migrator, Target::Head)
}
