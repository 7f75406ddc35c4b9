//! What is said of a run on a machine that nobody watches: where its time went, and what it left out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Outcome, Skip};

/// A trial that has ended.
struct Ended {
    name: String,
    took: Duration,
    /// Why it was skipped; none of one that panicked.
    skipped: Option<String>,
}

static ENDED: Mutex<Vec<Ended>> = Mutex::new(Vec::new());

/// How many of the slowest are named.
const SLOWEST: usize = 15;

/// Names a file for the tests that were skipped, with the reasons: who has installed everything wants to know.
const SKIPPED: &str = "STAIRWELL_TEST_SKIPPED";

/// Notes how a trial ends, also by a panic.
pub(crate) struct Note {
    name: String,
    began: Instant,
    skipped: Option<String>,
}

impl Note {
    pub(crate) fn begin(name: String) -> Self {
        Self { name, began: Instant::now(), skipped: None }
    }

    pub(crate) fn end(mut self, outcome: &Outcome) {
        self.skipped = outcome.as_ref().err().map(|Skip(reason)| reason.clone());
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let (name, skipped) = (std::mem::take(&mut self.name), self.skipped.take());
        let ended = Ended { name, took: self.began.elapsed(), skipped };
        ENDED.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
    }
}

/// Where `CI` is set, prints the slowest trials and the sum of each module; and writes the file of those that were skipped, if one is named.
pub(crate) fn print() {
    let mut ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = std::env::var_os(SKIPPED) {
        let lines = ended.iter().filter_map(|it| Some(format!("{}: {}\n", it.name, it.skipped.as_ref()?)));
        std::fs::write(file, lines.collect::<String>()).unwrap();
    }
    if std::env::var_os("CI").is_none() {
        return;
    }
    let mut modules: BTreeMap<&str, Duration> = BTreeMap::new();
    for trial in ended.iter() {
        *modules.entry(trial.name.split("::").next().unwrap_or_default()).or_default() += trial.took;
    }
    let sums: Vec<_> = modules.iter().map(|(module, time)| format!("{module} {}", time.as_secs())).collect();
    eprintln!("seconds by module, over all threads: {}", sums.join(", "));
    ended.sort_by_key(|trial| std::cmp::Reverse(trial.took));
    for trial in ended.iter().take(SLOWEST) {
        eprintln!("{:>6.1} s  {}", trial.took.as_secs_f64(), trial.name);
    }
}
