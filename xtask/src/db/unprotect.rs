//! `db unprotect`: takes the mark of `db protect` away.

use stairwell::MigrationSet;
use stairwell::postgres::Migrator;

use crate::context::Context;
use crate::db::guard::{self, Deed};
use crate::failure::Failure;
use crate::options::ConfirmMark;
use crate::terminal::say;

const HELP: &str = "\
It wants the environment's name itself. What else guards a database goes on doing so: that it is on another machine, or is production by \
STAIRWELL_ENV or its setting `stairwell.environment`. To mark it as another environment, `db protect` is enough.

Exit codes: 0 not marked any more, or it was not; 1 the server refused; 4 no connection to the server; 5 not confirmed.";

/// Take the mark of `db protect` from the database
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    confirm: ConfirmMark,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let database = context.database()?;
    let Some(mark) = guard::mark(&database)? else {
        // Also where there is no such database: that is said by whoever connects to it.
        database.connect()?;
        say(&format!("{database} is not marked"));
        return Ok(());
    };
    let known = Some(mark.clone());
    guard::pass(Deed::Unprotect, &database, args.confirm.name(), || Ok(known), || Ok(None))?;
    Migrator::new(&MigrationSet::default()).unprotect(&database, &mark.environment)?;
    say(&format!("{database} is not marked as `{}` any more", mark.environment));
    Ok(())
}
