//! What an app or a tool calls.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::ahead::Ahead;
use super::amend::Stamped;
use super::database::Database;
use super::error::{Holder, RunError, RunErrorKind};
use super::event::{Event, Report};
use super::ledger::{Amendment, Columns, Ledger};
use super::losses::Destructive;
use super::offline::Offline;
use super::patience::open;
use super::runner::Run;
use super::status::Status;
use super::trial::Trial;
use crate::migration::Direction;
use crate::plan::{Applied, History, OutOfOrder, Plan, PlanError, Purge, Stamp, Target, accept};
use crate::set::{Findings, MigrationSet};
use crate::version::Version;

/// What commits together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transactions {
    /// Each migration with its row in the ledger. What was done before a failure stays.
    #[default]
    Each,
    /// All migrations of a run: a failure leaves none of them. A `no-transaction` script cannot be among them, and the locks that the
    /// scripts take are kept until the end.
    Single,
}

/// How often a script is tried.
const TRIES: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Applies and undoes the migrations of a set.
///
/// All of it blocks. From async code call it through [`spawn`](super::spawn); called directly there it returns an error that says so.
///
/// ```no_run
/// use stairwell::{MigrationSet, Target, postgres::{Database, Migrator}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let set = MigrationSet::from_directory("migrations")?;
/// let database = Database::parse("postgresql://localhost/shop")?;
/// let report = Migrator::new(&set)
///     .program("shop 1.4.2")
///     .on_event(|event| println!("{event}"))
///     .up(&database, Target::Head)?;
/// println!("{} applied", report.done.len());
/// # Ok(())
/// # }
/// ```
pub struct Migrator<'a> {
    pub(super) set: Cow<'a, MigrationSet>,
    pub(super) ledger: Ledger,
    pub(super) order: OutOfOrder,
    pub(super) destructive: Destructive,
    pub(super) lock_timeout: Duration,
    pub(super) lock_wait: Option<Duration>,
    pub(super) tries: NonZeroU32,
    pub(super) connect_wait: Duration,
    pub(super) server_wait: Duration,
    pub(super) transactions: Transactions,
    pub(super) program: String,
    pub(super) environment: Option<String>,
    pub(super) ahead: Option<Ahead>,
    pub(super) waiting_since: Option<Instant>,
    listener: Box<dyn FnMut(&Event<'_>) + 'a>,
}

impl<'a> Migrator<'a> {
    /// For this set, with the defaults: ledger `stairwell.ledger`, a transaction for each migration, 2 s for each lock that a script needs
    /// and ten tries, no end to the wait for another runner, migrations out of order refused, and those that lose data as well.
    pub fn new(set: &'a MigrationSet) -> Self {
        Self {
            set: Cow::Borrowed(set),
            ledger: Ledger::default(),
            order: OutOfOrder::Refuse,
            destructive: Destructive::Refuse,
            lock_timeout: Duration::from_secs(2),
            lock_wait: None,
            tries: TRIES,
            connect_wait: Duration::from_secs(30),
            server_wait: Duration::ZERO,
            transactions: Transactions::Each,
            program: concat!("stairwell ", env!("CARGO_PKG_VERSION")).to_owned(),
            environment: None,
            ahead: None,
            waiting_since: None,
            listener: Box::new(|_| {}),
        }
    }

    /// Another schema and table for the ledger.
    #[must_use]
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// Whether a pending migration may be older than an applied one.
    #[must_use]
    pub fn out_of_order(mut self, order: OutOfOrder) -> Self {
        self.order = order;
        self
    }

    /// Whether up scripts that say `destructive` may lose what is there. Where nothing is, they may anyway: tables that are empty, or that are
    /// made by the same run.
    ///
    /// ```no_run
    /// use stairwell::postgres::{Database, Destructive, Migrator, RunErrorKind};
    /// use stairwell::{MigrationSet, Target};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (set, database) = (MigrationSet::from_directory("migrations")?, Database::parse("postgresql://localhost/shop")?);
    /// let mut migrator = Migrator::new(&set);
    /// if let Err(error) = migrator.up(&database, Target::Head)
    ///     && let RunErrorKind::Destructive(refused) = &error.kind
    /// {
    ///     println!("{refused}");
    ///     // Whoever has read that agrees to these, and to nothing else:
    ///     let seen = refused.losses.iter().map(|losses| losses.version).collect();
    ///     migrator.destructive(Destructive::These(seen)).up(&database, Target::Head)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn destructive(mut self, leave: Destructive) -> Self {
        self.destructive = leave;
        self
    }

    /// How long a statement may wait for a lock before the script is rolled back and tried again. Readers queue behind a statement
    /// that waits, so this is how long they can be kept out. At least 1 ms. A script's own `lock-timeout` goes before it.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How long to wait for another runner; `None`, the default, waits until it is done.
    #[must_use]
    pub fn lock_wait(mut self, most: Option<Duration>) -> Self {
        self.lock_wait = most;
        self
    }

    /// How often a script is tried that a lock time-out, a deadlock or a serialization failure rolled back, the first time included; 10 by
    /// default. Between two tries it waits 250 ms at first and 30 s at most, with jitter.
    #[must_use]
    pub fn tries(mut self, most: NonZeroU32) -> Self {
        self.tries = most;
        self
    }

    /// How long to try again where the server answers that it takes no connection now, because it is starting or stopping (57P03) or has
    /// no slot free (53300); 30 s by default.
    #[must_use]
    pub fn connect_wait(mut self, most: Duration) -> Self {
        self.connect_wait = most;
        self
    }

    /// How long to try again where no server can be reached; not at all by default. An app that starts beside its database wants this.
    #[must_use]
    pub fn server_wait(mut self, most: Duration) -> Self {
        self.server_wait = most;
        self
    }

    /// Whether each migration commits for itself, which is the default, or all of a run together.
    #[must_use]
    pub fn transactions(mut self, transactions: Transactions) -> Self {
        self.transactions = transactions;
        self
    }

    /// What the ledger names as the program that applied a migration, such as `shop 1.4.2`.
    #[must_use]
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }

    /// The environment that this runs for, such as `staging`; empty is none. A database that is marked with another one
    /// ([`protect`](Self::protect)) is refused before anything is run, and before its ledger is changed.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.environment = Some(name.into().trim().to_owned()).filter(|name| !name.is_empty());
        self
    }

    /// Takes a connection that is under way already, for the first run if that is on its database and in its direction.
    #[must_use]
    pub fn ahead(mut self, ahead: Ahead) -> Self {
        self.ahead = Some(ahead);
        self
    }

    /// Calls this for everything that happens, from the thread that runs.
    #[must_use]
    pub fn on_event(mut self, listener: impl FnMut(&Event<'_>) + 'a) -> Self {
        self.listener = Box::new(listener);
        self
    }

    /// What it works on.
    pub fn set(&self) -> &MigrationSet {
        &self.set
    }

    pub(super) fn say(&mut self, event: &Event<'_>) {
        (self.listener)(event);
    }

    /// Applies what is pending, up to the target. `Target::Base` does nothing.
    pub fn up(&mut self, database: &Database, target: Target) -> Result<Report, RunError> {
        self.run(database, Direction::Up, target)
    }

    /// Undoes, newest first, down to the target, which stays. `Target::Head` does nothing.
    pub fn down(&mut self, database: &Database, target: Target) -> Result<Report, RunError> {
        self.run(database, Direction::Down, target)
    }

    fn run(&mut self, database: &Database, direction: Direction, target: Target) -> Result<Report, RunError> {
        let set = self.set.clone();
        self.waiting_since = None;
        match Run::open(self, database, direction, direction.into()) {
            Ok(run) => run.go(&set, target),
            Err(kind) => Err(RunError::unplanned(kind, direction)),
        }
    }

    /// What the ledger has, without the scripts that it keeps. It creates nothing, and needs no more than SELECT on the ledger.
    pub fn history(&mut self, database: &Database) -> Result<History, RunError> {
        self.history_of(database, Direction::Up, Columns::Records)
    }

    /// The history that planning in this direction needs.
    pub(super) fn history_for(&mut self, database: &Database, direction: Direction) -> Result<History, RunError> {
        self.history_of(database, direction, direction.into())
    }

    fn history_of(&mut self, database: &Database, direction: Direction, columns: Columns) -> Result<History, RunError> {
        match Run::open(self, database, direction, columns) {
            Ok(run) => Ok(run.history().clone()),
            Err(kind) => Err(RunError::unplanned(kind, direction)),
        }
    }

    /// The same with the scripts that were run.
    pub fn history_with_scripts(&mut self, database: &Database) -> Result<History, RunError> {
        self.history_of(database, Direction::Up, Columns::All)
    }

    /// Who has the migration lock now, if anybody has: a run that is under way, or one that hangs. It creates nothing, and waits for nobody.
    pub fn holder(&mut self, database: &Database) -> Result<Option<Holder>, RunError> {
        let error = |kind| RunError::unplanned(kind, Direction::Up);
        let mut session = open(self, database, None).map_err(|failed| error(failed.into()))?;
        let rows = session
            .send(&self.ledger.holder())
            .map_err(|failed| error(RunErrorKind::server("asking who has the migration lock", &failed.error)))?;
        Ok(rows.first().and_then(Holder::of_row))
    }

    /// Makes this version the newest applied one in the ledger, and with `None` empties it, without running a script: for a database that
    /// is there by another way. `why` is kept in the remarks of what is recorded, with the time and the role.
    pub fn stamp(
        &mut self,
        database: &Database,
        newest: Option<Version>,
        purge: Purge,
        why: &str,
    ) -> Result<Stamped, RunError> {
        let set = self.set.clone();
        self.amend(database, why, |history| {
            let stamp = Stamp::of(&set, history, newest, purge)?;
            let stamped = Stamped {
                recorded: stamp.record.iter().map(|step| step.id().to_owned()).collect(),
                forgotten: stamp.forget.iter().map(Applied::id).collect(),
                head: None,
            };
            let forget = stamp.forget.iter().map(|row| Amendment::Forget(row.version));
            Ok((stamped, forget.chain(stamp.record.into_iter().map(Amendment::Record)).collect()))
        })
        .map(|(stamped, head)| Stamped { head, ..stamped })
    }

    /// Takes the scripts of today for those that were applied, so that an edited migration counts as unedited; `false` if it does already.
    /// The scripts that were run are gone from the ledger then. `why` is kept in the row's remarks, with the time and the role.
    pub fn accept(&mut self, database: &Database, version: Version, why: &str) -> Result<bool, RunError> {
        let set = self.set.clone();
        self.amend(database, why, |history| {
            let amendments: Vec<_> = accept(&set, history, version)?.into_iter().map(Amendment::Accept).collect();
            Ok((!amendments.is_empty(), amendments))
        })
        .map(|(accepted, _)| accepted)
    }

    /// Changes the ledger, and tells its head then.
    fn amend<T>(
        &mut self,
        database: &Database,
        why: &str,
        decide: impl Fn(&History) -> Result<(T, Vec<Amendment>), PlanError>,
    ) -> Result<(T, Option<String>), RunError> {
        self.waiting_since = None;
        let error = |kind| RunError::unplanned(kind, Direction::Up);
        let mut run = Run::open(self, database, Direction::Up, Columns::Plan).map_err(error)?;
        run.check_environment().map_err(error)?;
        let outcome = run.amend(why, decide).map_err(error)?;
        let newest = run.history().newest_applied().cloned();
        Ok((outcome, newest.map(|row| row.id_in(&self.set))))
    }

    /// Runs what is pending, up to the target, in one transaction that is rolled back. What cannot be rolled back is left out and named.
    ///
    /// The locks that the scripts take are kept to the end, as in a single transaction. What a script does outside of the database, and to
    /// sequences, is not rolled back.
    pub fn try_out(&mut self, database: &Database, target: Target) -> Result<Trial, RunError> {
        let set = self.set.clone();
        self.waiting_since = None;
        let error = |kind| RunError::unplanned(kind, Direction::Up);
        let order = self.order;
        let mut run = Run::open(self, database, Direction::Up, Columns::Plan).map_err(error)?;
        run.check_environment().map_err(error)?;
        let plan = run.plan(&set, target, order).map_err(error)?;
        run.try_out(&plan).map_err(error)
    }

    /// The way from one version to another as a script for psql, with the ledger's rows; `None` is an empty database. Nothing is connected
    /// to: the ledger is taken to have what is here up to `from`, and the script does nothing where it has not.
    pub fn script(&self, from: Option<Version>, to: Option<Version>) -> Result<String, PlanError> {
        let unknown = [from, to].into_iter().flatten().find(|version| self.set.get(*version).is_none());
        if let Some(version) = unknown {
            return Err(PlanError::UnknownVersion(version));
        }
        let history = History::assumed(&self.set, from);
        let target = to.map_or(Target::Base, Target::Version);
        let plan = if to >= from {
            Plan::up(&self.set, &history, target, self.order)?
        } else {
            Plan::down(&self.set, &history, target)?
        };
        let offline = Offline { ledger: &self.ledger, program: &self.program, lock_timeout: self.lock_timeout };
        Ok(offline.script(&plan, history))
    }

    /// Where every migration stands. It creates nothing.
    pub fn status(&mut self, database: &Database) -> Result<Status, RunError> {
        let (history, mark) = self.history_and_mark(database)?;
        Ok(Status { mark, ..Status::of(&self.set, &history) })
    }

    /// What `up` or `down` would do. It creates and changes nothing.
    pub fn plan(&mut self, database: &Database, direction: Direction, target: Target) -> Result<Plan, RunError> {
        let (set, order) = (self.set.clone(), self.order);
        let error = |kind| RunError::unplanned(kind, direction);
        let run = Run::open(self, database, direction, direction.into()).map_err(error)?;
        run.check_environment().map_err(error)?;
        run.plan(&set, target, order).map_err(error)
    }

    /// Conflicts between set and database that keep `up` from running, if any.
    pub fn conflicts(&mut self, database: &Database) -> Result<Option<Findings>, RunError> {
        match self.plan(database, Direction::Up, Target::Head) {
            Ok(_) => Ok(None),
            Err(RunError { kind: RunErrorKind::Plan(PlanError::Conflicts(findings)), .. }) => Ok(Some(findings)),
            Err(error) => Err(error),
        }
    }
}
