//! `db lint --fix`: files as they should be.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use stairwell::Inspection;
use stairwell::migration::Direction;

use crate::context::Context;
use crate::db::new::{create, lock, newest, next_version, slug};
use crate::failure::{Code, Failure};
use crate::lint::judge::Judged;
use crate::lint::rewrite::{Rewritten, rewrite};
use crate::terminal::{print, say};

/// Mends what can be mended, and says whether there was something.
pub(super) fn run(context: &Context, inspection: &Inspection, judged: &[Judged<'_>]) -> Result<bool, Failure> {
    let mut is_mended = false;
    for one in judged.iter().filter(|one| !one.fixes.is_empty()) {
        let up = &one.migration.up;
        let is_locked = inspection.lock.as_ref().is_some_and(|lock| lock.checksum(up.file()).is_some());
        if is_locked {
            say(&format!(
                "{} is locked, and stays as it is: a database has it, and would no longer know it\n  \
                 = help: `cargo xtask db down` until it is undone, then `cargo xtask db lint --fix`\n",
                up.path()
            ));
            continue;
        }
        match rewrite(one.migration, &one.fixes) {
            Ok(rewritten) => {
                write(context, inspection, one, &rewritten)?;
                is_mended = true;
            }
            Err(why) => say(&format!("{} is left to you: {why}\n", up.path())),
        }
    }
    Ok(is_mended)
}

/// Writes the new files, and then the old ones anew.
fn write(context: &Context, inspection: &Inspection, one: &Judged<'_>, to: &Rewritten) -> Result<(), Failure> {
    let folder = context.folder();
    let _alone = lock(folder);
    let failed = |path: &PathBuf, error: std::io::Error| {
        Failure::new(Code::Files, format!("cannot write `{}`: {error}", path.display()))
    };
    let mut version = newest(folder, Some(inspection));
    let mut written: Vec<PathBuf> = Vec::new();
    for later in &to.later {
        let next = next_version(Timestamp::now(), version)?;
        version = Some(next);
        let id = format!("{next}_{}", slug(&later.name).unwrap_or_else(|| "rest".to_owned()));
        let down = later.down.as_ref().map(|text| (Direction::Down, text));
        for (direction, text) in std::iter::once((Direction::Up, &later.up)).chain(down) {
            let path = folder.join(format!("{id}{}", direction.suffix()));
            if let Err(error) = create(&path, text) {
                for path in &written {
                    let _ = fs::remove_file(path);
                }
                return Err(failed(&path, error));
            }
            written.push(path);
        }
    }
    let down = one.migration.down.as_ref().zip(to.down.as_ref());
    for (script, text) in std::iter::once((&one.migration.up, &to.up)).chain(down) {
        if script.text() == text {
            continue;
        }
        let path = folder.join(script.file());
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
        written.insert(0, path);
    }
    written.iter().try_for_each(|path| print(format_args!("{}\n", path.display())))
}
