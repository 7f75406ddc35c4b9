//! What a migration would do to a database that is in use.
//!
//! Each statement is read by squawk's parser. squawk's linter and our own rules look at it, knowing what earlier migrations have made.

mod engine;
mod fix;
pub(crate) mod history;
pub(crate) mod judge;
pub(crate) mod levels;
pub(crate) mod page;
pub(crate) mod report;
pub(crate) mod rewrite;
mod rule;
pub(crate) mod rules;
pub(crate) mod traced;
mod tree;
mod world;

#[cfg(test)]
mod tests;
