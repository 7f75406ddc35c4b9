//! Asking git about the migrations folder.

use std::path::Path;

use xshell::{Cmd, Shell};

/// A shell that stands in the folder.
pub(crate) fn shell(folder: &Path) -> Option<Shell> {
    let shell = Shell::new().ok()?;
    shell.change_dir(folder);
    Some(shell)
}

/// A command of git, not yet run. It speaks English, and a failure is for its caller to see.
pub(crate) fn command<'a>(shell: &'a Shell, arguments: &[&str]) -> Cmd<'a> {
    // A hook of git names its own repository and index in these.
    let git = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"]
        .iter()
        .fold(xshell::cmd!(shell, "git {arguments...}"), xshell::Cmd::env_remove);
    git.env("LC_ALL", "C").quiet().ignore_status()
}

/// What a command of git prints, or `None` where it fails or there is no git.
pub(crate) fn ask(folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let shell = shell(folder)?;
    let output = command(&shell, arguments).output().ok()?;
    output.status.success().then_some(output.stdout)
}
