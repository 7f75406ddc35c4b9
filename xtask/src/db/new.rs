//! `db new`: an up and a down file, ready to edit or, with `--auto`, ready.

mod auto;
mod files;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use stairwell::migration::{Direction, file_name};
use stairwell::schema::{Back, Part, Steps};
use stairwell::{Inspection, Version};

use crate::context::Context;
use crate::failure::{Code, Failure};
use crate::terminal::{print, say};

const HELP: &str = "\
With --auto both are written by comparing what the migrations make with the desired state: what `schema` in \
[workspace.metadata.stairwell] names (a file, a folder, or `{ command = \"…\" }` that prints it), or `schema.sql` beside the \
migrations. They are proved on a scratch database before they are written: up, down and up again must give exactly the one and \
the other schema. What cannot share a transaction becomes several migrations. What takes data away is marked `destructive`, with how \
many rows of the configured database lose something.

The version is the UTC time, and later than the newest there is. Nothing is overwritten.

The script runs in one transaction with its row in the ledger. In the comments at its top, one a line:
  -- stairwell: no-transaction            one statement that cannot run in a transaction, such as
                                          CREATE INDEX CONCURRENTLY
  -- stairwell: irreversible <reason>     there is no way back; delete the down file
  -- stairwell: destructive <reason>      it drops or overwrites data knowingly; without
                                          this, an up script that does so is refused
  -- stairwell: lock-timeout <duration>   how long a statement may wait for a lock, such as 30s
  -- stairwell: allow <rule> <reason>     silences a rule in this script: `empty`,
                                          `session-state`, `enum-value-used`, `opaque-sql`, or
                                          one of `cargo xtask db lint --rules`";

/// Write a new migration: an up and a down file, ready to edit
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP, override_usage = "cargo xtask db new [OPTIONS] <NAME>")]
pub(crate) struct Args {
    /// What it does, like `add_phone_to_users`; anything but letters and digits becomes `_`
    #[arg(required_unless_present = "message")]
    name: Option<String>,
    /// The same, as `alembic revision -m` has it
    #[arg(short, long, value_name = "NAME", hide = true, conflicts_with = "name")]
    message: Option<String>,
    #[command(flatten)]
    auto: Auto,
}

/// A migration that writes itself.
#[derive(Debug, clap::Args)]
struct Auto {
    /// Write what is missing between the migrations and the desired state, and prove it
    #[arg(long = "auto", id = "auto")]
    asked: bool,
    /// With --auto: what is not dropped and made, but has a new name: `users:accounts`, `public.users.phone:mobile` (a column,
    /// constraint, trigger, …), `mood.ok:fine` (a value of an enum). May be given several times; in a terminal it is asked about
    #[arg(long, value_name = "OLD:NEW", requires = "auto")]
    rename: Vec<String>,
    /// With --auto: write what a table in use needs, in several migrations: constraints NOT VALID and validated later, indexes
    /// CONCURRENTLY
    #[arg(long, requires = "auto")]
    online: bool,
    /// With --auto: write it even if the proof does not hold, with what differs as a comment
    #[arg(long, requires = "auto")]
    force: bool,
}

/// The longest name that is made, in bytes: it leaves room for version and ending in the 200 that a file's name may have.
const LONGEST: usize = 150;

/// The part of a file's name that says what the migration does, of any text; `None` if nothing is left of it.
pub(super) fn slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.truncate(LONGEST);
    let slug = slug.trim_end_matches('_');
    (!slug.is_empty()).then(|| slug.to_owned())
}

/// The version of a migration that is made at this time: the time, or one more than the newest if that is later.
pub(super) fn next_version(now: Timestamp, newest: Option<Version>) -> Result<Version, Failure> {
    let now: u64 = now.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string().parse().unwrap_or(1);
    let number = newest.map_or(now, |newest| now.max(newest.get().saturating_add(1)));
    Version::new(number).map_err(|error| {
        Failure::new(
            Code::Files,
            format!(
                "there is no version left behind {}: {error}\n  = help: give the newest migration a smaller one",
                number - 1
            ),
        )
    })
}

/// The newest version that any file or the lock has, also in files that are otherwise broken.
pub(super) fn newest(folder: &Path, inspection: Option<&Inspection>) -> Option<Version> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_files = files.filter_map(|entry| Some(file_name(entry.file_name().to_str()?).ok()?.version));
    let of_lock =
        inspection.and_then(|i| i.lock.as_ref()).into_iter().flat_map(|lock| lock.entries().iter().map(|e| e.version));
    of_files.chain(of_lock).max()
}

fn template(id: &str, direction: Direction) -> String {
    match direction {
        Direction::Up => format!(
            "-- {id}\n--\n-- Why:\n--\n-- It runs in one transaction with its ledger row; do not write BEGIN or COMMIT.\n\n"
        ),
        Direction::Down => format!("-- Undoes {id}.\n--\n-- What is lost:\n\n"),
    }
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let folder = context.folder();
    let asked = args.name.as_deref().or(args.message.as_deref()).unwrap_or_default();
    let name = slug(asked).ok_or_else(|| {
        Failure::new(
            Code::Usage,
            format!("`{}` has no letter or digit (a to z, 0 to 9) to make a name of", asked.escape_debug()),
        )
    })?;
    fs::create_dir_all(folder).map_err(|error| {
        Failure::new(Code::Files, format!("cannot create the folder `{}`: {error}", folder.display()))
    })?;
    let steps = if args.auto.asked {
        let Some(steps) = auto::steps(context, &args.auto, context.inspect()?)? else {
            say("nothing to write: the migrations make what is desired");
            return Ok(());
        };
        Some(steps)
    } else {
        None
    };
    // Two at once would choose one version. Where a folder cannot be locked, the worst is a duplicate that the build names.
    let _alone = lock(folder);
    // A folder with defects still takes a new migration.
    let first = next_version(Timestamp::now(), newest(folder, context.inspect().ok().as_ref()))?;
    let written = match &steps {
        None => {
            let id = format!("{first}_{name}");
            let texts = [Direction::Up, Direction::Down].map(|direction| (direction, template(&id, direction)));
            write(folder, texts.map(|(direction, text)| (format!("{id}{}", direction.suffix()), text)))?
        }
        Some(steps) => write(folder, migrations(first, &name, steps)?)?,
    };
    for path in &written {
        print(format_args!("{}\n", path.display()))?;
    }
    match steps {
        None => say("Write the SQL into both, then apply them with: cargo xtask db up"),
        Some(steps) => conclude(&steps),
    }
    Ok(())
}

/// The files of all steps, each with a version of its own.
fn migrations(first: Version, name: &str, steps: &Steps) -> Result<Vec<(String, String)>, Failure> {
    let flaw = steps.flaw.as_ref().map(ToString::to_string);
    let mut files = Vec::new();
    let mut version = first;
    for (n, step) in steps.steps.iter().enumerate() {
        if n > 0 {
            version = next_version(Timestamp::UNIX_EPOCH, Some(version))?;
        }
        // The first has the name as it is: most have no second.
        let id = if n == 0 { format!("{version}_{name}") } else { format!("{version}_{name}_{}", n + 1) };
        let (up, down) = files::texts(&id, step, flaw.as_deref());
        files.push((format!("{id}{}", Direction::Up.suffix()), up));
        files.extend(down.map(|text| (format!("{id}{}", Direction::Down.suffix()), text)));
    }
    Ok(files)
}

/// Says what a person should know before they apply it.
fn conclude(steps: &Steps) {
    for step in &steps.steps {
        for loss in step.up.iter().flat_map(Part::losses) {
            say(&format!("it {loss}"));
        }
        if let Back::Impossible(found) = &step.down {
            for it in found {
                say(&format!("there is no way back: {it}"));
            }
        }
    }
    match &steps.flaw {
        Some(_) => say("warning: the proof does not hold; the comment at the top of the files says what differs"),
        None => say("Proved: up, down and up again. Read it, then apply it with: cargo xtask db up"),
    }
}

/// Writes files that must not be there yet, all or none.
fn write(folder: &Path, files: impl IntoIterator<Item = (String, String)>) -> Result<Vec<PathBuf>, Failure> {
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        if let Err(error) = create(&path, &text) {
            // Half of it would only be in the way.
            for path in &written {
                let _ = fs::remove_file(path);
            }
            return Err(Failure::new(Code::Files, format!("cannot write `{}`: {error}", path.display())));
        }
        written.push(path);
    }
    Ok(written)
}

/// Keeps other `db new` of this folder waiting until the file is dropped. The folder itself is locked, which leaves nothing in it.
pub(super) fn lock(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    fs4::FileExt::lock(&folder).ok()?;
    Some(folder)
}

/// Writes a file that must not be there yet.
pub(super) fn create(path: &Path, text: &str) -> std::io::Result<()> {
    File::create_new(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_become_safe_or_are_refused() {
        let table = [
            ("add phone to Users", Some("add_phone_to_users")),
            ("../../x", Some("x")),
            ("a/b", Some("a_b")),
            ("x'); drop table--", Some("x_drop_table")),
            ("__a__", Some("a")),
            ("🚀", None),
            ("", None),
            ("../..", None),
        ];
        for (text, expected) in table {
            assert_eq!(slug(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_version_is_the_time_and_always_later_than_the_newest() {
        let now: Timestamp = "2026-11-21T09:30:00Z".parse().unwrap();
        assert_eq!(next_version(now, None).unwrap().get(), 20_261_121_093_000);
        assert_eq!(next_version(now, Version::new(7).ok()).unwrap().get(), 20_261_121_093_000);
        assert_eq!(next_version(now, Version::new(20_991_231_235_959).ok()).unwrap().get(), 20_991_231_235_960);
        assert!(next_version(now, Version::new(u64::MAX / 2).ok()).is_err());
    }

    proptest! {
        #[test]
        fn every_slug_makes_a_good_file_name(text in "\\PC{0,400}") {
            if let Some(slug) = slug(&text) {
                let file = format!("20261121093000_{slug}.down.sql");
                prop_assert!(file_name(&file).is_ok(), "{}", file);
            }
        }
    }
}
