//! The library in a process of its own: what is timed from outside, as psql is, and what memory it took.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use stairwell::postgres::{Database, Migrator};
use stairwell::{MigrationSet, Target};

const JOB: &str = "STAIRWELL_BENCH_JOB";

/// What a child does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Job {
    Up,
    Down,
}

/// The command that starts this program again for a job: the folder of migrations, the database.
pub(crate) fn command(job: Job, folder: &Path, url: &str) -> Result<Command, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    let job = match job {
        Job::Up => "up",
        Job::Down => "down",
    };
    command.env(JOB, job).arg(folder).arg(url);
    Ok(command)
}

/// Does the job, if this process was started for one, and else measures. A job prints by how many KiB its memory grew, where the system
/// tells.
pub(crate) fn main_or(measure: impl FnOnce() -> Result<(), Box<dyn Error>>) -> ExitCode {
    let outcome = std::env::var(JOB).map_or_else(|_| measure(), |job| run(&job));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(job: &str) -> Result<(), Box<dyn Error>> {
    let before = memory("VmRSS:");
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(url)) = (arguments.next(), arguments.next()) else {
        return Err("a folder and a URL".into());
    };
    let set = MigrationSet::from_directory(folder)?;
    let mut migrator = Migrator::new(&set);
    let database = Database::parse(&url)?;
    match job {
        "up" => migrator.up(&database, Target::Head)?,
        _ => migrator.down(&database, Target::Base)?,
    };
    if let (Some(before), Some(most)) = (before, memory("VmHWM:")) {
        println!("{}", most - before);
    }
    Ok(())
}

/// KiB, by this line of `/proc/self/status` (proc_pid_status(5)).
fn memory(line: &str) -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|text| text.strip_prefix(line))?.split_whitespace().next()?.parse().ok()
}
