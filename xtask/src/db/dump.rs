//! `db dump`: the schema as a file, from the migrations.

use std::fs;
use std::path::{Path, PathBuf};

use similar::TextDiff;
use stairwell::Checksum;
use stairwell::schema::{DUMP_MARK, DumpError, dump};

use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::schema::desired::Place;
use crate::schema::side::{Given, Side};
use crate::schema::{Bench, impossible, without};
use crate::terminal::{print, say};

const HELP: &str = "\
The file loads into an empty database with psql and gives the schema that the migrations make; that is tried before it is written, and \
otherwise nothing is written. It says the same for the same schema, so a review sees what a migration changes: commit it. The ledger, \
roles and rows are not in it.

It is also what `cargo xtask db new --auto` takes as desired: change it, let that write the migration, and dump again. Edits that are in \
no migration and not in git are not written over without --force, nor is a file that `db dump` did not write.

Examples:
  cargo xtask db dump                                     after a migration was added or changed
  cargo xtask db dump --check                             in CI; `db check` compares as well, by meaning
  cargo xtask db dump --from postgresql://db.example/shop --output shop.sql

Exit codes:
  0  written, or up to date
  1  with --check: the file is not what would be written. Or it cannot be written so that it gives the same schema
  5  the file is not one that may be written over";

/// Write `schema.sql` from the migrations
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// What to write; `-` prints it [default: what `schema` in [workspace.metadata.stairwell] names, or `schema.sql` beside the
    /// migrations]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to take it from: `migrations`, a URL, or a path
    #[arg(long, value_name = "WHAT", default_value = "migrations")]
    from: Given,
    /// Change nothing; end with 1 if the file is not what would be written, and show the difference
    #[arg(long)]
    check: bool,
    /// Write over whatever is there
    #[arg(long, conflicts_with = "check")]
    force: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let path = match &args.output {
        Some(path) => path.clone(),
        None => desired(context)?,
    };
    let printed = path == Path::new("-");
    let there = if printed { None } else { read(&path)? };
    if let Some(there) = &there
        && !args.check
        && !args.force
    {
        may_be_replaced(context, &path, there)?;
    }
    let side = Side::of(context, &args.from)?;
    let bench = match side.database() {
        Some(database) => Bench::beside(context, database),
        None => Bench::of(context),
    };
    let catalog = side.read(&bench)?.catalog;
    let workshop = bench.workshop()?;
    let server = workshop.server()?;
    if server != catalog.server {
        return Err(Failure::new(
            Code::Usage,
            format!(
                "it is on a server of PostgreSQL {}, and what is written could only be tried on one of PostgreSQL {server}\n  \
                 = help: name a server of the same major version with `--database-url`, where databases may be made",
                catalog.server
            ),
        ));
    }
    let text = dump(&catalog, workshop, &without()).map_err(failure)?;
    if printed {
        return print(&text);
    }
    let shown = path.display();
    if there.as_deref() == Some(text.as_str()) {
        say(&format!("{shown} is up to date"));
    } else if args.check {
        return Err(stale(&path, there.as_deref().unwrap_or_default(), &text));
    } else {
        write(&path, &text)?;
        say(&format!("wrote {shown}"));
    }
    if !args.check
        && let Some(memory) = context.cache(MEMORY)
    {
        // Only to tell an edit later; git tells it, too.
        let _ = fs::create_dir_all(memory.parent().unwrap_or(Path::new("")));
        let _ = fs::write(memory, Checksum::of(&text).to_string());
    }
    Ok(())
}

/// The file in which the digest of the last dump is kept.
const MEMORY: &str = "dump";

/// The file that is the desired state.
fn desired(context: &Context) -> Result<PathBuf, Failure> {
    let refuse = |what: String| {
        Err(Failure::new(
            Code::Usage,
            format!(
                "the desired state is {what}, which cannot be written over\n  = help: name a file: `--output <FILE>`"
            ),
        ))
    };
    match context.desired()? {
        Place::Command(command) => refuse(format!("what the command `{command}` prints")),
        Place::Path(path) if path.is_dir() => refuse(format!("the files of the folder `{}`", path.display())),
        Place::Path(path) | Place::Standard(path) => Ok(path),
    }
}

/// The text of a file, with LF line ends, if it is there.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(Code::Files, format!("cannot read `{}`: {error}", path.display()))),
    }
}

/// Nobody's work is written over that is nowhere else.
fn may_be_replaced(context: &Context, path: &Path, there: &str) -> Result<(), Failure> {
    let shown = path.display();
    if there.trim().is_empty() {
        return Ok(());
    }
    if !there.starts_with(DUMP_MARK) {
        return Err(Failure::new(
            Code::Refused,
            format!(
                "`{shown}` was not written by `cargo xtask db dump`, and is left as it is\n  \
                 = help: `--force` writes over it; `--output <FILE>` writes another file"
            ),
        ));
    }
    let last = context.cache(MEMORY).and_then(|memory| fs::read_to_string(memory).ok());
    let kept = match Context::committed(path) {
        Some(committed) => String::from_utf8_lossy(&committed).replace("\r\n", "\n") == there,
        // Where there is neither git nor a note, nothing can be told.
        None => last.is_none() && context.committed_lock().is_none(),
    };
    if kept || last.is_some_and(|digest| digest == Checksum::of(there).to_string()) {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format!(
            "`{shown}` was edited after `cargo xtask db dump` wrote it, and git does not have the edits\n  \
             = help: `cargo xtask db new <name> --auto` makes a migration of them\n  \
             = help: `--force` writes over them; or commit them first"
        ),
    ))
}

/// What differs, as text.
fn stale(path: &Path, there: &str, text: &str) -> Failure {
    let shown = path.display().to_string();
    let diff = TextDiff::from_lines(there, text);
    let diff = diff.unified_diff().context_radius(3).header(&shown, "what would be written").to_string();
    Failure::new(
        Code::Failed,
        format!(
            "`{shown}` is not what would be written\n  = help: `cargo xtask db dump` writes it\n\n{}",
            diff.trim_end()
        ),
    )
}

/// Writes it beside and renames it, so that no one ever reads half of it.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(|error| {
        // What could not be renamed is of no use.
        let _ = fs::remove_file(&beside);
        Failure::new(Code::Files, format!("cannot write `{}`: {error}", path.display()))
    })
}

fn failure(error: DumpError) -> Failure {
    match error {
        DumpError::Scratch(error) => error.into(),
        DumpError::Text(error) => error.into(),
        DumpError::Impossible(found) => impossible(&found),
        other => Failure::new(
            Code::Failed,
            format!(
                "nothing was written: {other}\n  = help: this is a defect of stairwell; please report it with the schema if you can"
            ),
        ),
    }
}
