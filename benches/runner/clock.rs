//! Times from outside, on a machine that may be busy.

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What one run took.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) wall: Duration,
    /// What it printed.
    pub(crate) said: String,
}

/// What was measured for one thing, in several rounds.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
        self.0.sort();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    pub(crate) fn least(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    /// `612 ms (598)`: the median, and the least.
    pub(crate) fn text(&self) -> String {
        format!("{} ({})", milliseconds(self.median()), milliseconds(self.least()))
    }

    /// Its median in medians of the other.
    pub(crate) fn over(&self, floor: &Self) -> f64 {
        self.median().as_secs_f64() / floor.median().as_secs_f64()
    }
}

/// Three digits that count, and the unit.
pub(crate) fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms {
        0.0..10.0 => format!("{ms:.2} ms"),
        10.0..100.0 => format!("{ms:.1} ms"),
        _ => format!("{ms:.0} ms"),
    }
}

/// Runs it, from its start to its end, and gives what it printed.
pub(crate) fn timed(command: &mut Command) -> Result<Taken, Box<dyn Error>> {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("PG") || matches!(&*name, "DATABASE_URL" | "CI") {
            command.env_remove(&*name);
        }
    }
    command.stdin(Stdio::null());
    let started = Instant::now();
    let output = command.output()?;
    let wall = started.elapsed();
    if output.status.success() {
        Ok(Taken { wall, said: String::from_utf8_lossy(&output.stdout).into_owned() })
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.lines().take(3).collect::<Vec<_>>().join("; ");
        Err(format!("{}: {}: {said}", command.get_program().display(), output.status).into())
    }
}

/// Waits for a quarter of a second in which the processors were hardly fought over, at most two seconds.
pub(crate) fn quiet() {
    let give_up = Instant::now() + Duration::from_secs(2);
    while let Some(before) = pressure()
        && Instant::now() < give_up
    {
        sleep(Duration::from_millis(250));
        if pressure().is_none_or(|after| after - before < 25_000) {
            return;
        }
    }
}

/// Microseconds since the machine's start in which some task waited for a processor: [pressure stall information][psi], Linux only.
///
/// [psi]: https://docs.kernel.org/accounting/psi.html
pub(crate) fn pressure() -> Option<u64> {
    let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
    text.lines().next()?.rsplit_once("total=")?.1.trim().parse().ok()
}

/// How long this process has run on processors, with the threads that have ended.
pub(crate) fn on_processor() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// The processor time of all children that have ended and were waited for, of this process or another: [stat][stat], Linux only.
/// It counts in hundredths of a second.
///
/// [stat]: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
pub(crate) fn of_children(process: &str) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may have spaces: the state is field 3, the times are fields 16 and 17.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(13)? + ticks(14)?) * 10))
}
