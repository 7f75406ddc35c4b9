//! Waiting: for the lock, for the server to come back, between two tries.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::error::{Holder, Interruption, RunErrorKind};
use super::event::Event;
use super::runner::Run;
use super::session::Session;

/// How often the connection may be lost before a run gives up.
const MOST_LOSSES: u32 = 5;

impl Run<'_, '_> {
    pub(super) fn reconnect(&mut self, losses: u32, reason: &str) -> Result<(), RunErrorKind> {
        if losses >= MOST_LOSSES {
            return Err(RunErrorKind::Interrupted(Interruption::ConnectionLost {
                times: losses,
                reason: reason.to_owned(),
            }));
        }
        for attempt in 1.. {
            let pause = pause(Duration::from_millis(250), losses + attempt, Duration::from_secs(5));
            self.migrator.say(&Event::Reconnecting { reason, pause });
            sleep(pause);
            match Session::open(self.database, &self.migrator.application) {
                Ok(session) => {
                    self.session = session;
                    return Ok(());
                }
                // A restarting server refuses connections for a while; anything else that it says is final.
                Err(error) if attempt < 10 && matches!(error.sqlstate(), None | Some("57P03" | "53300" | "57P01")) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) fn wait_for_lock(&mut self) -> Result<(), RunErrorKind> {
        let waiting = self.migrator.waiting_since.get_or_insert_with(Instant::now);
        let waited = waiting.elapsed();
        let holder = self.session.send(&self.migrator.ledger.holder()).ok().and_then(|rows| {
            let mut values = rows.into_iter().next()?.into_iter().map(Option::unwrap_or_default);
            Some(Holder { pid: values.next()?, application: values.next()?, since: values.next()? })
        });
        if self.migrator.lock_wait.is_some_and(|most| waited >= most) {
            return Err(RunErrorKind::Locked { waited, holder });
        }
        self.migrator.say(&Event::Waiting { holder: holder.as_ref(), waited });
        let attempt = u32::try_from(waited.as_millis() / 200).unwrap_or(u32::MAX);
        sleep(pause(Duration::from_millis(50), attempt.min(6), Duration::from_secs(2)));
        Ok(())
    }
}

/// Exponential back-off with full jitter: a random time up to `first × 2^attempt`, at least a fifth of it, at most `most`.
pub(super) fn pause(first: Duration, attempt: u32, most: Duration) -> Duration {
    let longest = first.saturating_mul(2_u32.saturating_pow(attempt.min(16))).min(most);
    // The keys of a new RandomState are random; that is enough to keep two runners from polling in step.
    let random = RandomState::new().build_hasher().finish() % 1_000;
    longest / 5 + (longest * 4 / 5).mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 1_000.0)
}
