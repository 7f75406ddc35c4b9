//! A set of migrations: ordered, complete, checked.

mod inspection;
mod lock_check;

use std::fmt;
use std::path::Path;

pub use inspection::Inspection;
pub(crate) use inspection::Source;

use crate::checksum::Checksum;
use crate::diagnostic::Diagnostic;
use crate::directory::{self, FolderError};
use crate::lock::Lock;
use crate::migration::Migration;
use crate::version::Version;

/// Migrations in version order, without a defect that would keep them from running.
#[derive(Debug, Clone, Default)]
pub struct MigrationSet {
    migrations: Vec<Migration>,
}

/// Everything that is wrong with a set. `Display` gives all findings, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings(pub Vec<Diagnostic>);

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, finding) in self.0.iter().enumerate() {
            write!(f, "{}{finding}", if n == 0 { "" } else { "\n\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// A set could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Something is wrong with the files.
    #[error("the migrations cannot be used as they are:\n\n{0}")]
    Findings(#[from] Findings),
}

impl MigrationSet {
    /// Reads and checks a folder. Migrations that are not locked yet are taken; everything else that is wrong is an error.
    pub fn from_directory(folder: impl AsRef<Path>) -> Result<Self, SetError> {
        Ok(directory::inspect(folder.as_ref())?.into_locked_set()?)
    }

    /// Reads and checks what `include_dir!` put into the binary, by the same rules.
    #[cfg(feature = "embed")]
    pub fn from_embedded(dir: &include_dir::Dir<'static>) -> Result<Self, SetError> {
        Ok(crate::embedded::inspect(dir).into_locked_set()?)
    }

    /// The migrations in version order.
    pub fn migrations(&self) -> &[Migration] {
        &self.migrations
    }

    /// The migration of this version.
    pub fn get(&self, version: Version) -> Option<&Migration> {
        let at = self.migrations.binary_search_by_key(&version, |m| m.version).ok()?;
        self.migrations.get(at)
    }

    /// The newest migration.
    pub fn head(&self) -> Option<&Migration> {
        self.migrations.last()
    }

    /// The oldest migration, if it stands for others that it squashes.
    pub fn baseline(&self) -> Option<&Migration> {
        self.migrations.first().filter(|migration| !migration.squashes().is_empty())
    }

    /// The lock that fits the files as they are.
    pub fn lock(&self) -> Lock {
        Lock::of(&self.migrations)
    }

    /// The digest over all files: equal for two sets exactly if every file is.
    pub fn digest(&self) -> Checksum {
        self.lock().digest()
    }
}

#[cfg(test)]
mod tests;
