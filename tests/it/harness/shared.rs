//! Data beside the checkout, which a user's machine does not have.

use std::path::PathBuf;

use super::Skip;

/// `../shared/<path>`, or the reason to skip.
pub(crate) fn shared(path: &str) -> Result<PathBuf, Skip> {
    let full = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if full.exists() { Ok(full) } else { Err(Skip(format!("../shared/{path} is not here"))) }
}
