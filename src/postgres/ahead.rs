//! A connection that is opened, and a ledger that is read, while something else goes on.

use std::thread::{self, JoinHandle};

use tokio::runtime::Handle;

use super::database::Database;
use super::error::ConnectError;
use super::ledger::{Answer, Columns, Ledger};
use super::session::Session;
use crate::migration::Direction;

/// A connection under way on a thread of its own, and behind it the question what the ledger has.
///
/// Reading a thousand files takes as long as connecting and asking. Who knows the database before the set starts both at once, and hands
/// this to [`Migrator::ahead`](super::Migrator::ahead). Dropped, it ends by itself. A failure is told by the run that it was for.
///
/// ```no_run
/// use stairwell::migration::Direction;
/// use stairwell::{MigrationSet, Target, postgres::{Ahead, Database, Migrator}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let database = Database::parse("postgresql://localhost/shop")?;
/// let ahead = Ahead::of(&database, Direction::Up);
/// let set = MigrationSet::from_directory("migrations")?;
/// Migrator::new(&set).ahead(ahead).up(&database, Target::Head)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Ahead {
    database: Database,
    ledger: Ledger,
    columns: Columns,
    thread: Option<JoinHandle<Opened>>,
}

/// An open connection with the ledger's answer, or why there is none.
pub(super) type Opened = Result<(Session, Answer), ConnectError>;

impl Ahead {
    /// For a run in this direction, with the default ledger.
    pub fn of(database: &Database, direction: Direction) -> Self {
        Self::with_ledger(database, direction, Ledger::default())
    }

    /// The same with another ledger.
    pub fn with_ledger(database: &Database, direction: Direction, ledger: Ledger) -> Self {
        let (database, columns) = (database.clone(), Columns::from(direction));
        let work = {
            let (database, ledger) = (database.clone(), ledger.clone());
            move || {
                let mut session = Session::open(&database)?;
                let answer = ledger.ask(&mut session, columns);
                Ok((session, answer))
            }
        };
        // Where no thread can be had, the run connects by itself.
        let thread = thread::Builder::new().name("stairwell-ahead".to_owned()).spawn(work).ok();
        Self { database, ledger, columns, thread }
    }

    /// What came of it, if it is what this run needs.
    pub(super) fn take(self, database: &Database, ledger: &Ledger, columns: Columns) -> Option<Opened> {
        let fits = self.database == *database && self.ledger == *ledger && self.columns == columns;
        let thread = self.thread.filter(|_| fits)?;
        if Handle::try_current().is_ok() {
            return Some(Err(ConnectError::inside_runtime(database)));
        }
        thread.join().ok()
    }
}
