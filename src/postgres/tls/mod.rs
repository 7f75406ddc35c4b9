//! Connections that nobody else reads, and `sslmode` as libpq means it.
//!
//! `settings` is what connection strings and variables say, in the `words` of libpq and others; `files` is what that names; `rustls` and
//! `native` are the two libraries, and `connector` the one type for both; `connect` is the one way to a server.

mod connect;
mod connector;
#[cfg_attr(not(feature = "rustls"), allow(dead_code, reason = "each library has faults of its own"))]
mod fault;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod files;
#[cfg(feature = "native-tls")]
#[cfg_attr(feature = "rustls", expect(dead_code, reason = "where both are on, it is rustls"))]
mod native;
#[cfg(feature = "rustls")]
mod rustls;
mod settings;
mod words;

use std::sync::Arc;

pub(super) use connect::{Tries, connect, pool_parts};
pub use connector::Connector;
pub(super) use fault::Fault;
pub(super) use settings::Tls;
pub use settings::TlsSettingError;

use connector::Library;

/// The library that this build has.
fn library(tls: &Tls) -> Result<Arc<dyn Library>, Fault> {
    #[cfg(feature = "rustls")]
    return Ok(Arc::new(rustls::Rustls::new(files::read(tls)?)?));
    #[cfg(all(feature = "native-tls", not(feature = "rustls")))]
    return Ok(Arc::new(native::Native::new(files::read(tls)?)?));
    #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
    Err(Fault::Other(format!("this program was built without it ({:?})", tls.mode())))
}
