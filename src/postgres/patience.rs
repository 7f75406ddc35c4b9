//! Waiting: for the lock, for the server to come back, between two tries.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::database::Database;
use super::error::{ConnectError, Holder, Interruption, Passing, RunErrorKind};
use super::event::Event;
use super::migrator::Migrator;
use super::runner::Run;
use super::session::Session;

/// How often the connection may be lost before a run gives up.
const MOST_LOSSES: u32 = 5;
/// How long a server may be gone in the middle of a run.
const RESTART: Duration = Duration::from_secs(30);

impl Run<'_, '_> {
    pub(super) fn reconnect(&mut self, reason: &str) -> Result<(), RunErrorKind> {
        self.session = reconnect(self.migrator, self.database, &mut self.losses, reason)?;
        Ok(())
    }

    pub(super) fn wait_for_lock(&mut self) -> Result<(), RunErrorKind> {
        let waiting = self.migrator.waiting_since.get_or_insert_with(Instant::now);
        let waited = waiting.elapsed();
        let holder =
            self.session.send(&self.migrator.ledger.holder()).ok().and_then(|rows| Holder::of_row(rows.first()?));
        if self.migrator.lock_wait.is_some_and(|most| waited >= most) {
            return Err(RunErrorKind::Locked { waited, holder });
        }
        self.migrator.say(&Event::Waiting { holder: holder.as_ref(), waited });
        let attempt = u32::try_from(waited.as_millis() / 200).unwrap_or(u32::MAX);
        sleep(pause(Duration::from_millis(50), attempt.min(6), Duration::from_secs(2)));
        Ok(())
    }
}

/// Connects again, if the connection was not lost too often by now.
pub(super) fn reconnect(
    migrator: &mut Migrator<'_>,
    database: &Database,
    losses: &mut u32,
    reason: &str,
) -> Result<Session, RunErrorKind> {
    *losses += 1;
    if *losses >= MOST_LOSSES {
        let reason = reason.to_owned();
        return Err(RunErrorKind::Interrupted(Interruption::ConnectionLost { times: *losses, reason }));
    }
    let pause = pause(Duration::from_millis(250), *losses, Duration::from_secs(5));
    migrator.say(&Event::Reconnecting { reason, pause });
    sleep(pause);
    // A server that restarts cannot be reached for a while, and then says that it is starting.
    let (answering, silent) = (migrator.connect_wait, migrator.server_wait.max(RESTART));
    Ok(connect(migrator, database, answering, silent, None)?)
}

/// Connects; where the cause may pass, again and again for as long as the migrator says.
/// `failed` is what a first attempt came to that was made elsewhere.
pub(super) fn open(
    migrator: &mut Migrator<'_>,
    database: &Database,
    failed: Option<ConnectError>,
) -> Result<Session, ConnectError> {
    let (answering, silent) = (migrator.connect_wait, migrator.server_wait);
    connect(migrator, database, answering, silent, failed)
}

fn connect(
    migrator: &mut Migrator<'_>,
    database: &Database,
    answering: Duration,
    silent: Duration,
    mut failed: Option<ConnectError>,
) -> Result<Session, ConnectError> {
    let (started, mut attempt) = (Instant::now(), 0);
    loop {
        let error = match failed.take().map_or_else(|| Session::open(database), Err) {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        let most = match error.passing() {
            Some(Passing::Answering) => answering,
            Some(Passing::Silent) => silent,
            None => return Err(error),
        };
        let left = most.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(error);
        }
        let pause = pause(Duration::from_millis(100), attempt, Duration::from_secs(2)).min(left);
        migrator.say(&Event::Connecting { reason: error.reason(), pause });
        sleep(pause);
        attempt += 1;
    }
}

/// Exponential back-off with full jitter: a random time up to `first × 2^attempt`, at least a fifth of it, at most `most`.
pub(crate) fn pause(first: Duration, attempt: u32, most: Duration) -> Duration {
    let longest = first.saturating_mul(2_u32.saturating_pow(attempt.min(16))).min(most);
    // The keys of a new RandomState are random; that is enough to keep two runners from polling in step.
    let random = RandomState::new().build_hasher().finish() % 1_000;
    longest / 5 + (longest * 4 / 5).mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 1_000.0)
}
