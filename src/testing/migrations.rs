//! Where a test's migrations come from.

use std::borrow::Cow;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "embed")]
use include_dir::Dir;

use super::error::TestingError;
use crate::migration::Migration;
use crate::set::{MigrationSet, SetError};

/// The migrations of a test: what `include_dir!` put into the binary, a set, or a folder.
#[derive(Debug, Clone)]
pub struct Migrations(Place);

#[derive(Debug, Clone)]
enum Place {
    #[cfg(feature = "embed")]
    Embedded(&'static Dir<'static>),
    Set(Arc<MigrationSet>),
    Folder(PathBuf),
}

impl Migrations {
    /// Reads and checks them.
    pub(super) fn set(&self) -> Result<Arc<MigrationSet>, TestingError> {
        let set = match &self.0 {
            #[cfg(feature = "embed")]
            Place::Embedded(dir) => MigrationSet::from_embedded(dir),
            Place::Set(set) => return Ok(Arc::clone(set)),
            Place::Folder(folder) => MigrationSet::from_directory(folder),
        };
        set.map(Arc::new).map_err(|error| match error {
            SetError::Findings(findings) => TestingError::Set(findings.to_string()),
            SetError::Folder(error) => TestingError::Set(error.to_string()),
        })
    }

    /// Adds the scripts to a digest: the same ones give the same digest, wherever they come from. Nothing is parsed, since most tests find a
    /// template that has been made.
    pub(super) fn hash(&self, hasher: &mut impl Hasher) -> Result<(), TestingError> {
        let mut scripts: Vec<(String, Cow<'_, [u8]>)> = match &self.0 {
            #[cfg(feature = "embed")]
            Place::Embedded(dir) => dir.files().map(|file| (name(file.path()), file.contents().into())).collect(),
            Place::Set(set) => {
                let scripts = set.migrations().iter().flat_map(Migration::scripts);
                scripts.map(|script| (script.file().to_owned(), script.text().as_bytes().into())).collect()
            }
            Place::Folder(folder) => {
                let file = |source| TestingError::File {
                    action: "read the migrations",
                    path: folder.display().to_string(),
                    source,
                };
                let mut scripts = Vec::new();
                for entry in std::fs::read_dir(folder).map_err(file)? {
                    let path = entry.map_err(file)?.path();
                    if is_script(&name(&path)) {
                        scripts.push((name(&path), std::fs::read(&path).map_err(file)?.into()));
                    }
                }
                scripts
            }
        };
        scripts.retain(|(name, _)| is_script(name));
        scripts.sort();
        for (name, text) in scripts {
            for part in [name.as_bytes(), &text] {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
        }
        Ok(())
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_script(name: &str) -> bool {
    !name.starts_with('.') && Path::new(name).extension().is_some_and(|extension| extension == "sql")
}

#[cfg(feature = "embed")]
impl From<&'static Dir<'static>> for Migrations {
    fn from(dir: &'static Dir<'static>) -> Self {
        Self(Place::Embedded(dir))
    }
}

impl From<MigrationSet> for Migrations {
    fn from(set: MigrationSet) -> Self {
        Self(Place::Set(Arc::new(set)))
    }
}

impl From<&MigrationSet> for Migrations {
    fn from(set: &MigrationSet) -> Self {
        set.clone().into()
    }
}

impl From<Arc<MigrationSet>> for Migrations {
    fn from(set: Arc<MigrationSet>) -> Self {
        Self(Place::Set(set))
    }
}

impl From<&Path> for Migrations {
    fn from(folder: &Path) -> Self {
        Self(Place::Folder(folder.to_owned()))
    }
}

/// A folder, as seen from the package's own: that is where Cargo runs tests.
impl From<&str> for Migrations {
    fn from(folder: &str) -> Self {
        Path::new(folder).into()
    }
}

impl From<&Self> for Migrations {
    fn from(migrations: &Self) -> Self {
        migrations.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn digest(migrations: impl Into<Migrations>) -> u64 {
        let mut hasher = DefaultHasher::new();
        migrations.into().hash(&mut hasher).unwrap();
        hasher.finish()
    }

    #[test]
    fn the_same_scripts_are_the_same_wherever_they_come_from() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("1_a.up.sql", "CREATE TABLE a ();\n");
        write("1_a.down.sql", "DROP TABLE a;\n");
        let set = MigrationSet::from_directory(folder.path()).unwrap();
        let digests = (digest(folder.path()), digest(&set));
        assert_eq!(digests.0, digests.1);
        write("README.md", "no script");
        assert_eq!(digest(folder.path()), digests.0);
        write("1_a.down.sql", "DROP TABLE  a;\n");
        assert_ne!(digest(folder.path()), digests.0);
    }
}
