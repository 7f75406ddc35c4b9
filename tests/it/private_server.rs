//! The private server of a project, where a Postgres is installed.

use std::fs;
use std::path::PathBuf;
use std::thread;

use stairwell::local::Project;
use stairwell::server::{Home, Server, Status};

use crate::harness::{Outcome, Skip};

crate::trials!(
    the_first_command_makes_a_server_and_the_next_one_finds_it,
    stopping_keeps_the_data_and_takes_the_url_away,
    commands_at_once_start_one_server,
    a_server_whose_socket_was_removed_is_started_anew,
    a_lock_file_with_the_number_of_another_process_is_removed,
    a_server_of_another_target_directory_is_not_left_behind,
    data_of_a_major_version_that_is_not_installed_is_left_alone,
);

/// A project in a folder of its own, whose server is stopped at the end.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Result<Self, Skip> {
        let folder = tempfile::tempdir().unwrap();
        // Root's server runs as another user, who has to get there.
        #[cfg(unix)]
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let bench = Self { folder };
        if bench.server().installed().unwrap().is_empty() {
            return Err(Skip("no Postgres is installed".to_owned()));
        }
        Ok(bench)
    }

    fn project(&self) -> Project {
        let root = self.folder.path().join("shop-api");
        fs::create_dir_all(&root).unwrap();
        Project::new(&root, &self.folder.path().join("a target's \"folder\""))
    }

    fn server(&self) -> Server {
        Server::of(self.project(), |name| std::env::var(name).ok().filter(|_| name == "PATH"))
    }

    /// The URL, and what was said.
    fn ensure(&self) -> (String, Vec<String>) {
        let mut said = Vec::new();
        let url = self.server().ensure(&mut |line| said.push(line.to_owned())).unwrap();
        (url, said)
    }

    fn data(&self) -> PathBuf {
        match self.server().status().unwrap() {
            Status::Running { home: Home::Folder { data, .. }, .. }
            | Status::Stopped { home: Home::Folder { data, .. } } => data,
            other => panic!("{other}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.server().stop(&mut |_| {});
    }
}

fn the_first_command_makes_a_server_and_the_next_one_finds_it() -> Outcome {
    let bench = Bench::new()?;
    let (url, said) = bench.ensure();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(url.starts_with("postgresql:///shop_api_dev?host=/"), "{url}");
    assert_eq!(bench.ensure(), (url.clone(), vec![]));
    assert!(matches!(bench.server().status(), Ok(Status::Running { url: running, .. }) if running == url));
    assert_eq!(fs::read_to_string(bench.project().url_file()).unwrap().trim(), url);
    Ok(())
}

fn stopping_keeps_the_data_and_takes_the_url_away() -> Outcome {
    let bench = Bench::new()?;
    let (url, _) = bench.ensure();
    assert!(bench.server().stop(&mut |_| {}).unwrap());
    assert!(!bench.server().stop(&mut |_| {}).unwrap());
    assert!(!bench.project().url_file().exists());
    assert!(matches!(bench.server().status(), Ok(Status::Stopped { .. })));
    let (again, said) = bench.ensure();
    assert_eq!((again, said.len()), (url, 1), "{said:?}");
    Ok(())
}

fn a_server_whose_socket_was_removed_is_started_anew() -> Outcome {
    let bench = Bench::new()?;
    let (url, _) = bench.ensure();
    let database = stairwell::postgres::Database::parse(&url).unwrap();
    fs::remove_dir_all(&database.hosts()[0]).unwrap();
    assert!(database.connect().is_err());
    let (again, said) = bench.ensure();
    assert!(said.iter().any(|line| line.contains("whose socket was removed")), "{said:?}");
    assert_eq!(again, url);
    assert!(database.connect().is_ok());
    Ok(())
}

fn commands_at_once_start_one_server() -> Outcome {
    let bench = Bench::new()?;
    let results: Vec<_> = thread::scope(|scope| {
        let commands: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.ensure())).collect();
        commands.into_iter().map(|command| command.join().unwrap()).collect()
    });
    let started = results.iter().flat_map(|(_, said)| said).filter(|line| line.starts_with("started"));
    assert_eq!(started.count(), 1);
    assert!(results.iter().all(|(url, _)| *url == results[0].0));
    Ok(())
}

fn a_lock_file_with_the_number_of_another_process_is_removed() -> Outcome {
    let bench = Bench::new()?;
    bench.ensure();
    bench.server().stop(&mut |_| {}).unwrap();
    let lock = bench.data().join("postmaster.pid");
    fs::write(&lock, format!("{}\n{}\n1700000000\n5432\n\n\n\nready\n", std::process::id(), bench.data().display()))
        .unwrap();
    let (_, said) = bench.ensure();
    assert!(said[0].starts_with("removed the stale"), "{said:?}");
    Ok(())
}

fn a_server_of_another_target_directory_is_not_left_behind() -> Outcome {
    let bench = Bench::new()?;
    bench.ensure();
    let Status::Running { .. } = bench.server().status().unwrap() else { panic!("it runs") };
    let project = Project::new(bench.project().root(), &bench.folder.path().join("other"));
    let other = Server::of(project, |name| std::env::var(name).ok().filter(|_| name == "PATH"));
    let mut said = Vec::new();
    let outcome = other.ensure(&mut |line| said.push(line.to_owned()));
    let first = bench.server().status().unwrap();
    other.stop(&mut |_| {}).unwrap();
    outcome.unwrap();
    assert!(said.iter().any(|line| line.starts_with("ending Postgres")), "{said:?}");
    assert!(matches!(first, Status::Stopped { .. }), "{first}");
    // Its data is where it was.
    assert!(bench.data().join("PG_VERSION").is_file());
    Ok(())
}

fn data_of_a_major_version_that_is_not_installed_is_left_alone() -> Outcome {
    let bench = Bench::new()?;
    bench.ensure();
    bench.server().stop(&mut |_| {}).unwrap();
    fs::write(bench.data().join("PG_VERSION"), "8\n").unwrap();
    let error = bench.server().ensure(&mut |_| {}).unwrap_err();
    assert!(error.to_string().starts_with("the project's data is of Postgres 8"), "{error}");
    Ok(())
}
