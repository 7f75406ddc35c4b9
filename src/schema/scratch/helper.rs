//! A second connection, which makes and drops databases while the first is in use: each of both takes the server a third of a second,
//! most of which it waits for the disk.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use super::live;
use crate::postgres::{Database, Session};

/// What the thread is asked for. It does one after the other.
enum Job {
    /// Make a database by this statement, and say whether it succeeded.
    Make { name: String, statement: String, says: Sender<bool> },
    /// Drop one.
    Drop { name: String },
}

/// The thread that has the connection.
pub(super) struct Helper {
    jobs: Sender<Job>,
    thread: JoinHandle<Vec<String>>,
}

/// A database that is being made.
pub(super) struct Ahead {
    pub(super) name: String,
    made: Receiver<bool>,
}

impl Helper {
    /// Starts it; `None` where there can be no thread.
    pub(super) fn start(at: &Database) -> Option<Self> {
        let at = at.clone();
        let (jobs, asked) = mpsc::channel();
        let thread =
            thread::Builder::new().name("scratch databases".to_owned()).spawn(move || work(&at, &asked)).ok()?;
        Some(Self { jobs, thread })
    }

    /// Begins to make a database.
    pub(super) fn make(&self, name: String, statement: String) -> Ahead {
        let (says, made) = mpsc::channel();
        // Where nobody hears it, nobody answers, and it was not made.
        let _ = self.jobs.send(Job::Make { name: name.clone(), statement, says });
        Ahead { name, made }
    }

    /// Begins to drop one.
    pub(super) fn drop_database(&self, name: String) -> Result<(), String> {
        self.jobs.send(Job::Drop { name }).map_err(|unheard| match unheard.0 {
            Job::Drop { name } | Job::Make { name, .. } => name,
        })
    }

    /// Waits until all is done; the names of what it could not drop.
    pub(super) fn end(self) -> Vec<String> {
        drop(self.jobs);
        self.thread.join().unwrap_or_default()
    }
}

impl Ahead {
    /// Waits for it; its name if it was made.
    pub(super) fn made(self) -> Option<String> {
        let is_made = self.made.recv().unwrap_or(false);
        if !is_made {
            live::ended(&self.name);
        }
        is_made.then_some(self.name)
    }
}

/// A server that has no connection to spare makes nothing here, and the first connection does it.
fn work(at: &Database, jobs: &Receiver<Job>) -> Vec<String> {
    let mut session = Session::open(at).ok();
    let mut left = Vec::new();
    for job in jobs {
        match (job, &mut session) {
            (Job::Make { name, statement, says }, session) => {
                live::begins(at, &name);
                let is_made = session.as_mut().is_some_and(|session| session.send(&statement).is_ok());
                let _ = says.send(is_made);
            }
            (Job::Drop { name }, Some(session)) => {
                live::drop_database(session, at, &name);
                live::ended(&name);
            }
            (Job::Drop { name }, None) => left.push(name),
        }
    }
    left
}
