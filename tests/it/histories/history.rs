//! A history as somebody else left it, taken over as a user would.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;

use stairwell::MigrationSet;

use super::stages::Stage;
use crate::harness::Skip;
use crate::harness::files::Workspace;
use crate::harness::shared::shared;
use crate::harness::xtask;

/// Names a folder of histories to try instead of those that are shared.
const FOLDERS: &str = "STAIRWELL_TEST_HISTORIES";

/// Where one is.
pub(super) struct Folder {
    pub(super) name: String,
    path: PathBuf,
    /// What psql makes of it, once a test has asked.
    pub(super) psqls: OnceCell<Vec<Stage>>,
}

/// One that has been taken over.
pub(super) struct History {
    pub(super) name: String,
    pub(super) workspace: Workspace,
    pub(super) set: MigrationSet,
}

/// All that are here, by name.
pub(super) fn folders() -> Result<Vec<Folder>, Skip> {
    let folder = match std::env::var_os(FOLDERS) {
        Some(folder) => PathBuf::from(folder),
        None => shared("corpora/histories")?,
    };
    let shown = folder.display();
    let entries = fs::read_dir(&folder).map_err(|error| Skip(format!("no histories: {shown}: {error}")))?;
    let mut folders: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| Folder {
            name: entry.file_name().to_string_lossy().into_owned(),
            path: entry.path(),
            psqls: OnceCell::new(),
        })
        .collect();
    folders.sort_by(|a, b| a.name.cmp(&b.name));
    if folders.is_empty() { Err(Skip(format!("{shown} has no folder of a history in it"))) } else { Ok(folders) }
}

impl History {
    /// It comes as it is: into the lock with warnings, and then in order for a build.
    pub(super) fn import(folder: &Folder) -> Result<Self, Skip> {
        let workspace = Workspace::new();
        for entry in fs::read_dir(&folder.path).unwrap() {
            let entry = entry.unwrap();
            // Subfolders go along, so that taking it over says what is wrong with them.
            if entry.path().is_dir() {
                fs::create_dir(workspace.migrations().join(entry.file_name())).unwrap();
            } else {
                fs::write(workspace.migrations().join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
            }
        }
        xtask::run(&mut xtask::db(workspace.path(), &["lock", "--import"])).ok();
        xtask::run(&mut xtask::db(workspace.path(), &["lock", "--check"])).ok();
        let set = workspace.set();
        assert!(!set.migrations().is_empty(), "{} has no migrations (`*.up.sql`) in it", folder.path.display());
        Ok(Self { name: folder.name.clone(), workspace, set })
    }
}
