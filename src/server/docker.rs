//! A project's server in a container, where no Postgres is installed.

use std::ffi::OsString;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use xshell::{Cmd, Shell, cmd};

use super::address::{Address, Answer, Connection};
use super::error::{ServerError, last_lines};

/// The image of a new container, unless `STAIRWELL_PG_IMAGE` names another.
const IMAGE: &str = "postgres:17";

/// Where images keep the data that don't say it in `PGDATA`.
const PGDATA: &str = "/var/lib/postgresql/data";

/// How long a container may take to make its data folder and answer.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(100);

/// A Docker Engine that answers, and the project's container in it, which need not exist.
///
/// Container and volume have the same name. The port is the engine's choice at every start, on the loopback interface:
/// there is no password, so no one else may get there.
pub(super) struct Docker {
    shell: Shell,
    name: String,
    image: Option<String>,
}

/// A container as `docker inspect` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) state: State,
    pub(super) image: String,
}

/// Whether a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Stopped,
}

/// A server that answers.
pub(super) struct Open {
    pub(super) address: Address,
    pub(super) connection: Connection,
}

impl Docker {
    /// Reaches the engine, for the container of the project with this key; or says why it can't.
    ///
    /// `image` is what `STAIRWELL_PG_IMAGE` names.
    pub(super) fn reach(key: &str, image: Option<String>) -> Result<Self, String> {
        let shell = Shell::new().map_err(|error| error.to_string())?;
        let format = "{{.Server.Version}}";
        let version = cmd!(shell, "docker version --format {format}").quiet().ignore_status().output();
        let version = version.map_err(|_| "there is no `docker` to run it in a container either".to_owned())?;
        if !version.status.success() {
            let said = String::from_utf8_lossy(&version.stderr).trim().replace('\n', " ");
            return Err(format!("there is a `docker`, but its engine does not answer: {said}"));
        }
        Ok(Self { shell, name: name(key), image })
    }

    /// The container's name, and its volume's.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The container, if it exists.
    pub(super) fn container(&self) -> Result<Option<Container>, ServerError> {
        let (shell, name) = (&self.shell, &self.name);
        let format = "{{.State.Running}} {{.Config.Image}}";
        let command = cmd!(shell, "docker container inspect --format {format} {name}");
        let shown = command.to_string();
        let output = command.quiet().ignore_status().output().map_err(|error| failed(&shown, &error.to_string()))?;
        if output.status.success() {
            return Ok(Container::parse(&String::from_utf8_lossy(&output.stdout)));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // "No such container", "no such object": the words differ between engines.
        if said.to_ascii_lowercase().contains("no such") { Ok(None) } else { Err(failed(&shown, &said)) }
    }

    /// Starts the container, making it first if there is none, and waits until the server answers.
    pub(super) fn ensure(&self, root: &Path, say: &mut dyn FnMut(&str)) -> Result<Open, ServerError> {
        let (shell, name) = (&self.shell, &self.name);
        match self.container()? {
            None => self.create(root, say)?,
            Some(Container { state: State::Running, .. }) => {}
            Some(Container { state: State::Stopped, image }) => {
                if let Some(wanted) = self.image.as_ref().filter(|wanted| **wanted != image) {
                    say(&format!(
                        "the container {name} has the image {image}, not {wanted}; `docker rm {name}` lets it change"
                    ));
                }
                run(cmd!(shell, "docker start {name}"))?;
                say(&format!("started the container {name}"));
            }
        }
        self.wait()
    }

    fn create(&self, root: &Path, say: &mut dyn FnMut(&str)) -> Result<(), ServerError> {
        let (shell, name) = (&self.shell, &self.name);
        let image = self.image.as_deref().unwrap_or(IMAGE);
        let format = "{{range .Config.Env}}{{println .}}{{end}}";
        let inspect = || cmd!(shell, "docker image inspect --format {format} {image}").quiet();
        let environment = if let Ok(environment) = inspect().ignore_stderr().read() {
            environment
        } else {
            say(&format!("pulling the image {image}"));
            run(cmd!(shell, "docker pull --quiet {image}"))?;
            run(inspect())?
        };
        let mut label = OsString::from("stairwell.project=");
        label.push(root);
        let volume = format!("{name}:{}", mount_point(&environment));
        // Of a container's crash, the host's kernel keeps what was written; a crash of the host may lose the data.
        let settings =
            ["fsync=off", "full_page_writes=off", "synchronous_commit=on"].iter().flat_map(|setting| ["-c", setting]);
        run(cmd!(
            shell,
            "docker run --detach --name {name} --label {label} --volume {volume} --env POSTGRES_HOST_AUTH_METHOD=trust --publish 127.0.0.1::5432 {image} {settings...}"
        ))?;
        say(&format!("started the container {name} of the image {image}, with its data in the volume {name}"));
        Ok(())
    }

    fn wait(&self) -> Result<Open, ServerError> {
        let began = Instant::now();
        loop {
            let last = match self.knock()? {
                Answer::Open(connection) => {
                    return Ok(Open { address: Address::Loopback(self.port()?), connection });
                }
                Answer::NotYet(last) => last,
                Answer::Refused(error) => return Err(error),
            };
            if self.container()?.is_none_or(|container| container.state == State::Stopped) {
                let name = &self.name;
                return Err(ServerError::Docker {
                    command: format!("docker start {name}"),
                    output: self.log(),
                    help: format!(
                        "start afresh, without its data: docker rm --force {name} && docker volume rm {name}"
                    ),
                });
            }
            if began.elapsed() >= PATIENCE {
                return Err(ServerError::NoAnswer {
                    server: format!("Postgres in the container {}", self.name),
                    waited: began.elapsed(),
                    last,
                    place: format!("docker logs {}", self.name),
                    tail: self.log(),
                });
            }
            thread::sleep(PAUSE);
        }
    }

    /// Asks the running container's server once.
    pub(super) fn knock(&self) -> Result<Answer, ServerError> {
        match self.port() {
            Ok(port) => Ok(Address::Loopback(port).knock()),
            // A container that has ended publishes nothing.
            Err(ServerError::Docker { output, .. }) => Ok(Answer::NotYet(output)),
            Err(error) => Err(error),
        }
    }

    /// The port on the loopback interface that leads to the running container's server.
    pub(super) fn port(&self) -> Result<u16, ServerError> {
        let (shell, name) = (&self.shell, &self.name);
        let command = cmd!(shell, "docker port {name} 5432/tcp");
        let shown = command.to_string();
        let said = run(command)?;
        published_port(&said).ok_or_else(|| failed(&shown, &said))
    }

    /// Stops the container if it runs, keeping it and its volume.
    pub(super) fn stop(&self) -> Result<Stopped, ServerError> {
        let (shell, name) = (&self.shell, &self.name);
        if self.container()?.is_none_or(|container| container.state == State::Stopped) {
            return Ok(Stopped::Before);
        }
        run(cmd!(shell, "docker stop --time 30 {name}"))?;
        Ok(Stopped::Now)
    }

    fn log(&self) -> String {
        let (shell, name) = (&self.shell, &self.name);
        let output = cmd!(shell, "docker logs --tail 15 {name}").quiet().ignore_status().output();
        output.map(|output| last_lines(&String::from_utf8_lossy(&output.stderr))).unwrap_or_default()
    }
}

/// When a container stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Just now.
    Now,
    /// It wasn't running, or isn't there.
    Before,
}

impl Container {
    fn parse(text: &str) -> Option<Self> {
        let (running, image) = text.trim().split_once(' ')?;
        let state = if running == "true" { State::Running } else { State::Stopped };
        Some(Self { state, image: image.to_owned() })
    }
}

/// The name of the container and the volume of the project with this key.
pub(super) fn name(key: &str) -> String {
    format!("stairwell-{key}")
}

fn run(command: Cmd<'_>) -> Result<String, ServerError> {
    let shown = command.to_string();
    let output = command.quiet().ignore_status().output().map_err(|error| failed(&shown, &error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(&shown, &String::from_utf8_lossy(&output.stderr)))
    }
}

fn failed(command: &str, output: &str) -> ServerError {
    let help = if command.starts_with("docker pull") {
        "set STAIRWELL_PG_IMAGE to an image of Postgres that `docker images` lists, or set DATABASE_URL"
    } else {
        "install Postgres, or set DATABASE_URL, to do without a container"
    };
    ServerError::Docker { command: command.to_owned(), output: last_lines(output), help: help.to_owned() }
}

/// Where to mount the volume, from an image's environment.
///
/// Since 18, the official images keep the data in a folder per version below the volume they declare
/// ([docker-library/postgres#1259](https://github.com/docker-library/postgres/pull/1259)).
fn mount_point(environment: &str) -> String {
    let data = environment.lines().find_map(|line| line.strip_prefix("PGDATA=")).map_or(PGDATA, str::trim);
    let versioned = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let above: Vec<&str> = data.split('/').take_while(|part| !versioned(part)).collect();
    above.join("/")
}

/// The port in what `docker port` prints: `127.0.0.1:32768`, one line for each address.
fn published_port(text: &str) -> Option<u16> {
    text.lines().find_map(|line| line.trim().rsplit_once(':')?.1.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_mounted_at_the_data_or_above_the_folder_of_its_version() {
        for (environment, expected) in [
            ("PATH=/bin\nPGDATA=/var/lib/postgresql/data\nPG_MAJOR=17\n", "/var/lib/postgresql/data"),
            ("PG_MAJOR=18\nPGDATA=/var/lib/postgresql/18/docker\n", "/var/lib/postgresql"),
            ("PATH=/bin\n", "/var/lib/postgresql/data"),
        ] {
            assert_eq!(mount_point(environment), expected, "{environment}");
        }
    }

    #[test]
    fn the_port_is_read_from_the_first_address() {
        assert_eq!(published_port("127.0.0.1:32768\n"), Some(32768));
        assert_eq!(published_port("0.0.0.0:5000\n[::]:5001\n"), Some(5000));
        assert_eq!(published_port(""), None);
        assert_eq!(published_port("127.0.0.1:99999\n"), None);
    }

    #[test]
    fn a_container_is_read_with_its_state_and_image() {
        let expected = Container { state: State::Running, image: "postgres:17".into() };
        assert_eq!(Container::parse("true postgres:17\n"), Some(expected));
        assert_eq!(Container::parse("false postgres:17").map(|container| container.state), Some(State::Stopped));
        assert_eq!(Container::parse(""), None);
    }
}
