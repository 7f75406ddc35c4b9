//! The migrations that are measured, in a folder that looks like a workspace.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use stairwell::MigrationSet;
use tempfile::TempDir;

/// `count` migrations, each a table with a key, a foreign key to the table before, and an index.
pub(crate) struct Chain {
    folder: TempDir,
    pub(crate) count: usize,
    /// Bytes of all scripts, up and down.
    pub(crate) bytes: usize,
}

impl Chain {
    /// Writes them, locked, and beside them the same SQL for psql.
    pub(crate) fn write(count: usize) -> Result<Self, Box<dyn Error>> {
        let chain = Self { folder: tempfile::tempdir()?, count, bytes: 0 };
        // What makes the folder a workspace of its own for xtask.
        fs::write(chain.folder.path().join("Cargo.lock"), "version = 4\n")?;
        fs::create_dir(chain.migrations())?;
        let (mut all, mut back, mut bytes) = (String::new(), Vec::new(), 0);
        for n in 1..=count {
            let (up, down) = (up(n), format!("DROP TABLE t{n:04};\n"));
            let id = format!("{}_create_t{n:04}", 20_240_101_000_000 + n);
            fs::write(chain.migrations().join(format!("{id}.up.sql")), &up)?;
            fs::write(chain.migrations().join(format!("{id}.down.sql")), &down)?;
            bytes += up.len() + down.len();
            all.push_str(&up);
            back.push(down);
        }
        back.reverse();
        fs::write(chain.all(), all)?;
        fs::write(chain.back(), back.concat())?;
        let set = MigrationSet::from_directory(chain.migrations())?;
        fs::write(chain.migrations().join("stairwell.lock"), set.lock().to_string())?;
        Ok(Self { bytes, ..chain })
    }

    /// The workspace.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Its migrations.
    pub(crate) fn migrations(&self) -> PathBuf {
        self.folder.path().join("migrations")
    }

    /// All up scripts in one file.
    pub(crate) fn all(&self) -> PathBuf {
        self.folder.path().join("all.sql")
    }

    /// All down scripts in one file, newest first.
    pub(crate) fn back(&self) -> PathBuf {
        self.folder.path().join("down.sql")
    }
}

fn up(n: usize) -> String {
    let key = if n > 1 { format!(" REFERENCES t{:04} (id)", n - 1) } else { String::new() };
    format!(
        "CREATE TABLE t{n:04} (\n    id bigint PRIMARY KEY,\n    prev_id bigint{key},\n    name text NOT NULL,\n    \
         amount numeric(12,2) NOT NULL DEFAULT 0,\n    created_at timestamptz NOT NULL DEFAULT now()\n);\n\
         CREATE INDEX t{n:04}_prev_id_idx ON t{n:04} (prev_id);\n"
    )
}
