//! The schema that a project wants: `schema.sql`, a folder of such, or what a command prints.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stairwell::schema::Source;

use crate::failure::{Code, Failure};
use crate::settings::{Desired, Settings};

/// What is taken where nothing is configured.
const STANDARD: &str = "schema.sql";

/// Where the desired state of a project is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file, or a folder of files.
    Path(PathBuf),
    /// Where it would be, since nothing is configured.
    Standard(PathBuf),
    /// What prints it.
    Command(String),
}

/// Where it is. `root` is the workspace's folder, `migrations` the migrations'.
pub(crate) fn place(root: Option<&Path>, migrations: &Path) -> Result<Place, Failure> {
    let configured = root.map(Settings::of).transpose()?.and_then(|settings| settings.schema);
    Ok(match (configured, root) {
        (Some(Desired::Path(path)), Some(root)) => Place::Path(shown(root).join(path)),
        (Some(Desired::Command { command }), _) => Place::Command(command),
        _ => Place::Standard(migrations.parent().unwrap_or(Path::new("")).join(STANDARD)),
    })
}

/// The SQL of the desired state.
pub(crate) fn sources(root: Option<&Path>, migrations: &Path) -> Result<Vec<Source>, Failure> {
    match place(root, migrations)? {
        Place::Path(path) => Ok(Source::read(&path)?),
        Place::Command(command) => output(&command, root.unwrap_or(Path::new("."))),
        Place::Standard(path) if path.exists() => Ok(Source::read(&path)?),
        Place::Standard(path) => Err(Failure::new(
            Code::Usage,
            format!(
                "no desired state: there is no `{}`, and the workspace's Cargo.toml names none\n  \
                 = help: write it there, or name a file, a folder or a command:\n\n    \
                 [workspace.metadata.stairwell]\n    schema = \"db/schema.sql\"   # or: schema = {{ command = \"…\" }}",
                path.display()
            ),
        )),
    }
}

/// The root as a person would write it where they stand.
fn shown(root: &Path) -> PathBuf {
    match std::env::current_dir().map(|here| here.canonicalize().unwrap_or(here)) {
        Ok(here) if here == root => PathBuf::new(),
        _ => root.to_owned(),
    }
}

/// What a command prints, run in the workspace's folder.
fn output(command: &str, root: &Path) -> Result<Vec<Source>, Failure> {
    let failed = |why: String| {
        Failure::new(Code::Failed, format!("the command that prints the desired state, `{command}`, {why}"))
    };
    let mut run = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    run.arg(if cfg!(windows) { "/C" } else { "-c" }).arg(command).current_dir(root);
    // What the cargo that runs this says of it. Another cargo, in the command, would compile again what has a build script that looks at
    // these (ring, and all that stands on it), and so would the next one outside.
    let is_said_by_cargo = |name: &str| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_");
    for (name, _) in env::vars_os().filter(|(name, _)| is_said_by_cargo(&name.to_string_lossy())) {
        run.env_remove(name);
    }
    // Its messages are for the person who started it.
    run.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = run.output().map_err(|error| failed(format!("cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(failed(match output.status.code() {
            Some(code) => format!("ended with exit status {code}"),
            None => "was ended by a signal".to_owned(),
        }));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| failed("printed what is not UTF-8".to_owned()))?;
    Ok(vec![Source::new(format!("<{command}>"), text)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_command_does_not_hear_what_cargo_says_of_the_one_that_runs_it() {
        assert!(env::var_os("CARGO_PKG_NAME").is_some(), "a test hears it");
        let folder = tempfile::tempdir().unwrap();
        let command = "env | sed -n 's/^\\(CARGO_[A-Z]*\\)_.*=.*/\\1/p' | grep -E 'MANIFEST|PKG' > said; test ! -s said && echo 'select 1;'";
        let said = || std::fs::read_to_string(folder.path().join("said"));
        output(command, folder.path()).map_err(|failure| (failure.message(), said())).unwrap();
    }
}
