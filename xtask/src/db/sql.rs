//! `db sql`: the way from one version to another as a script for psql.

use stairwell::OutOfOrder;
use stairwell::plan::History;

use crate::context::Context;
use crate::db::up::{checked, migrator};
use crate::failure::Failure;
use crate::options::Locked;
use crate::spelling::Spelling;
use crate::terminal::print;

const HELP: &str = "\
For a database that you cannot reach, or where someone else has to run it. No connection is made: the script is for a database that \
has exactly what is here up to <FROM>, and in another it does nothing. It writes the ledger's rows as `db up` does, so both can take \
turns. Where <TO> is older than <FROM>, it goes back.

Examples:
  cargo xtask db sql                   everything, for an empty database
  cargo xtask db sql 20261121093000    from there to head
  cargo xtask db sql users:orders      from one to another; back, if orders is the older one
  cargo xtask db sql head:base         the way back, of all
  cargo xtask db sql | psql --no-psqlrc shop";

/// Print the script of an `up` or a `down`, for psql
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Where the database is, and where it is to go: versions, names, `base` or `head` [default: `base:head`]
    #[arg(value_name = "FROM[:TO]", value_parser = range)]
    range: Option<Range>,
    #[command(flatten)]
    locked: Locked,
}

/// From one version to another.
#[derive(Debug, Clone)]
struct Range {
    from: Spelling,
    to: Spelling,
}

fn range(text: &str) -> Result<Range, String> {
    let (from, to) = text.split_once(':').unwrap_or((text, ""));
    let end = |text: &str, missing| if text.trim().is_empty() { Ok(missing) } else { text.parse() };
    Ok(Range { from: end(from, Spelling::Base)?, to: end(to, Spelling::Head)? })
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let inspection = checked(context, context.lock_policy(args.locked), OutOfOrder::Refuse)?;
    let (from, to) = match &args.range {
        Some(range) => (&range.from, &range.to),
        None => (&Spelling::Base, &Spelling::Head),
    };
    let point = |end: &Spelling| end.point(inspection.set(), &History::default());
    print(migrator(&inspection).script(point(from)?, point(to)?)?)
}
