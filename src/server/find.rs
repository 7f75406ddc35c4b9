//! Finding a Postgres to run.
//!
//! Distributions keep the server's programs out of `PATH`, several major versions side by side, so looking for `postgres`
//! in `PATH` is not enough. The newest that is found wins; an explicit `STAIRWELL_PG_BIN` is the only one looked at.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::ServerError;
use super::version::PgVersion;

/// Where packages put the server's programs. A `*` stands for the rest of a file's name, as in a shell.
pub(super) const WELL_KNOWN: &[&str] = &[
    "/usr/lib/postgresql/*/bin",          // Debian and Ubuntu, also from apt.postgresql.org
    "/usr/lib/postgresql*/bin",           // openSUSE
    "/usr/lib64/postgresql-*/bin",        // Gentoo
    "/usr/pgsql-*/bin",                   // yum.postgresql.org
    "/usr/libexec/postgresql*",           // Alpine
    "/usr/local/pgsql/bin",               // built from source
    "/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
    "/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin", // Homebrew on Linux
    "/opt/local/lib/postgresql*/bin",     // MacPorts
    "/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
];

/// Older servers lack `initdb --no-sync` or options we start with, and Postgres' own support ended for them years ago.
const OLDEST_MAJOR: u32 = 12;

/// A folder with the programs of one Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    /// The folder of `initdb` and `postgres`.
    pub(super) bin: PathBuf,
    /// What `postgres --version` says.
    pub(super) version: PgVersion,
}

/// What there is to choose from.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Usable, newest first.
    pub(super) installations: Vec<Installation>,
    /// Not usable, a line each with the reason.
    pub(super) rejected: Vec<String>,
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub(super) struct Finder {
    /// The only folder to look at, from `STAIRWELL_PG_BIN`.
    pub(super) given: Option<PathBuf>,
    /// The folders of `PATH`.
    pub(super) path: Vec<PathBuf>,
    /// Patterns such as [`WELL_KNOWN`].
    pub(super) well_known: &'static [&'static str],
}

impl Finder {
    /// All installations that `usable` has nothing against; it answers with the reason when it does.
    pub(super) fn installations(&self, usable: impl Fn(&Path) -> Result<(), String>) -> Result<Found, ServerError> {
        if let Some(folder) = &self.given {
            let installation = probe(folder)
                .and_then(|found| found.ok_or_else(|| "it has no `initdb` beside a `postgres`".to_owned()))
                .and_then(|found| usable(&found.bin).map(|()| found))
                .map_err(|reason| ServerError::Override { folder: folder.clone(), reason })?;
            return Ok(Found { installations: vec![installation], rejected: Vec::new() });
        }
        let mut found = Found::default();
        let mut seen: Vec<PathBuf> = Vec::new();
        for folder in self.folders() {
            let Some(bin) = programs(&folder) else {
                continue;
            };
            if seen.contains(&bin) {
                continue;
            }
            match probe(&bin).and_then(|found| usable(&bin).map(|()| found)) {
                Ok(installation) => found.installations.extend(installation),
                Err(reason) => found.rejected.push(format!("found {}, but {reason}", bin.display())),
            }
            seen.push(bin);
        }
        // Stable, so that of two equal versions the one found first stays first.
        found.installations.sort_by_key(|installation| Reverse(installation.version));
        Ok(found)
    }

    fn folders(&self) -> Vec<PathBuf> {
        let configured = self.path.iter().map(|folder| folder.join("pg_config")).find_map(|tool| bindir(&tool));
        let patterns = self.well_known.iter().flat_map(|pattern| expand(pattern));
        configured.into_iter().chain(self.path.iter().cloned()).chain(patterns).collect()
    }
}

/// The real folder of an installation's programs: `folder` itself, or where its `postgres` is a link to.
///
/// `PATH` often has a link to `initdb` alone. That is an installation only if the link leads to one.
fn programs(folder: &Path) -> Option<PathBuf> {
    let complete = |folder: &Path| program(folder, "initdb").is_file() && program(folder, "postgres").is_file();
    let resolved = program(folder, "initdb").canonicalize().ok()?;
    match resolved.parent() {
        Some(real) if complete(real) => Some(real.to_owned()),
        _ if complete(folder) => Some(folder.to_owned()),
        _ => None,
    }
}

/// A program in a folder, with the ending that this platform's programs have.
pub(super) fn program(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// The installation in `folder`, or `None` if there is none, or why the one there can't be used.
fn probe(folder: &Path) -> Result<Option<Installation>, String> {
    let Some(bin) = programs(folder) else {
        return Ok(None);
    };
    let postgres = program(&bin, "postgres");
    let said = output(&postgres, "--version").ok_or_else(|| format!("`{} --version` fails", postgres.display()))?;
    let version = PgVersion::parse(&said).ok_or_else(|| format!("its version is unreadable: {}", said.trim()))?;
    if version.major < OLDEST_MAJOR {
        return Err(format!("{version} is too old; {OLDEST_MAJOR} is the oldest that works"));
    }
    Ok(Some(Installation { bin, version }))
}

fn bindir(pg_config: &Path) -> Option<PathBuf> {
    if !pg_config.is_file() {
        return None;
    }
    let said = output(pg_config, "--bindir")?;
    (!said.trim().is_empty()).then(|| PathBuf::from(said.trim()))
}

fn output(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The folders that match a pattern with a `*` in some of its parts, in the order of their names.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::new()];
    for part in Path::new(pattern).components() {
        let part = part.as_os_str();
        folders = match part.to_str().and_then(|part| part.split_once('*')) {
            None => folders.into_iter().map(|folder| folder.join(part)).collect(),
            Some((before, after)) => folders.iter().flat_map(|folder| matching(folder, before, after)).collect(),
        };
    }
    folders.retain(|folder| folder.is_dir());
    folders
}

fn matching(folder: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let fits = |name: &OsStr| {
        name.to_str().and_then(|name| name.strip_prefix(before)).is_some_and(|rest| rest.ends_with(after))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.filter(|entry| fits(&entry.file_name())).map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn install(folder: &Path, version: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        for name in ["initdb", "postgres"] {
            let file = folder.join(name);
            fs::write(&file, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder.to_owned()
    }

    fn versions(finder: &Finder) -> Vec<String> {
        let found = finder.installations(|_| Ok(())).unwrap();
        found.installations.iter().map(|installation| installation.version.to_string()).collect()
    }

    #[test]
    fn the_newest_comes_first_and_each_is_listed_once() {
        let temp = tempfile::tempdir().unwrap();
        let old = install(&temp.path().join("15"), "15.18");
        let new = install(&temp.path().join("17"), "17.2");
        let path = vec![old.clone(), new, old];
        assert_eq!(versions(&Finder { path, ..Finder::default() }), ["17.2", "15.18"]);
    }

    #[test]
    fn a_lone_initdb_is_an_installation_only_if_it_links_to_one() {
        let temp = tempfile::tempdir().unwrap();
        let real = install(&temp.path().join("real"), "15.1");
        let (linked, lone) = (temp.path().join("linked"), temp.path().join("lone"));
        for folder in [&linked, &lone] {
            fs::create_dir(folder).unwrap();
        }
        symlink(real.join("initdb"), linked.join("initdb")).unwrap();
        fs::write(lone.join("initdb"), "").unwrap();
        assert_eq!(programs(&linked), Some(real.canonicalize().unwrap()));
        assert_eq!(programs(&lone), None);
    }

    #[test]
    fn pg_config_leads_to_an_installation_outside_the_path() {
        let temp = tempfile::tempdir().unwrap();
        let real = install(&temp.path().join("real"), "16.3");
        let tools = temp.path().join("tools");
        fs::create_dir(&tools).unwrap();
        fs::write(tools.join("pg_config"), format!("#!/bin/sh\necho {}\n", real.display())).unwrap();
        fs::set_permissions(tools.join("pg_config"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(versions(&Finder { path: vec![tools], ..Finder::default() }), ["16.3"]);
    }

    #[test]
    fn a_wrong_override_is_an_error_though_another_postgres_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let path = vec![install(&temp.path().join("15"), "15.18")];
        let finder = Finder { given: Some(temp.path().join("nowhere")), path, ..Finder::default() };
        assert!(matches!(finder.installations(|_| Ok(())), Err(ServerError::Override { .. })));
    }

    #[test]
    fn one_that_cannot_be_used_is_rejected_with_the_reason() {
        let temp = tempfile::tempdir().unwrap();
        let path = vec![install(&temp.path().join("old"), "9.6.24"), install(&temp.path().join("15"), "15.18")];
        let finder = Finder { path, ..Finder::default() };
        let found = finder.installations(|_| Err("user `nobody` cannot run it".into())).unwrap();
        assert_eq!(found.installations, []);
        assert!(found.rejected[0].contains("too old"), "{:?}", found.rejected);
        assert!(found.rejected[1].ends_with("but user `nobody` cannot run it"), "{:?}", found.rejected);
    }

    #[test]
    fn a_star_stands_for_the_rest_of_a_name() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["pgsql-15/bin", "pgsql-17/bin", "pgsql-18", "other/bin"] {
            fs::create_dir_all(temp.path().join(name)).unwrap();
        }
        let pattern = format!("{}/pgsql-*/bin", temp.path().display());
        assert_eq!(expand(&pattern), [temp.path().join("pgsql-15/bin"), temp.path().join("pgsql-17/bin")]);
    }
}
