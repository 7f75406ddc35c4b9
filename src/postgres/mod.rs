//! Everything that talks to a server.
//!
//! One [`Database`] says where; a `Session` is one connection that sends many statements in one message and knows which of
//! them completed; `ledger` is the one place that knows the ledger's SQL; `runner` is the one run loop. [`Ahead`] opens the connection while
//! the set is still being read.

mod ahead;
mod amend;
mod blocker;
mod concurrent;
mod database;
mod environment;
mod error;
mod event;
mod facts;
#[cfg(feature = "fail-points")]
mod fail_point;
mod failure;
mod leave;
mod ledger;
mod libpq;
mod losses;
mod mark;
mod message;
mod migrator;
mod offline;
mod pairs;
mod passfile;
mod patience;
mod pooler;
mod protect;
mod recovery;
mod redo;
mod runner;
mod session;
mod spawn;
mod statements;
mod status;
mod suits;
mod tls;
mod transactions;
mod trial;
mod url;

pub use ahead::Ahead;
pub use amend::Stamped;
pub use database::{Database, DatabaseError};
pub use error::{ConnectError, Holder, Interruption, RunError, RunErrorKind};
pub use event::{Done, Event, Report};
pub use failure::{Details, ScriptFailure};
#[cfg(feature = "schema")]
pub(crate) use failure::{byte_of_error, missing_role, word_length};
pub use ledger::{Ledger, LedgerNameError};
pub use libpq::Password;
pub use losses::{Amount, Destructive, Loss, Losses, NotAllowed};
pub use mark::{Environment, EnvironmentNameError, Mark};
pub use migrator::{Migrator, Transactions};
#[cfg(feature = "startup")]
pub(crate) use patience::pause;
pub use recovery::RecoveryPoint;
pub use redo::Redo;
#[cfg(feature = "testing")]
pub(crate) use session::Row;
#[cfg(feature = "schema")]
pub(crate) use session::{Failed, Session};
pub use spawn::{SpawnError, spawn};
pub use status::{Standing, Status, StatusRow};
pub use tls::{Connector, TlsSettingError};
pub use trial::{Trial, Untried};
