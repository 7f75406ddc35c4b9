//! The thread that works, and the handle by which an app knows how it goes.

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::attempt::{Job, Outcome};
use super::decide::{Backoff, Next, Phase, after};
use super::error::StartupError;
use super::health::{Condition, Health};
use super::policy::{Mode, Policy};
use crate::plan::OutOfOrder;
use crate::postgres::{Database, Destructive, Migrator, SpawnError, pause};
use crate::set::MigrationSet;

/// What is set on a migrator beyond the defaults.
pub(super) type Configure = Arc<dyn for<'a> Fn(Migrator<'a>) -> Migrator<'a> + Send + Sync>;

/// How long what passes is waited for before the start fails, under a policy that aborts.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a single connection may take to be made, where the connection string does not say.
const CONNECT: Duration = Duration::from_secs(10);

/// The variable that names the environment.
const ENVIRONMENT: &str = "STAIRWELL_ENV";

/// How an app brings its database up to date; [`start`](Self::start) does it.
#[must_use = "nothing happens before `start` or `begin`"]
pub struct Startup {
    set: MigrationSet,
    policy: Policy,
    backoff: Backoff,
    patience: Duration,
    order: OutOfOrder,
    destructive: Destructive,
    program: Option<String>,
    environment: Option<String>,
    configure: Configure,
}

impl Startup {
    /// With this set, the default [`Policy`], the default [`Backoff`], and the environment that `STAIRWELL_ENV` names.
    pub fn new(set: MigrationSet) -> Self {
        Self {
            set,
            policy: Policy::default(),
            backoff: Backoff::default(),
            patience: PATIENCE,
            order: OutOfOrder::Refuse,
            destructive: Destructive::Refuse,
            program: None,
            environment: std::env::var(ENVIRONMENT).ok(),
            configure: Arc::new(|migrator| migrator),
        }
    }

    /// What is done, and what a failure means.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How long to wait between two tries.
    pub fn retry(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long to wait for what passes (a server that is not there yet) before the start fails, where the policy is to abort; 60 s by
    /// default. A policy that degrades does not wait: the app serves after the first try.
    pub fn patience(mut self, most: Duration) -> Self {
        self.patience = most;
        self
    }

    /// Whether a pending migration may be older than an applied one.
    pub fn out_of_order(mut self, order: OutOfOrder) -> Self {
        self.order = order;
        self
    }

    /// Whether a start may apply what loses data. It may not by default: nobody watches it, and a roll-out is not the moment. The start then
    /// fails, or degrades by the policy, and says what would be lost; whoever applies it elsewhere, with `cargo xtask db up
    /// --allow-destructive`, lets the app recover by itself. What loses nothing is applied anyway, see [`Migrator::destructive`].
    pub fn destructive(mut self, leave: Destructive) -> Self {
        self.destructive = leave;
        self
    }

    /// What the ledger names as the program that applied a migration, such as `shop 1.4.2`.
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// The environment that the app runs in, such as `staging`, instead of the one that `STAIRWELL_ENV` names; empty is none. A database that
    /// is marked with another one (`cargo xtask db protect`) is left alone, also under a policy that only verifies: that does not pass by
    /// itself.
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.environment = Some(name.into());
        self
    }

    /// Sets what else a [`Migrator`] has to set: the ledger, time-outs, tries. How long it waits for a server, its listener, its order and
    /// what it may lose are what the start sets.
    pub fn migrator(
        mut self,
        configure: impl for<'a> Fn(Migrator<'a>) -> Migrator<'a> + Send + Sync + 'static,
    ) -> Self {
        self.configure = Arc::new(configure);
        self
    }

    /// Begins, and returns when the app may serve: everything is applied, or the policy lets it serve all the same. An error is to end the
    /// app; it has been logged.
    pub async fn start(self, database: &Database) -> Result<Migrations, StartupError> {
        let migrations = self.begin(database);
        migrations.started().await?;
        Ok(migrations)
    }

    /// Begins, on a thread of its own, and returns at once: for an app whose health endpoint is to answer while it waits for
    /// [`Migrations::started`].
    pub fn begin(self, database: &Database) -> Migrations {
        let health = Health {
            condition: Condition::Starting,
            reason: Some("the first try is under way".to_owned()),
            current: None,
            expected: self.set.head().map(|head| head.id().to_owned()),
            pending: self.set.migrations().len(),
            ahead: 0,
            last_error: None,
            since: SystemTime::now(),
            attempts: 0,
        };
        let (state, receiver) = watch::channel(State { health, started: None });
        let (running, stop) = mpsc::channel();
        let mut worker = Worker {
            job: Job {
                set: self.set,
                database: database.connecting_within(CONNECT),
                mode: self.policy.mode,
                order: self.order,
                destructive: self.destructive,
                program: self.program,
                environment: self.environment,
                configure: self.configure,
            },
            policy: self.policy,
            backoff: self.backoff,
            patience: self.patience,
            state: state.clone(),
            stop,
        };
        if self.policy.mode == Mode::Off {
            worker.off();
        } else {
            // A log that belongs to the caller's thread hears of it, too.
            let log = tracing::dispatcher::get_default(Clone::clone);
            let work = move || tracing::dispatcher::with_default(&log, || worker.work());
            if let Err(error) = thread::Builder::new().name("stairwell".to_owned()).spawn(work) {
                let error = StartupError::from(SpawnError::from(error));
                state.send_modify(|state| state.started = Some(Err(error)));
            }
        }
        Migrations { state: receiver, running: Arc::new(Mutex::new(Some(running))) }
    }
}

impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Startup").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// What the thread tells.
#[derive(Debug)]
struct State {
    health: Health,
    /// How the start went, once the app may know.
    started: Option<Result<(), StartupError>>,
}

/// How the migrations of an app stand: cheap to clone, and the same for all clones.
///
/// What goes on in the background ends when the last clone is dropped, or by [`shutdown`](Self::shutdown). A script that is under way then
/// is not cut short; it ends, or dies with the process, and the server rolls it back.
#[derive(Clone)]
pub struct Migrations {
    state: watch::Receiver<State>,
    running: Arc<Mutex<Option<mpsc::Sender<()>>>>,
}

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Migrations").field(&self.health()).finish()
    }
}

impl Migrations {
    /// What a health endpoint says. It asks nobody, and costs nothing.
    pub fn health(&self) -> Health {
        self.state.borrow().health.clone()
    }

    /// Whether the app may serve: everything is applied, or the policy lets it serve all the same.
    pub fn has_started(&self) -> bool {
        matches!(self.state.borrow().started, Some(Ok(())))
    }

    /// Waits until the app may serve; an error is to end it.
    pub async fn started(&self) -> Result<(), StartupError> {
        let mut state = self.state.clone();
        let outcome = match state.wait_for(|state| state.started.is_some()).await {
            Ok(state) => state.started.clone(),
            Err(_) => None,
        };
        outcome.unwrap_or(Err(StartupError::Stopped))
    }

    /// Waits until everything is applied. It is an error if the start failed, or was stopped.
    pub async fn wait_ready(&self) -> Result<(), StartupError> {
        let mut state = self.state.clone();
        let over = |state: &State| state.health.is_ready() || matches!(state.started, Some(Err(_)));
        match state.wait_for(over).await {
            Ok(state) => state.started.clone().unwrap_or(Ok(())),
            Err(_) => Err(StartupError::Stopped),
        }
    }

    /// Ends what goes on in the background, at the latest after the try that is under way.
    pub fn shutdown(&self) {
        drop(self.running.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// What the thread needs.
struct Worker {
    job: Job,
    policy: Policy,
    backoff: Backoff,
    patience: Duration,
    state: watch::Sender<State>,
    /// Nothing is ever sent: it is closed when the app wants no more.
    stop: mpsc::Receiver<()>,
}

impl Worker {
    fn off(&mut self) {
        info!("Database migrations are off");
        self.state.send_modify(|state| {
            state.health.turn(Condition::Ready, SystemTime::now());
            state.health.reason = Some("migrations are off: the database was not looked at".to_owned());
            state.started = Some(Ok(()));
        });
    }

    fn work(&mut self) {
        match self.policy.mode {
            Mode::VerifyOnly => info!("Checking database migrations …"),
            Mode::Run | Mode::Off => info!("Running database migrations …"),
        }
        let (began, mut failures, mut said) = (Instant::now(), 0, None);
        loop {
            self.state.send_modify(|state| state.health.attempts += 1);
            let outcome = self.job.attempt();
            let error = match outcome.result {
                Ok(applied) => return self.succeeded(applied, failures, outcome.standing.unwrap_or_default()),
                Err(ref error) => error.clone(),
            };
            let phase = if self.state.borrow().started.is_none() { Phase::Starting } else { Phase::Serving };
            let next = after(self.policy.on_failure, error.cause(), phase, began.elapsed(), self.patience);
            let mut delay = pause(self.backoff.first, failures, self.backoff.most);
            if next == Next::Wait {
                // The last try comes when the time is over, and not long after it.
                delay = delay.min(self.patience.saturating_sub(began.elapsed()));
            }
            failures += 1;
            tell(&error, next, delay, &mut said);
            self.failed(&error, next, outcome);
            if next == Next::Abort || !matches!(self.stop.recv_timeout(delay), Err(RecvTimeoutError::Timeout)) {
                return;
            }
        }
    }

    fn succeeded(&self, applied: usize, failures: u32, standing: super::standing::Standing) {
        let version = standing.current.as_deref().map_or("none", version).to_owned();
        if let (Some(first), ahead) = (standing.ahead.first(), standing.ahead.len()) {
            warn!(ahead, %first, "The database has newer migrations than this program: another release applied them");
        }
        match self.policy.mode {
            Mode::VerifyOnly => info!(%version, "Database migrations are up to date"),
            Mode::Run | Mode::Off => info!(applied, %version, "Database migrations completed"),
        }
        if failures > 0 {
            info!(failures, "Recovered: the database is as this program needs it");
        }
        self.state.send_modify(|state| {
            let health = &mut state.health;
            health.turn(Condition::Ready, SystemTime::now());
            (health.current, health.pending, health.ahead) = (standing.current, 0, standing.ahead.len());
            health.last_error = None;
            health.reason = match health.ahead {
                0 => None,
                count => Some(format!("the database is {count} ahead: a newer release migrated it")),
            };
            state.started = Some(Ok(()));
        });
    }

    fn failed(&self, error: &StartupError, next: Next, outcome: Outcome) {
        let brief = error.brief();
        self.state.send_modify(|state| {
            let health = &mut state.health;
            if let Some(standing) = outcome.standing {
                (health.current, health.pending) = (standing.current, standing.pending);
                health.ahead = standing.ahead.len();
            }
            health.last_error = Some(brief.clone());
            health.reason = Some(brief);
            match next {
                Next::Wait => {}
                Next::Abort => state.started = Some(Err(error.clone())),
                Next::Degrade => {
                    health.turn(Condition::Degraded, SystemTime::now());
                    state.started.get_or_insert(Ok(()));
                }
            }
        });
    }
}

/// Logs a failure: in full where it is a new one, in a line where it is the one of the try before.
fn tell(error: &StartupError, next: Next, delay: Duration, said: &mut Option<String>) {
    let brief = error.brief();
    match next {
        Next::Abort => error!("Database migrations failed, and the app does not start:\n{error}"),
        Next::Wait => warn!("Waiting for the database, next try in {delay:.1?}: {brief}"),
        Next::Degrade if said.as_ref() == Some(&brief) => {
            warn!("Database migrations failed again, next try in {delay:.1?}: {brief}");
        }
        // Whoever only verifies waits for somebody else; that is no error.
        Next::Degrade if matches!(error, StartupError::Pending { .. }) => {
            warn!("Database migrations are pending; the app serves without them, next try in {delay:.1?}: {brief}");
        }
        Next::Degrade => {
            error!("Database migrations failed; the app serves without them, next try in {delay:.1?}:\n{error}");
        }
    }
    *said = Some(brief);
}

/// `20261121093000` of `20261121093000_create_users`.
fn version(id: &str) -> &str {
    id.split('_').next().unwrap_or(id)
}
