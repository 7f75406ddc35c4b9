//! One type for all that a connection may be made with: nothing, rustls, or what the system has.

use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::path::PathBuf;
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

/// What an error after the handshake is about, if it is about TLS.
type Later = dyn Fn(&io::Error) -> Option<Fault> + Send + Sync;

/// A TLS connection, of whichever library.
pub struct TlsStream {
    stream: Pin<Box<dyn tls::TlsStream + Send + Sync>>,
    later: Box<Later>,
    /// The certificate that was shown to the server, until it has said anything.
    shown: Option<PathBuf>,
}

const HUNG_UP: [io::ErrorKind; 4] = [
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::UnexpectedEof,
];

impl TlsStream {
    /// `later` tells what an error means that comes after the handshake, and `shown` is the certificate that the server was shown. In
    /// TLS 1.3 the server looks at that when the handshake is over for the client.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(super) fn new(
        stream: impl tls::TlsStream + Send + Sync + 'static,
        shown: Option<PathBuf>,
        later: impl Fn(&io::Error) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self { stream: Box::pin(stream), later: Box::new(later), shown }
    }

    fn told<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        outcome.map_err(|error| match ((self.later)(&error), self.shown.take()) {
            (Some(fault), _) => io::Error::other(fault),
            // The server says why and hangs up, and where it hangs up first nobody hears why.
            (None, Some(shown)) if HUNG_UP.contains(&error.kind()) => io::Error::other(Fault::HungUp { shown }),
            (None, _) => error,
        })
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
        let before = buffer.filled().len();
        let outcome = self.stream.as_mut().poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.shown = None;
        }
        self.told(outcome)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = self.stream.as_mut().poll_write(context, bytes);
        self.told(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.stream.as_mut().poll_flush(context);
        self.told(outcome)
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
        assert!(!format!("{connector:?}").contains("secret"));
    }

    /// A connection that is reset.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    struct Reset;

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    mod reset {
        use super::*;

        fn error<T>() -> Poll<io::Result<T>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        impl AsyncRead for Reset {
            fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                error()
            }
        }

        impl AsyncWrite for Reset {
            fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
                error()
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                error()
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                error()
            }
        }

        impl tls::TlsStream for Reset {
            fn channel_binding(&self) -> ChannelBinding {
                ChannelBinding::none()
            }
        }
    }

    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[test]
    fn who_hangs_up_on_a_certificate_may_have_refused_it() {
        let read = |shown: Option<&str>| {
            let mut stream = TlsStream::new(Reset, shown.map(PathBuf::from), |_| None);
            let mut context = Context::from_waker(std::task::Waker::noop());
            match Pin::new(&mut stream).poll_read(&mut context, &mut ReadBuf::new(&mut [0; 8])) {
                Poll::Ready(Err(error)) => error,
                other => panic!("{other:?}"),
            }
        };
        let fault = read(Some("/c.crt")).into_inner().unwrap().downcast::<Fault>().unwrap();
        assert_eq!(*fault, Fault::HungUp { shown: PathBuf::from("/c.crt") });
        // It may as well be going down, so it is asked again.
        assert!(fault.is_passing());
        assert_eq!(read(None).kind(), io::ErrorKind::ConnectionReset);
    }
}
