//! The folders of a private server: which they are, so that the server can use them and no one else can.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::account::Account;
use super::error::ServerError;

/// The longest path of a socket, in bytes: 107 on Linux, 103 on macOS and the BSDs (`sun_path` of `sockaddr_un`).
const LONGEST_SOCKET: usize = 103;

/// The file name of a socket on Postgres' default port.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";

/// Where root keeps data that the server's user couldn't reach under the target directory. Unlike `/tmp`, it outlives a reboot.
const APART: &str = "/var/tmp";

const SQUATTED: &str = "remove it, or set XDG_RUNTIME_DIR to a folder of yours, or set DATABASE_URL";

const LEFTOVER: &str = "remove it if it is a leftover, or set DATABASE_URL";

/// Where a private server's things are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The data folder. It need not exist.
    pub(super) data: PathBuf,
    /// The server's log.
    pub(super) log: PathBuf,
    /// Who runs the server and owns the data.
    pub(super) account: Account,
    key: String,
    apart: Option<PathBuf>,
}

impl Place {
    /// Decides, from what exists and from what the server's user can reach.
    ///
    /// `server_dir` and `key` are the project's. An ordinary user's data is `data` in `server_dir`. Postgres refuses to run
    /// as root, so root's server runs as another user: the one that owns the data if there is some, else the first
    /// stand-in that exists; and if that user can't reach `server_dir`, the data is under `/var/tmp`.
    pub(super) fn of(server_dir: &Path, key: &str) -> Result<Self, ServerError> {
        let caller = Account::of_caller()?;
        let data = server_dir.join("data");
        let place = |account: Account, data: PathBuf, apart: Option<PathBuf>| Self {
            data,
            log: server_dir.join("server.log"),
            account,
            key: key.to_owned(),
            apart,
        };
        let found = fs::metadata(&data).ok();
        if caller.ids.uid != 0 {
            return match found {
                Some(found) if found.uid() != caller.ids.uid => Err(foreign_data(data, found.uid(), &caller)),
                _ => Ok(place(caller, data, None)),
            };
        }
        if let Some(found) = found {
            if found.uid() == 0 {
                return Err(foreign_data(data, 0, &caller));
            }
            let owner = Account::owner_of(&found, caller.ids);
            return match owner.barrier(server_dir) {
                Some(barrier) => Err(ServerError::Unreachable { data, barrier, account: owner.name }),
                None => Ok(place(owner, data, None)),
            };
        }
        let account = Account::stand_in(caller.ids)?;
        let apart = Path::new(APART).join(format!("stairwell-{}-{key}", account.ids.uid));
        if fs::symlink_metadata(&apart).is_ok() {
            // Before anything in it is believed: what it says of a running server, above all.
            account.verify(&apart, LEFTOVER)?;
        }
        let data_apart = apart.join("data");
        if data_apart.exists() || account.barrier(server_dir).is_some() {
            return Ok(place(account, data_apart, Some(apart)));
        }
        Ok(place(account, data, None))
    }

    /// Makes the folder that the data folder goes into, unless it exists. `server_dir` itself has to exist.
    pub(super) fn prepare(&self) -> Result<(), ServerError> {
        match &self.apart {
            Some(apart) => self.account.claim(apart, LEFTOVER),
            None => Ok(()),
        }
    }

    /// The folder of the socket that a new server gets: in the caller's runtime directory if it is fit, else in `/tmp`.
    ///
    /// `runtime_dir` is the caller's `XDG_RUNTIME_DIR`.
    pub(super) fn socket_dir(&self, runtime_dir: Option<&Path>) -> PathBuf {
        let ours = |folder: &&Path| {
            // Root's runtime directory is closed to the user that the server runs as.
            !self.account.is_other()
                && fs::metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == self.account.ids.uid)
        };
        let fit = runtime_dir.filter(ours).map(|folder| folder.join(format!("stairwell-{}", self.key)));
        let fit = fit.filter(|folder| is_plain_and_short(folder));
        fit.unwrap_or_else(|| Path::new("/tmp").join(format!("stairwell-{}-{}", self.account.caller.uid, self.key)))
    }

    /// Makes the socket's folder, or makes sure of the one that exists.
    pub(super) fn claim_socket_dir(&self, folder: &Path) -> Result<(), ServerError> {
        self.account.claim(folder, SQUATTED)
    }

    /// Whether the folder of a running server's socket is still there; an error if it isn't the server's user's or the caller's.
    pub(super) fn verify_socket_dir(&self, folder: &Path) -> Result<Presence, ServerError> {
        if fs::symlink_metadata(folder).is_err() {
            return Ok(Presence::Gone);
        }
        self.account.verify(folder, SQUATTED).map(|_| Presence::There)
    }
}

/// Whether a folder exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    Gone,
}

fn foreign_data(data: PathBuf, owner: u32, caller: &Account) -> ServerError {
    let reason = format!("the project's data belongs to uid {owner}, and you are {}", caller.name);
    ServerError::Foreign {
        path: data,
        reason,
        help: "run this as the owner, or delete the folder to start afresh".into(),
    }
}

/// Whether a folder can be the server's `unix_socket_directories` as it is (a comma there separates two), and its socket's
/// path is short enough for the kernel.
fn is_plain_and_short(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_encoded_bytes();
    let plain = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(byte));
    plain && folder.is_absolute() && bytes.len() + 1 + SOCKET.len() <= LONGEST_SOCKET
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::account::Ids;
    use super::*;

    fn place(account: Account) -> Place {
        Place { data: "/t/data".into(), log: "/t/log".into(), account, key: "ab12cd34".into(), apart: None }
    }

    #[test]
    fn a_socket_goes_to_the_runtime_directory_if_it_is_ours_and_fit() {
        let temp = tempfile::Builder::new().prefix("rt").tempdir_in("/tmp").unwrap();
        let caller = Account::of_caller().unwrap();
        let uid = caller.ids.uid;
        let place = place(caller);
        let fallback = PathBuf::from(format!("/tmp/stairwell-{uid}-ab12cd34"));
        assert_eq!(place.socket_dir(Some(temp.path())), temp.path().join("stairwell-ab12cd34"));
        assert_eq!(place.socket_dir(None), fallback);
        for unfit in ["a,b".to_owned(), "it's".to_owned(), "x".repeat(100)] {
            let unfit = temp.path().join(unfit);
            fs::create_dir(&unfit).unwrap();
            assert_eq!(place.socket_dir(Some(&unfit)), fallback, "{}", unfit.display());
        }
    }

    #[test]
    fn a_server_of_another_user_never_gets_the_callers_runtime_directory() {
        let temp = tempfile::tempdir().unwrap();
        let caller = Account::of_caller().unwrap().caller;
        let other = Account { ids: Ids { uid: 4_000_001, gid: 4_000_001 }, name: "other".into(), caller };
        assert!(
            place(other)
                .socket_dir(Some(temp.path()))
                .starts_with("/tmp/stairwell-{uid}-".replace("{uid}", &caller.uid.to_string()) + "ab12cd34")
        );
    }

    #[test]
    fn the_longest_socket_still_fits_the_kernel() {
        let folder = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
        assert!(is_plain_and_short(&folder(LONGEST_SOCKET - 1 - SOCKET.len())));
        assert!(!is_plain_and_short(&folder(LONGEST_SOCKET - SOCKET.len())));
        assert!(!is_plain_and_short(Path::new("relative")));
    }
}
