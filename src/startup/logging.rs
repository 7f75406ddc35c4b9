//! What is logged while migrations run. One migration is one line with fields; what takes its time is a warning.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::migration::{Direction, behind_version};
use crate::postgres::{Done, Event};

/// Who waits asks several times a second; a log wants to hear of it now and then.
const QUIET: Duration = Duration::from_secs(10);

/// Tells a log what a run does: what [`Startup`](super::Startup) uses, for whoever has a [`Migrator`](crate::postgres::Migrator) and the same
/// log.
///
/// ```no_run
/// # fn run(set: &stairwell::MigrationSet) {
/// let mut log = stairwell::startup::Log::default();
/// let migrator = stairwell::postgres::Migrator::new(set).on_event(move |event| log.event(event));
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Log {
    waiting_said: Option<Instant>,
}

impl Log {
    /// Tells it of this. One migration is one line, with `version`, `name` and `elapsed` as fields; what takes its time is a warning.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Done { done, .. } => tell(done),
            Event::Notice { text } => info!("{text}"),
            Event::Planned { .. } | Event::Started { .. } => {}
            Event::Waiting { .. } | Event::Blocked { .. } => {
                if self.waiting_said.is_none_or(|said| said.elapsed() >= QUIET) {
                    warn!("{event}");
                    self.waiting_said = Some(Instant::now());
                }
            }
            _ => warn!("{event}"),
        }
    }
}

fn tell(done: &Done) {
    let (version, name) = (done.version, behind_version(&done.id));
    match (done.direction, done.elapsed.map(in_words)) {
        (Direction::Up, Some(elapsed)) => info!(%version, %name, %elapsed, "migration applied"),
        (Direction::Up, None) => info!(%version, %name, "migration applied by another runner"),
        (Direction::Down, Some(elapsed)) => info!(%version, %name, %elapsed, "migration undone"),
        (Direction::Down, None) => info!(%version, %name, "migration undone by another runner"),
    }
}

/// `12ms`, `3.4s`.
fn in_words(elapsed: Duration) -> String {
    if elapsed < Duration::from_secs(1) { format!("{}ms", elapsed.as_millis()) } else { format!("{elapsed:.1?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_milliseconds_or_seconds() {
        assert_eq!(in_words(Duration::from_micros(400)), "0ms");
        assert_eq!(in_words(Duration::from_millis(12)), "12ms");
        assert_eq!(in_words(Duration::from_millis(61_240)), "61.2s");
    }
}
