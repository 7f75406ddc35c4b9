//! One type for all that a connection may be made with: nothing, rustls, or what the system has.

use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{self, ChannelBinding, MakeTlsConnect, TlsConnect};

use super::fault::Fault;
use super::library;
use super::settings::Tls;

/// What a handshake comes to.
pub(super) type Shaking = Pin<Box<dyn Future<Output = Result<TlsStream, Fault>> + Send>>;

/// Makes TLS connections.
pub(super) trait Library: Send + Sync {
    /// With the server at the other end of this socket, which is to be this host.
    fn shake(&self, host: &str, socket: Socket) -> Shaking;
}

/// What `tokio_postgres::Config::connect` and pools take beside the configuration: it makes the TLS connections that a [`Database`] is
/// to have. See [`Database::pool_parts`].
///
/// [`Database`]: crate::postgres::Database
/// [`Database::pool_parts`]: crate::postgres::Database::pool_parts
#[derive(Clone)]
pub struct Connector {
    shared: Arc<Shared>,
    /// Whether this one was used: a server that has no TLS never lets it come to that.
    used: Arc<AtomicBool>,
}

struct Shared {
    tls: Tls,
    /// Made when it is needed, as libpq does: the files of those who never meet a server with TLS may be as they like.
    library: OnceLock<Arc<dyn Library>>,
}

impl Connector {
    pub(super) fn new(tls: &Tls) -> Self {
        let shared = Shared { tls: tls.clone(), library: OnceLock::new() };
        Self { shared: Arc::new(shared), used: Arc::default() }
    }

    /// Reads the files now, to learn whether they can be used.
    pub(super) fn prepare(&self) -> Result<(), Fault> {
        self.shared.library().map(drop)
    }

    /// Another one that knows for itself whether it was used.
    pub(super) fn fresh(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), used: Arc::default() }
    }

    pub(super) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn library(&self) -> Result<Arc<dyn Library>, Fault> {
        if let Some(library) = self.library.get() {
            return Ok(Arc::clone(library));
        }
        let library = library(&self.tls)?;
        Ok(Arc::clone(self.library.get_or_init(|| library)))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({:?})", self.shared.tls.mode())
    }
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = TlsStream;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, io::Error> {
        Ok(Handshake { connector: self.clone(), host: host.to_owned() })
    }
}

/// One TLS connection that is to be made.
pub struct Handshake {
    connector: Connector,
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = TlsStream;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<TlsStream, Self::Error>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        self.connector.used.store(true, Ordering::Relaxed);
        let shaking = match self.connector.shared.library() {
            Ok(library) => library.shake(&self.host, socket),
            Err(fault) => Box::pin(ready(Err(fault))),
        };
        Box::pin(async move { shaking.await.map_err(Into::into) })
    }
}

/// A TLS connection, of whichever library.
pub struct TlsStream {
    stream: Pin<Box<dyn tls::TlsStream + Send + Sync>>,
    later: Box<dyn Fn(io::Error) -> io::Error + Send + Sync>,
}

impl TlsStream {
    /// `later` tells what an error means that comes after the handshake.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(super) fn new(
        stream: impl tls::TlsStream + Send + Sync + 'static,
        later: impl Fn(io::Error) -> io::Error + Send + Sync + 'static,
    ) -> Self {
        Self { stream: Box::pin(stream), later: Box::new(later) }
    }
}

impl tls::TlsStream for TlsStream {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(context, buffer).map_err(&self.later)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What deadpool-postgres, bb8-postgres and `postgres` ask of it.
    fn for_pools<T>(_: &T)
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
    }

    #[test]
    fn pools_take_it_and_it_shows_nothing_of_the_files() {
        let mut tls = Tls::default();
        tls.take("sslkey", "/secret/place").unwrap().unwrap();
        let connector = Connector::new(&tls);
        for_pools(&connector);
        assert_eq!(format!("{connector:?}"), "Connector(Prefer)");
    }
}
