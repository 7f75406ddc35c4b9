//! Connections that nobody can listen in on, and `sslmode` as libpq means it.

mod connector;

pub use connector::Connector;
