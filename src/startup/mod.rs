//! What an app calls when it starts: its database is brought up to date, by a policy, and it knows how that went.
//!
//! ```no_run
//! use stairwell::MigrationSet;
//! use stairwell::postgres::Database;
//! use stairwell::startup::{Policy, Startup};
//!
//! # async fn start(set: MigrationSet, database: Database) -> Result<(), Box<dyn std::error::Error>> {
//! let variable = |name: &str| std::env::var(name).ok();
//! let migrations = Startup::new(set)
//!     .policy(Policy::from_environment(variable)?)
//!     .program(concat!("shop ", env!("CARGO_PKG_VERSION")))
//!     .start(&database)
//!     .await?;
//! // Serve. `/health/ready` answers what this says:
//! let health = migrations.health();
//! println!("{:?} {:?}", health.condition, health.reason);
//! # Ok(())
//! # }
//! ```
//!
//! [`Policy`] says what is done (run, only verify, nothing) and what a failure means (abort, or keep serving and try again in the
//! background). [`Migrations`] is the handle: it answers for the health endpoint, and the background work ends when the last clone of it is
//! dropped. What happens is told with [`tracing`](https://docs.rs/tracing), without passwords and without what the server says about rows.
//!
//! **An older release beside a newer schema is no failure.** Where everything that this program has is applied as it is, and the database
//! has newer migrations on top, another release was here: this one is ready, and says that the database is ahead. So a rolling deploy works
//! in both directions, and an old replica that is restarted in the middle of it starts.
//!
//! **The database of another environment is left alone.** Where `STAIRWELL_ENV` (or [`Startup::environment`]) names another one than `cargo
//! xtask db protect` has marked the database with, nothing is run and nothing counts as ready: that is a [`Cause::Permanent`].
//!
//! Deciding is pure: set and history become a [`Standing`]; what a failure leads to is a table over the policy and the [`Cause`].

mod attempt;
mod cause;
mod decide;
mod error;
mod health;
mod logging;
mod migrations;
mod policy;
mod standing;

pub use cause::Cause;
pub use decide::Backoff;
pub use error::StartupError;
pub use health::{Condition, Health};
pub use logging::Log;
pub use migrations::{Migrations, Startup};
pub use policy::{Mode, OnFailure, Policy, PolicyError};
pub use standing::Standing;
