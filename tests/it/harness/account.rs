//! Whom servers run as: Postgres and PgBouncer refuse root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Skip;

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
    /// Whether it is another one than that of the test.
    is_other: bool,
}

impl Account {
    /// The test's own, or someone whom servers accept where root runs the tests.
    pub(crate) fn find() -> Result<Self, Skip> {
        let own = ids(None).ok_or_else(|| Skip("`id` does not tell who runs this".to_owned()))?;
        if own.0 != 0 {
            return Ok(Self { uid: own.0, gid: own.1, is_other: false });
        }
        let (uid, gid) = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| ids(Some(name)))
            .ok_or_else(|| Skip("root runs the tests, and there is no user to run a server as".to_owned()))?;
        Ok(Self { uid, gid, is_other: true })
    }

    /// The one that a folder belongs to, if root runs the tests: only he can reach what is in it.
    pub(crate) fn owner_of(folder: &Path) -> Result<Self, Skip> {
        let found = Self::find()?;
        let owner = fs::metadata(folder).unwrap();
        if found.is_other && owner.uid() != 0 {
            return Ok(Self { uid: owner.uid(), gid: owner.gid(), is_other: true });
        }
        Ok(found)
    }

    /// A program that runs as this user, with nothing of the test's environment.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
        if self.is_other {
            // This also drops root's supplementary groups.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a file or folder to this user.
    pub(crate) fn give(self, path: &Path) {
        if self.is_other {
            chown(path, Some(self.uid), Some(self.gid)).unwrap();
        }
    }
}

fn ids(name: Option<&str>) -> Option<(u32, u32)> {
    let ask = |what: &str| {
        let output = Command::new("id").arg(what).args(name).stderr(Stdio::null()).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    Some((ask("-u")?, ask("-g")?))
}
