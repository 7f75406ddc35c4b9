//! The checkout, and data beside it, which a user's machine does not have.

use std::path::PathBuf;

use super::Skip;

/// `<path>` of the checkout. The tests may be run in another clone than they were built in, by a user who can see no other.
pub(crate) fn checkout(path: &str) -> PathBuf {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(root).join(path)
}

/// `../shared/<path>`, or the reason to skip.
pub(crate) fn shared(path: &str) -> Result<PathBuf, Skip> {
    let full = checkout("../shared").join(path);
    if full.exists() { Ok(full) } else { Err(Skip(format!("../shared/{path} is not here"))) }
}
