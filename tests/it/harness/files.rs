//! Folders of migrations, written for a test.

use std::fs;
use std::path::{Path, PathBuf};

use stairwell::MigrationSet;
use tempfile::TempDir;

/// A workspace's folder with `migrations/` in it, gone when the test ends.
pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    /// An empty one. `Cargo.lock` makes it a workspace of its own.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.lock"), "version = 4\n").unwrap();
        fs::create_dir(folder.path().join("migrations")).unwrap();
        Self { folder }
    }

    /// One with these migrations: version and name, up, down.
    pub(crate) fn with(migrations: &[(&str, &str, &str)]) -> Self {
        let workspace = Self::new();
        for (id, up, down) in migrations {
            workspace.write(&format!("{id}.up.sql"), up);
            workspace.write(&format!("{id}.down.sql"), down);
        }
        workspace
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn migrations(&self) -> PathBuf {
        self.path().join("migrations")
    }

    /// Writes a file of the migrations folder.
    pub(crate) fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        fs::write(self.migrations().join(file), content).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.migrations().join(file)).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.migrations().join(file)).unwrap()
    }

    /// The set, which must be in order.
    pub(crate) fn set(&self) -> MigrationSet {
        MigrationSet::from_directory(self.migrations()).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A folder that has only these migrations, none of them with a way back that matters.
pub(crate) fn set(migrations: &[(&str, &str, &str)]) -> MigrationSet {
    Workspace::with(migrations).set()
}
