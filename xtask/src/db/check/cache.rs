//! Which migrations were proved already: a line of 16 hexadecimal digits for each.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use stairwell::Checksum;
use stairwell::migration::{Migration, Script};

use crate::context::Context;

/// The file's name.
const FILE: &str = "proved";
/// So many lines of branches of long ago are kept.
const MOST: usize = 20_000;

/// What was proved on this machine.
pub(super) struct Cache {
    file: Option<PathBuf>,
    known: BTreeSet<String>,
}

impl Cache {
    /// What the file of the project has; without a project there is none.
    pub(super) fn open(context: &Context) -> Self {
        let file = context.cache(FILE);
        let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let known = text.lines().map(str::to_owned).collect();
        Self { file, known }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.known.contains(key)
    }

    /// Forgets all but these, if they have become too many.
    pub(super) fn tidy(&mut self, current: &[String]) {
        if self.known.len() > MOST {
            self.known.retain(|key| current.contains(key));
            let text = self.known.iter().fold(String::new(), |text, key| text + key + "\n");
            if let Some(file) = &self.file {
                let _ = fs::write(file, text);
            }
        }
    }

    /// Adds one at once, so that a check that is interrupted need not begin anew. What cannot be written is proved again.
    pub(super) fn add(&mut self, key: &str) {
        if let Some(file) = &self.file
            && self.known.insert(key.to_owned())
        {
            let _ = fs::create_dir_all(file.parent().unwrap_or(file));
            let append = OpenOptions::new().create(true).append(true).open(file);
            let _ = append.and_then(|mut file| file.write_all(format!("{key}\n").as_bytes()));
        }
    }
}

/// For each migration, a digest of its scripts, of the up scripts before it, of the server's major version, and of what looks at it.
pub(super) fn keys(migrations: &[Migration], server: u32) -> Vec<String> {
    let mut before = Checksum::of(format!("{server} {}", env!("CARGO_PKG_VERSION")));
    let key = |migration: &Migration| {
        before = Checksum::of(format!("{before} {} {}", migration.id(), migration.up.checksum()));
        let down = migration.down.as_ref().map(Script::checksum);
        let key = Checksum::of(format!("{before} {}", down.map_or("none".to_owned(), |down| down.to_string())));
        key.to_string().get(..16).unwrap_or_default().to_owned()
    };
    migrations.iter().map(key).collect()
}
