//! The user that a private server runs as: the caller, or, when root calls, someone whom Postgres accepts.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use xshell::{Shell, cmd};

use super::error::ServerError;

/// Whom root runs the server as: Postgres' packages make the first, every Unix has the second.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Ids {
    /// Whether a folder of this owner and mode lets these pass to what is in it.
    ///
    /// As the kernel does: the first class that fits decides, even if a later one would allow more. Only one group counts,
    /// because a server that root starts is started without supplementary ones. Access control lists are not looked at.
    fn may_pass(self, folder: Ids, mode: u32) -> bool {
        let execute = if folder.uid == self.uid {
            0o100
        } else if folder.gid == self.gid {
            0o010
        } else {
            0o001
        };
        mode & execute != 0
    }
}

/// The user that a private server runs as, and who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) ids: Ids,
    /// For messages.
    pub(super) name: String,
    /// Who runs xtask.
    pub(super) caller: Ids,
}

impl Account {
    /// The caller's own.
    pub(super) fn of_caller() -> Result<Self, ServerError> {
        // The standard library can't tell, and the owner of a new file is someone else's on some network file systems.
        let unknown = |reason: String| ServerError::Program { program: "id -u".into(), reason };
        let ids = lookup(None).map_err(|error| unknown(error.to_string()))?;
        let ids = ids.ok_or_else(|| unknown("it does not print a number".into()))?;
        Ok(Self { ids, name: format!("uid {}", ids.uid), caller: ids })
    }

    /// The first stand-in that exists, for root.
    pub(super) fn stand_in(caller: Ids) -> Result<Self, ServerError> {
        let found = STAND_INS.into_iter().find_map(|name| Some((name, lookup(Some(name)).ok()??)));
        let (name, ids) = found.ok_or(ServerError::NoAccount)?;
        Ok(Self { ids, name: format!("user {name}"), caller })
    }

    /// The owner of a file, for root.
    pub(super) fn owner_of(file: &Metadata, caller: Ids) -> Self {
        Self { ids: Ids { uid: file.uid(), gid: file.gid() }, name: format!("uid {}", file.uid()), caller }
    }

    /// Whether the server runs as someone else than the caller, who is root then.
    pub(super) fn is_other(&self) -> bool {
        self.ids.uid != self.caller.uid
    }

    /// The topmost folder on the way to `path`, itself included, that this user can't pass. Folders to be made don't count.
    pub(super) fn barrier(&self, path: &Path) -> Option<PathBuf> {
        if !self.is_other() {
            return None;
        }
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        let closed = |folder: &&Path| {
            fs::metadata(folder).is_ok_and(|folder| {
                let owner = Ids { uid: folder.uid(), gid: folder.gid() };
                folder.is_dir() && !self.ids.may_pass(owner, folder.mode())
            })
        };
        way.into_iter().find(closed).map(Path::to_owned)
    }

    /// A command that runs as this user, in `/`, with nothing of the caller's environment but the time zone.
    ///
    /// `PGDATA`, `PGPORT` and their like would change what the server does, and a working directory that the user can't
    /// read makes `initdb` fail. A locale has to be set: without one, macOS starts threads in the server, and it refuses.
    pub(super) fn command(&self, program: &Path, time_zone: Option<&str>) -> Command {
        let mut command = Command::new(program);
        let folder = program.parent().unwrap_or(Path::new("/"));
        let path =
            std::env::join_paths([folder, Path::new("/usr/local/bin"), Path::new("/usr/bin"), Path::new("/bin")]);
        command.env_clear().env("LC_ALL", "C").env("HOME", "/").current_dir("/").stdin(Stdio::null());
        // A folder with a colon in its name has no place in `PATH`; the programs are called by their full names anyway.
        command.env("PATH", path.unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into()));
        if let Some(zone) = time_zone {
            command.env("TZ", zone);
        }
        if self.is_other() {
            // This also drops root's supplementary groups.
            command.uid(self.ids.uid).gid(self.ids.gid);
        }
        command
    }

    /// Makes a folder for this user alone, or makes sure that the one that exists is: for a place where others can write.
    ///
    /// A link, or a folder that belongs to anyone but this user and the caller, is refused: whoever made it could read
    /// what we put there, or stand in for the server.
    pub(super) fn claim(&self, folder: &Path, help: &str) -> Result<(), ServerError> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(ServerError::file("make the folder", folder)(error));
            }
            Ok(()) | Err(_) => {}
        }
        let found = self.verify(folder, help)?;
        self.take(folder, &found)
    }

    /// Makes sure that a folder which exists is this user's or the caller's, and no link.
    pub(super) fn verify(&self, folder: &Path, help: &str) -> Result<Metadata, ServerError> {
        let foreign = |reason: String| ServerError::Foreign { path: folder.to_owned(), reason, help: help.to_owned() };
        let found = fs::symlink_metadata(folder).map_err(ServerError::file("look at", folder))?;
        if !found.is_dir() {
            return Err(foreign("it is a link or a file".into()));
        }
        if found.uid() != self.ids.uid && found.uid() != self.caller.uid {
            return Err(foreign(format!("it belongs to uid {}, not to {}", found.uid(), self.name)));
        }
        Ok(found)
    }

    /// Gives a folder of ours to this user, and to no one else.
    pub(super) fn take(&self, folder: &Path, found: &Metadata) -> Result<(), ServerError> {
        if found.uid() != self.ids.uid {
            lchown(folder, Some(self.ids.uid), Some(self.ids.gid))
                .map_err(ServerError::file("change the owner of", folder))?;
        }
        if found.mode() & 0o7777 != 0o700 {
            fs::set_permissions(folder, Permissions::from_mode(0o700))
                .map_err(ServerError::file("change the mode of", folder))?;
        }
        Ok(())
    }
}

/// The ids of a user, or of the caller; `None` if there is no such user.
fn lookup(name: Option<&str>) -> xshell::Result<Option<Ids>> {
    let shell = Shell::new()?;
    let number = |what: &str| -> xshell::Result<Option<u32>> {
        let output = cmd!(shell, "id {what} {name...}").quiet().ignore_status().ignore_stderr().read()?;
        Ok(output.parse().ok())
    };
    Ok(number("-u")?.zip(number("-g")?).map(|(uid, gid)| Ids { uid, gid }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_first_class_of_permissions_that_fits_decides() {
        let server = Ids { uid: 101, gid: 104 };
        for (uid, gid, mode, passes) in [
            (0, 0, 0o755, true),
            (0, 0, 0o700, false),
            (0, 0, 0o711, true),
            (0, 104, 0o750, true),
            (0, 104, 0o701, false),
            (101, 0, 0o700, true),
            (101, 104, 0o077, false),
            (0, 0, 0o1777, true),
        ] {
            assert_eq!(server.may_pass(Ids { uid, gid }, mode), passes, "{uid}:{gid} {mode:o}");
        }
    }

    #[test]
    fn the_caller_needs_no_permission_from_himself() {
        let account = Account::of_caller().unwrap();
        assert!(!account.is_other());
        assert_eq!(account.barrier(Path::new("/proc/1")), None);
    }

    #[test]
    fn the_topmost_closed_folder_is_the_barrier() {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), Permissions::from_mode(0o755)).unwrap();
        let closed = temp.path().join("closed");
        fs::create_dir_all(closed.join("inner")).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let caller = Account::of_caller().unwrap().caller;
        let stranger = Account { ids: Ids { uid: 4_000_001, gid: 4_000_001 }, name: "stranger".into(), caller };
        assert_eq!(stranger.barrier(&closed.join("inner/missing")), Some(closed));
        assert_eq!(stranger.barrier(temp.path()), None);
    }

    #[test]
    fn a_link_is_never_claimed() {
        let temp = tempfile::tempdir().unwrap();
        let link = temp.path().join("link");
        symlink(temp.path(), &link).unwrap();
        let error = Account::of_caller().unwrap().claim(&link, "").unwrap_err();
        assert!(matches!(error, ServerError::Foreign { .. }), "{error}");
    }

    #[test]
    fn a_claimed_folder_is_closed_to_others() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("mine");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        let account = Account::of_caller().unwrap();
        account.claim(&folder, "").unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
        account.claim(&folder, "").unwrap();
    }
}
