//! The data folder of a private server: making it, and whose programs can read it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::error::{ServerError, last_lines};
use super::find::{Found, Installation, program};
use super::place::Place;

/// A folder that `initdb` works in is called this and a number, until it is complete.
const UNFINISHED: &str = "data.new.";

/// The installation to run a data folder of major version `of` with: the newest of that version; or for new data, the newest.
pub(super) fn choose(found: &Found, data: &Path, of: Option<u32>) -> Result<Installation, ServerError> {
    let fits = |installation: &&Installation| of.is_none_or(|major| installation.version.major == major);
    let chosen = found.installations.iter().find(fits);
    chosen.cloned().ok_or_else(|| {
        let mut installed: Vec<_> = found.installations.iter().map(|installation| installation.version).collect();
        installed.dedup();
        ServerError::OtherMajor { data: data.to_owned(), of: of.unwrap_or_default(), installed }
    })
}

/// The major version that made a data folder; `None` if there is no such folder.
pub(super) fn major(data: &Path) -> Result<Option<u32>, ServerError> {
    let damaged = |reason: &str| ServerError::Damaged { data: data.to_owned(), reason: reason.to_owned() };
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| damaged("its PG_VERSION is not a number")),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !data.exists() => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged("it has no PG_VERSION")),
        Err(error) => Err(ServerError::file("read", data.join("PG_VERSION"))(error)),
    }
}

/// Makes the data folder of a place with an installation's `initdb`.
///
/// `initdb` works in a folder beside, which gets its name when it is complete: a run that is killed leaves no half folder.
/// Everyone who gets to the socket may be anyone (`trust`); it is the socket's folder that keeps others out. Nothing is
/// synced to disk, which takes most of the time and protects against a crash of the machine in the next few seconds only.
pub(super) fn initialise(
    place: &Place,
    installation: &Installation,
    time_zone: Option<&str>,
) -> Result<(), ServerError> {
    let parent = place.data.parent().unwrap_or(Path::new("/"));
    remove_unfinished(parent);
    let fresh = make_unfinished(parent)?;
    let found = fs::symlink_metadata(&fresh).map_err(ServerError::file("look at", &fresh))?;
    place.account.take(&fresh, &found)?;

    let initdb = program(&installation.bin, "initdb");
    let run = |locale: &str| -> Result<Output, ServerError> {
        let mut command = place.account.command(&initdb, time_zone);
        command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", locale, "-D"]).arg(&fresh);
        command
            .output()
            .map_err(|error| ServerError::Program { program: initdb.display().to_string(), reason: error.to_string() })
    };
    let mut output = run("--locale=C.UTF-8")?;
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("locale") {
        // macOS before 15 and musl have no C.UTF-8.
        output = run("--no-locale")?;
    }
    if !output.status.success() {
        let _ = fs::remove_dir_all(&fresh);
        return Err(ServerError::Init {
            version: installation.version,
            data: place.data.clone(),
            output: last_lines(&String::from_utf8_lossy(&output.stderr)),
            reason: format!("{} ended with {}", initdb.display(), output.status),
        });
    }
    fs::rename(&fresh, &place.data).map_err(ServerError::file("rename to its final name", &fresh))
}

/// The caller holds the project's lock, so no one works in these any more; unless his xtask was killed and his `initdb`
/// wasn't, whose end will be an error that no one reads, and whose last files the next run removes.
fn remove_unfinished(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn make_unfinished(parent: &Path) -> Result<PathBuf, ServerError> {
    let first = std::process::id();
    // Containers give the same process number again and again, so that the name may still be taken.
    let mut names = (0..100).map(|n| parent.join(format!("{UNFINISHED}{}", first.wrapping_add(n))));
    loop {
        let path = names.next().unwrap_or_else(|| parent.join(UNFINISHED));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !path.ends_with(UNFINISHED) => {}
            Err(error) => return Err(ServerError::file("make the folder", path)(error)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::version::PgVersion;
    use super::*;

    fn found(versions: &[&str]) -> Found {
        let installation = |text: &&str| Installation { bin: text.into(), version: PgVersion::parse(text).unwrap() };
        Found { installations: versions.iter().map(installation).collect(), rejected: Vec::new() }
    }

    #[test]
    fn new_data_gets_the_newest_and_old_data_its_own_major() {
        let found = found(&["17.2", "15.18", "15.3"]);
        let chosen = |of| choose(&found, Path::new("/t/data"), of).map(|installation| installation.version.to_string());
        assert_eq!(chosen(None).unwrap(), "17.2");
        assert_eq!(chosen(Some(15)).unwrap(), "15.18");
        assert!(matches!(chosen(Some(16)), Err(ServerError::OtherMajor { of: 16, .. })));
    }

    #[test]
    fn a_data_folder_without_a_version_is_damaged_and_a_missing_one_is_not() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(major(&temp.path().join("data")).unwrap(), None);
        assert!(matches!(major(temp.path()), Err(ServerError::Damaged { .. })));
        fs::write(temp.path().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(major(temp.path()).unwrap(), Some(15));
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["data", "data.new.1/base", "data.new.22"] {
            fs::create_dir_all(temp.path().join(name)).unwrap();
        }
        remove_unfinished(temp.path());
        let left: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["data"]);
    }

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        let temp = tempfile::tempdir().unwrap();
        let (first, second) = (make_unfinished(temp.path()).unwrap(), make_unfinished(temp.path()).unwrap());
        assert_ne!(first, second);
    }
}
