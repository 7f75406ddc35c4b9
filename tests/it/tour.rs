//! The README's tour: the real binaries, built by the real Cargo, in a copy of the workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::FlockOperation;
use stairwell::local::Project;
use stairwell::server::Server;

use crate::harness::app::App;
use crate::harness::shared::checkout;
use crate::harness::xtask::{Ran, clean, run};
use crate::harness::{Outcome, Skip};

crate::trials!(the_five_minute_tour_of_the_readme);

/// The copy, its target folder, and the private server that it may have started.
struct Copy {
    folder: PathBuf,
    target: PathBuf,
    _held: Held,
}

/// What keeps the copy's folder for this run alone: dropped, the lock is free, or the folder gone.
enum Held {
    Lock { _file: fs::File },
    Own { _folder: tempfile::TempDir },
}

impl Copy {
    fn new() -> Self {
        let source = checkout("");
        // The target folder of this run has the dependencies built already.
        let target = std::env::current_exe()
            .unwrap()
            .ancestors()
            .find(|path| path.join("CACHEDIR.TAG").is_file())
            .unwrap()
            .to_owned();
        let (folder, held) = place(&target);
        for name in [
            "Cargo.toml",
            "Cargo.lock",
            ".cargo",
            "src",
            "macros",
            "xtask",
            "app",
            "migrations",
            "tests",
            "benches",
            "README.md",
        ] {
            copy(&source.join(name), &folder.join(name));
        }
        Self { folder, target, _held: held }
    }

    fn server(&self) -> Server {
        Server::of(self.project(), |name| std::env::var(name).ok())
    }

    fn project(&self) -> Project {
        Project::new(&self.folder, &self.target)
    }

    fn migrations(&self) -> PathBuf {
        self.folder.join("migrations")
    }

    /// `cargo …` in the copy, with nothing configured.
    fn cargo(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO"));
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        clean(&mut command);
        // What the cargo that runs the tests says of them, and a person's shell does not. Where it changes, ring is compiled again, and with it
        // most of what is here; and once more when the tests have ended.
        for (name, _) in std::env::vars_os() {
            let said = name.to_string_lossy();
            if said.starts_with("CARGO_MANIFEST_") || said.starts_with("CARGO_PKG_") {
                command.env_remove(name);
            }
        }
        command.env("CARGO_TARGET_DIR", &self.target).env("NO_COLOR", "1").env("CARGO_TERM_COLOR", "never");
        run(&mut command)
    }

    /// `cargo xtask db …`
    fn db(&self, arguments: &[&str]) -> Ran {
        self.cargo(&[&["xtask", "db"], arguments].concat())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let server = self.server();
        if let Err(error) = server.stop(&mut |_| {}) {
            eprintln!("the tour's server could not be stopped: {error}");
        }
        let folder = self.project().server_dir();
        if let Err(error) = fs::remove_dir_all(&folder) {
            eprintln!("{} stays behind: {error}", folder.display());
        }
    }
}

/// Where the copy is: always the same folder, which is empty now. What Cargo made of the workspace there is not made again by the next run:
/// that is most of what the tour takes. Another run at the same time has a folder of its own.
fn place(target: &Path) -> (PathBuf, Held) {
    let file = fs::File::create(target.join("tour.lock")).unwrap();
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let own = tempfile::tempdir().unwrap();
        return (own.path().to_owned(), Held::Own { _folder: own });
    }
    let folder = target.join("tour");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir(&folder).unwrap();
    (folder, Held::Lock { _file: file })
}

/// With the times at which files were changed, which is what Cargo looks at.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if from.is_file() {
        fs::copy(from, to).unwrap();
        let changed = fs::metadata(from).unwrap().modified().unwrap();
        fs::File::options().write(true).open(to).unwrap().set_modified(changed).unwrap();
    }
}

/// What `cargo run -p app` runs, with nothing configured. Cargo would not hand on the signal to stop.
fn the_backend_finds_the_same_database(copy: &Copy, newest: &Path) {
    let mut command = Command::new(copy.target.join("debug/app"));
    clean(&mut command);
    let app = App::start(command.env("LISTEN_ADDR", "127.0.0.1:0").current_dir(&copy.folder));
    let line = app.line("Database migrations completed applied=0");
    app.line("Serving requests");
    let health = app.health("ready");
    let current = health["current"].as_str().unwrap();
    assert!(newest.ends_with(format!("{current}.up.sql")), "{health}");
    assert!(line.contains(current.split('_').next().unwrap()), "{line}");
    assert_eq!(app.stop().0, 0);
}

fn the_five_minute_tour_of_the_readme() -> Outcome {
    let copy = Copy::new();
    let up = copy.db(&["up"]);
    if up.code == 4 {
        return Err(Skip(format!(
            "no Postgres for a private server: {}",
            up.stderr.lines().find(|line| line.starts_with("error")).unwrap_or_default()
        )));
    }
    let up = up.ok();
    assert_eq!(up.stderr.matches("  applied [").count(), 10, "{}", up.stderr);
    let status = copy.db(&["status"]).ok();
    assert!(status.stdout.contains("10 applied, 0 pending"), "{}", status.stdout);

    // A new migration, from empty files to applied, and back and forth.
    let new = copy.db(&["new", "add_phone_to_users"]).ok();
    let files: Vec<PathBuf> = new.stdout.lines().map(|line| copy.folder.join(line)).collect();
    let [up_file, down_file] = files.as_slice() else { panic!("{}", new.stdout) };
    let build = copy.cargo(&["build"]);
    assert_ne!(build.code, 0);
    assert!(build.stderr.contains("[empty]") && build.stderr.contains("add_phone_to_users.up.sql"), "{}", build.stderr);
    fs::write(up_file, "alter table users add column phone text;\n").unwrap();
    fs::write(down_file, "alter table users drop column phone;\n").unwrap();
    let build = copy.cargo(&["build"]).ok();
    assert!(build.stderr.contains("warning: app@0.1.0: [not-locked]"), "{}", build.stderr);
    let up = copy.db(&["up"]).ok();
    assert!(up.stderr.contains("add_phone_to_users") && up.stderr.contains("locked 2 files"), "{}", up.stderr);
    let down = copy.db(&["down"]).ok();
    assert!(down.stderr.contains("undone [1/1]") && down.stderr.contains("add_phone_to_users"), "{}", down.stderr);
    copy.db(&["up"]).ok();
    let build = copy.cargo(&["build"]).ok();
    assert!(!build.stderr.contains("warning: app"), "{}", build.stderr);
    the_backend_finds_the_same_database(&copy, up_file);

    // An unchanged tree runs the check no more.
    let again = copy.cargo(&["build", "-v"]).ok();
    assert!(again.stderr.contains("Fresh app") && !again.stderr.contains("build-script-build"), "{}", again.stderr);

    // An applied file is edited: the build refuses, and says the way out.
    let text = fs::read_to_string(up_file).unwrap();
    fs::write(up_file, text.replace("phone text", "phone text not null default ''")).unwrap();
    let build = copy.cargo(&["build"]);
    assert_ne!(build.code, 0);
    for words in
        ["error: app@0.1.0: [edited]", "add_phone_to_users.up.sql", "git checkout", "cargo xtask db redo --to "]
    {
        assert!(build.stderr.contains(words), "{words} in {}", build.stderr);
    }
    let command = build
        .stderr
        .split("`cargo xtask db ")
        .find_map(|rest| rest.split('`').next().filter(|c| c.starts_with("redo")))
        .unwrap();
    copy.db(&command.split(' ').collect::<Vec<_>>()).ok();
    copy.cargo(&["build"]).ok();
    // Release builds want everything locked, and it is.
    assert!(copy.db(&["lock", "--check"]).ok().stderr.contains("11 migrations"));

    // Adding, renaming and deleting a file each trigger the check.
    let stray = copy.migrations().join("stray.sql");
    fs::write(&stray, "select 1;").unwrap();
    assert!(copy.cargo(&["build"]).stderr.contains("`stray.sql` is not the name of a migration"));
    fs::remove_file(&stray).unwrap();
    copy.cargo(&["build"]).ok();
    let hidden = copy.folder.join("hidden.sql");
    fs::rename(down_file, &hidden).unwrap();
    assert!(copy.cargo(&["build"]).stderr.contains("[missing"));
    fs::rename(&hidden, down_file).unwrap();
    copy.cargo(&["build"]).ok();
    copy.db(&["reset"]).ok();
    assert!(copy.db(&["status"]).ok().stdout.contains("11 applied, 0 pending"));
    Ok(())
}
