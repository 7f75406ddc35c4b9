//! Where a project keeps the database of its developer.
//!
//! With nothing configured, `cargo xtask db up` runs a private Postgres for the project and leaves its URL in a file under
//! the target directory. This module is the agreement between the two sides: xtask writes what [`Project`] names, and the
//! app asks [`database_url`] for it, so that `cargo run -p app` works right after `db up`.
//!
//! ```no_run
//! # use std::path::Path;
//! let url = std::env::var("DATABASE_URL")
//!     .ok()
//!     .or_else(|| stairwell::local::database_url(Path::new(env!("CARGO_MANIFEST_DIR"))));
//! ```
//!
//! It only reads: nothing here starts a server, connects, or writes a file.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The longest name Postgres keeps, in bytes (`NAMEDATALEN - 1`, [Identifiers][manual]); it cuts longer ones silently.
///
/// [manual]: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
const LONGEST_NAME: usize = 63;

/// What tells a developer's database from others on a server that has more than this project's.
const DATABASE_SUFFIX: &str = "_dev";

/// A Cargo workspace, and the directory its builds go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    root: PathBuf,
    target: PathBuf,
    purpose: Purpose,
}

/// Which of a project's servers is meant. Tests have one of their own: the roles that a migration makes are the whole server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Development,
    Tests,
}

impl Project {
    /// Names a project by its two folders, for a caller that knows them.
    ///
    /// `root` is made canonical where it exists, so that a link to a project is that project.
    pub fn new(root: &Path, target: &Path) -> Self {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Self { root, target: target.to_owned(), purpose: Purpose::Development }
    }

    /// Finds the project that `start` is in, and the target directory that the running program was built into.
    ///
    /// The root is the nearest folder at or above `start` with a `Cargo.lock`; without one, the topmost with a `Cargo.toml`
    /// that has a `[workspace]`, or else the nearest with a `Cargo.toml`. The target directory is the nearest folder above
    /// the running program that Cargo tagged with a `CACHEDIR.TAG`, which follows `CARGO_TARGET_DIR` and `build.target-dir`
    /// wherever they pointed at build time; without one it is `target` in the root.
    ///
    /// `None` when there is no `Cargo.toml` at or above `start`.
    pub fn discover(start: &Path) -> Option<Self> {
        let root = workspace_root(&start.canonicalize().ok()?)?;
        let target = std::env::current_exe()
            .ok()
            .and_then(|program| tagged_ancestor(&program))
            .unwrap_or_else(|| root.join("target"));
        Some(Self { root, target, purpose: Purpose::Development })
    }

    /// The same project with the server of its tests: another key, and so another folder, socket and database.
    #[must_use]
    pub fn for_tests(&self) -> Self {
        Self { purpose: Purpose::Tests, ..self.clone() }
    }

    /// The workspace's root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory that Cargo builds into.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Eight hexadecimal digits that tell this project from others: the start of the SHA-256 of the root's path (and of a word more for its
    /// tests).
    ///
    /// Several projects may share one target directory, and all share one `/tmp`.
    pub fn key(&self) -> String {
        let mut digest = Sha256::new_with_prefix(self.root.as_os_str().as_encoded_bytes());
        if self.purpose == Purpose::Tests {
            // No path has this.
            digest.update(b"\0tests");
        }
        let digest: [u8; 32] = digest.finalize().into();
        let [a, b, c, d, ..] = digest;
        format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
    }

    /// The folder of the project's private server: `<target>/stairwell/<key>`. It need not exist.
    pub fn server_dir(&self) -> PathBuf {
        self.target.join("stairwell").join(self.key())
    }

    /// The file that holds the URL of the project's database, one line, while xtask has a server for it.
    pub fn url_file(&self) -> PathBuf {
        self.server_dir().join("url")
    }

    /// The name of the project's database: the root folder's name as a plain SQL identifier, then `_dev`.
    ///
    /// `shop-api` gives `shop_api_dev`. At most 63 bytes; a root without a name (`/`) gives `app_dev`.
    pub fn database(&self) -> String {
        database_name(&self.root.file_name().unwrap_or_default().to_string_lossy())
    }
}

/// The URL of the database that `cargo xtask db` runs for the project of `manifest_dir`, if there is one.
///
/// `manifest_dir` is the app's `env!("CARGO_MANIFEST_DIR")`. Only builds with debug assertions look; a release build
/// always gets `None`, so that a deployed program can't pick up a developer's database by being run on his machine.
///
/// The answer says that xtask started a server, not that it still runs: after a reboot the URL is stale until the next
/// `cargo xtask db up`, and connecting to it fails.
pub fn database_url(manifest_dir: &Path) -> Option<String> {
    if !cfg!(debug_assertions) {
        return None;
    }
    let project = Project::discover(manifest_dir)?;
    // With Cargo's `build.build-dir`, test binaries are in a tagged directory that isn't the one xtask runs from.
    let beside_sources = Project { target: project.root.join("target"), ..project.clone() };
    [project, beside_sources].iter().find_map(|project| read_url(&project.url_file()))
}

fn read_url(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let url = text.trim();
    (!url.is_empty()).then(|| url.to_owned())
}

fn workspace_root(start: &Path) -> Option<PathBuf> {
    // A lock without a manifest is a stray file, not a workspace.
    let packages: Vec<&Path> = start.ancestors().filter(|dir| dir.join("Cargo.toml").is_file()).collect();
    let locked = packages.iter().find(|dir| dir.join("Cargo.lock").is_file());
    let topmost = || {
        let declares =
            |dir: &&&Path| fs::read_to_string(dir.join("Cargo.toml")).is_ok_and(|text| declares_workspace(&text));
        packages.iter().rfind(declares)
    };
    locked.or_else(topmost).or(packages.first()).map(|dir| dir.to_path_buf())
}

fn declares_workspace(manifest: &str) -> bool {
    manifest.lines().map(str::trim_start).any(|line| line.starts_with("[workspace]") || line.starts_with("[workspace."))
}

fn tagged_ancestor(program: &Path) -> Option<PathBuf> {
    program.ancestors().skip(1).find(|dir| dir.join("CACHEDIR.TAG").is_file()).map(Path::to_path_buf)
}

fn database_name(folder: &str) -> String {
    let mut name = String::new();
    for letter in folder.chars() {
        match letter.to_ascii_lowercase() {
            plain @ ('a'..='z' | '0'..='9') => name.push(plain),
            _ if name.ends_with('_') || name.is_empty() => {}
            _ => name.push('_'),
        }
    }
    name.truncate(LONGEST_NAME - DATABASE_SUFFIX.len() - 1);
    let stem = match name.trim_end_matches('_') {
        "" => "app".to_owned(),
        // An identifier can't begin with a digit unless it is quoted, everywhere, forever.
        digits if digits.starts_with(|first: char| first.is_ascii_digit()) => format!("_{digits}"),
        plain => plain.to_owned(),
    };
    stem + DATABASE_SUFFIX
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// A folder of our own under the system's temporary one, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("stairwell-local-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path.canonicalize().unwrap())
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_nearest_lock_file_marks_the_root() {
        let folder = Folder::new("lock");
        folder.file("Cargo.toml", "[workspace]");
        folder.file("inner/Cargo.toml", "[workspace]");
        folder.file("inner/Cargo.lock", "");
        folder.file("inner/app/Cargo.toml", "[package]");
        assert_eq!(workspace_root(&folder.0.join("inner/app")), Some(folder.0.join("inner")));
    }

    #[test]
    fn without_a_lock_file_the_topmost_workspace_is_the_root() {
        let folder = Folder::new("topmost");
        folder.file("Cargo.toml", "[package]\nname = \"x\"\n\n  [workspace]\n");
        folder.file("app/Cargo.toml", "[package]\n# [workspace]\n");
        assert_eq!(workspace_root(&folder.0.join("app")), Some(folder.0.clone()));
    }

    #[test]
    fn the_target_directory_is_the_one_that_cargo_tagged_above_the_program() {
        let folder = Folder::new("tag");
        folder.file("out/CACHEDIR.TAG", "");
        let program = folder.file("out/x86_64-unknown-linux-musl/debug/deps/app", "");
        assert_eq!(tagged_ancestor(&program), Some(folder.0.join("out")));
    }

    #[test]
    fn a_key_is_eight_hexadecimal_digits_of_the_root_path() {
        let project = |root: &str| Project { root: root.into(), target: "/t".into(), purpose: Purpose::Development };
        let key = |root: &str| project(root).key();
        // printf %s /srv/shop | sha256sum
        assert_eq!(key("/srv/shop"), "e7c7ea0b");
        assert_ne!(key("/srv/shop"), key("/srv/other"));
        assert_ne!(key("/srv/shop"), project("/srv/shop").for_tests().key());
    }

    #[test]
    fn the_server_folder_is_under_the_target_directory() {
        let project = Project { root: "/srv/shop".into(), target: "/out".into(), purpose: Purpose::Development };
        assert_eq!(project.url_file(), Path::new("/out/stairwell").join(project.key()).join("url"));
    }

    #[test]
    fn a_database_is_named_after_the_folder_as_a_plain_identifier() {
        for (folder, name) in [
            ("main", "main_dev"),
            ("Shop-API", "shop_api_dev"),
            ("it's \"mine\"", "it_s_mine_dev"),
            ("süß", "s_dev"),
            ("日本", "app_dev"),
            ("2048", "_2048_dev"),
            ("", "app_dev"),
            ("--x--", "x_dev"),
        ] {
            assert_eq!(database_name(folder), name, "{folder}");
        }
    }

    #[test]
    fn a_long_folder_name_still_fits_an_identifier() {
        for folder in ["a".repeat(200), "9".repeat(200)] {
            let name = database_name(&folder);
            assert!(name.len() <= LONGEST_NAME && name.ends_with("_dev"), "{name}");
        }
    }

    #[test]
    fn an_empty_url_file_is_none() {
        let folder = Folder::new("url");
        assert_eq!(read_url(&folder.file("url", "postgresql:///x\n")).as_deref(), Some("postgresql:///x"));
        assert_eq!(read_url(&folder.file("empty", "\n")), None);
        assert_eq!(read_url(&folder.0.join("missing")), None);
    }
}
