//! One type for all that a connection may be made with: nothing, rustls, or what the system has.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{self, ChannelBinding, MakeTlsConnect, TlsConnect};

/// Why there is no TLS.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a handshake comes to.
pub(super) type Shaking = Pin<Box<dyn Future<Output = Result<TlsStream, BoxError>> + Send>>;

/// Makes TLS connections.
pub(super) trait Library: Send + Sync {
    /// With the server at the other end of this socket, which is to be this host.
    fn shake(&self, host: &str, socket: Socket) -> Shaking;
}

/// What `tokio_postgres::Config::connect` and pools take beside the configuration. It makes TLS connections as the [`Database`] says
/// that it is of, and leaves those alone that are to have none.
///
/// [`Database`]: crate::postgres::Database
#[derive(Clone, Default)]
pub struct Connector {
    library: Option<Arc<dyn Library>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.library.is_some() { "Connector(TLS)" } else { "Connector(plain)" })
    }
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = TlsStream;
    type TlsConnect = Handshake;
    type Error = BoxError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, BoxError> {
        Ok(Handshake { library: self.library.clone(), host: host.to_owned() })
    }
}

/// One TLS connection that is to be made.
pub struct Handshake {
    library: Option<Arc<dyn Library>>,
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = TlsStream;
    type Error = BoxError;
    type Future = Shaking;

    fn connect(self, socket: Socket) -> Shaking {
        match self.library {
            Some(library) => library.shake(&self.host, socket),
            None => Box::pin(async { Err("this connection is to be made without TLS".into()) }),
        }
    }
}

/// A TLS connection, of whichever library.
pub struct TlsStream(Pin<Box<dyn tls::TlsStream + Send + Sync>>);

impl tls::TlsStream for TlsStream {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(context)
    }
}
