//! Everything that talks to a server.
//!
//! One [`Database`] says where; a `Session` is one connection that sends many statements in one message and knows which of
//! them completed; `ledger` is the one place that knows the ledger's SQL; `runner` is the one run loop.

mod concurrent;
mod database;
mod error;
mod event;
mod failure;
mod ledger;
mod message;
mod migrator;
mod passfile;
mod patience;
mod runner;
mod session;
mod statements;
mod status;
mod transactions;
mod url;

pub use database::{Database, DatabaseError};
pub use error::{ConnectError, Holder, Interruption, RunError, RunErrorKind};
pub use event::{Done, Event, Report};
pub use failure::{Details, ScriptFailure};
pub use ledger::{Ledger, LedgerNameError};
pub use migrator::Migrator;
pub use status::{Standing, Status, StatusRow};
