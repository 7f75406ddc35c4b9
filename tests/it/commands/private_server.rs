//! The private server, through the commands of a workspace in which nothing is configured.

#[cfg(not(unix))]
use crate::harness::{Outcome, Skip};

crate::trials!(
    with_nothing_configured_a_private_server_serves,
    server_commands_say_when_another_database_is_configured
);

#[cfg(not(unix))]
fn with_nothing_configured_a_private_server_serves() -> Outcome {
    Err(Skip("private servers are tested on Unix".to_owned()))
}

#[cfg(not(unix))]
fn server_commands_say_when_another_database_is_configured() -> Outcome {
    Err(Skip("private servers are tested on Unix".to_owned()))
}

#[cfg(unix)]
use unix::{server_commands_say_when_another_database_is_configured, with_nothing_configured_a_private_server_serves};

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::process::Command;

    use stairwell::local::Project;
    use stairwell::postgres::Database;

    use super::super::case::{A, B};
    use crate::harness::files::Workspace;
    use crate::harness::xtask::{self, Ran};
    use crate::harness::{Outcome, Skip};

    /// A Cargo workspace whose server is stopped and removed at the end, also after a panic.
    struct Private {
        workspace: Workspace,
        project: Project,
    }

    impl Private {
        fn new() -> Self {
            let workspace = Workspace::with(&[A, B]);
            fs::write(workspace.path().join("Cargo.toml"), "[workspace]\n").unwrap();
            let project = Project::discover(workspace.path()).unwrap();
            assert_eq!(project.root(), workspace.path().canonicalize().unwrap());
            Self { workspace, project }
        }

        fn command(&self, arguments: &[&str]) -> Command {
            let mut command = xtask::db(self.workspace.path(), arguments);
            // A container would be the way out where no Postgres is installed; this is about the other one.
            command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
            command
        }

        fn db(&self, arguments: &[&str]) -> Ran {
            xtask::run(&mut self.command(arguments))
        }
    }

    impl Drop for Private {
        fn drop(&mut self) {
            let ran = self.db(&["server", "stop"]);
            if ran.code != 0 {
                eprintln!("private server of a test: {}", ran.stderr);
            }
            drop(fs::remove_dir_all(self.project.server_dir()));
            // Where root's server keeps its data and its socket.
            for folder in ["/var/tmp", "/tmp"] {
                let entries = fs::read_dir(folder).into_iter().flatten().flatten();
                let ours =
                    |name: &str| name.starts_with("stairwell-") && name.ends_with(&format!("-{}", self.project.key()));
                entries
                    .filter(|entry| ours(&entry.file_name().to_string_lossy()))
                    .for_each(|entry| drop(fs::remove_dir_all(entry.path())));
            }
        }
    }

    pub(super) fn with_nothing_configured_a_private_server_serves() -> Outcome {
        let private = Private::new();
        let status = private.db(&["server", "status"]).ok();
        assert!(status.stdout.starts_with("not created"), "{}", status.stdout);
        assert!(!private.project.server_dir().exists(), "looking creates nothing");
        let url = private.db(&["server", "url"]).exits(4);
        assert!(url.stdout.is_empty() && url.stderr.contains("cargo xtask db server start"), "{}", url.stderr);
        let url = private.db(&["url"]).exits(4);
        assert!(url.stdout.is_empty() && url.stderr.contains("cargo xtask db server start"), "{}", url.stderr);
        let wait = private.db(&["wait", "--timeout", "300ms"]).exits(4);
        assert!(wait.stderr.contains("and still: the private server does not run"), "{}", wait.stderr);
        assert!(!private.project.server_dir().exists(), "waiting creates nothing");
        let stop = private.db(&["server", "stop"]).ok();
        assert!(stop.stderr.contains("it does not run"), "{}", stop.stderr);

        let up = private.db(&["up"]);
        if up.code == 4 && up.stderr.contains("no Postgres to run one with") {
            return Err(Skip(format!("no local Postgres: {}", up.stderr.lines().next().unwrap_or_default())));
        }
        let up = up.ok();
        assert!(up.stderr.contains("2 applied"), "{}", up.stderr);

        let url = private.db(&["server", "url"]).ok();
        assert_eq!(url.stdout.lines().count(), 1, "{}", url.stdout);
        assert_eq!(fs::read_to_string(private.project.url_file()).unwrap(), url.stdout, "where the app looks for it");
        let mut client = Database::parse(url.stdout.trim()).unwrap().connect().unwrap();
        assert_eq!(client.query_one("select count(*) from stairwell.ledger", &[]).unwrap().get::<_, i64>(0), 2);
        drop(client);
        private.db(&["wait", "--for", "head"]).ok();
        let same = Database::parse(private.db(&["url"]).ok().stdout.trim()).unwrap();
        assert!(same == Database::parse(url.stdout.trim()).unwrap());
        let status = private.db(&["server", "status"]).ok();
        assert!(status.stdout.starts_with("running") && status.stdout.contains(url.stdout.trim()), "{}", status.stdout);
        let json = private.db(&["server", "status", "--json"]).ok().stdout;
        for field in ["\"state\": \"running\"".to_owned(), format!("\"url\": \"{}\"", url.stdout.trim())] {
            assert!(json.contains(&field), "{field} in {json}");
        }
        let again = private.db(&["server", "start"]).ok();
        assert_eq!(again.stdout, url.stdout, "the one that runs is found");

        private.db(&["reset"]).ok();
        let stop = private.db(&["server", "stop"]).ok();
        assert!(stop.stderr.contains("stopped Postgres"), "{}", stop.stderr);
        assert!(!private.project.url_file().exists());
        let status = private.db(&["server", "status"]).ok();
        assert!(status.stdout.starts_with("stopped"), "{}", status.stdout);
        private.db(&["server", "url"]).exits(4);

        let up = private.db(&["up"]).ok();
        assert!(up.stderr.contains("nothing to apply"), "its data stays: {}", up.stderr);
        Ok(())
    }

    pub(super) fn server_commands_say_when_another_database_is_configured() -> Outcome {
        let private = Private::new();
        let ran =
            xtask::run(private.command(&["server", "status"]).env("DATABASE_URL", "postgresql://localhost/shop")).ok();
        assert!(ran.stderr.contains("note: a database is configured"), "{}", ran.stderr);
        Ok(())
    }
}
