//! TLS with rustls, and ring behind it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio_postgres::Socket;
use tokio_postgres::config::SslNegotiation;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connector::{Library, Shaking, TlsStream};
use super::fault::{Fault, Trusted};
use super::files::{Identity, Roots, Terms, Verify};
use super::settings::{Named, Oldest};

/// Makes TLS connections with rustls.
pub(super) struct Rustls {
    connect: MakeRustlsConnect,
    view: View,
}

/// What an error is told from.
#[derive(Debug, Clone)]
struct View {
    trusted: Trusted,
    shown: Option<PathBuf>,
}

impl Rustls {
    pub(super) fn new(terms: Terms) -> Result<Self, Fault> {
        let view = View {
            trusted: terms.roots.trusted(),
            shown: terms.identity.as_ref().map(|identity| identity.certificate.path.clone()),
        };
        // Named here and not for the whole process, which belongs to the app: it may use another one.
        let provider = Arc::new(ring::default_provider());
        let versions: &[&SupportedProtocolVersion] = match terms.oldest {
            Oldest::Tls12 => &[&TLS13, &TLS12],
            Oldest::Tls13 => &[&TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| Fault::Other(error.to_string()))?;
        let roots = roots(&terms.roots)?;
        let builder = if terms.verify == Verify::ChainAndName {
            builder.with_root_certificates(roots)
        } else {
            let roots = (terms.verify == Verify::Chain).then_some(roots);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Lenient { roots, provider }))
        };
        let mut config = match terms.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = own(&identity)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    let why = match error {
                        rustls::Error::InconsistentKeys(_) => String::new(),
                        other => other.to_string(),
                    };
                    Fault::other_key(&identity.key, &identity.certificate, &why)
                })?
            }
        };
        if terms.negotiation == SslNegotiation::Direct {
            // Without it the server refuses who begins with TLS.
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(Self { connect: MakeRustlsConnect::new(config), view })
    }
}

impl Library for Rustls {
    fn shake(&self, host: &str, socket: Socket) -> Shaking {
        let mut connect = self.connect.clone();
        let (host, view) = (host.to_owned(), self.view.clone());
        Box::pin(async move {
            let Ok(connect) = MakeTlsConnect::<Socket>::make_tls_connect(&mut connect, &host);
            match connect.connect(socket).await {
                Ok(stream) => Ok(TlsStream::new(stream, view.shown.clone(), move |error| view.later(error))),
                Err(error) => Err(view.fault(&error, &host)),
            }
        })
    }
}

/// The certificates to trust.
fn roots(roots: &Roots) -> Result<RootCertStore, Fault> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::None => {}
        Roots::File { named, pem } => {
            for certificate in certificates(named, pem)? {
                store.add(certificate).map_err(|_| Fault::certificate(named))?;
            }
        }
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            // Of the dozens that a system has, some may be of a kind that rustls does not read.
            let (taken, _) = store.add_parsable_certificates(found.certs);
            if taken == 0 {
                return Err(Fault::NoSystem(found.errors.first().map(ToString::to_string)));
            }
        }
    }
    Ok(store)
}

fn certificates(named: &Named, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| Fault::certificate(named))
}

fn own(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Fault> {
    let key = PrivateKeyDer::from_pem_slice(&identity.secret).map_err(|_| {
        // Not what the parser says: that may be a piece of it.
        Fault::content(
            &identity.key,
            "with a key that cannot be read",
            "`openssl pkey -in <file> -noout -text` shows what is in it",
        )
    })?;
    Ok((certificates(&identity.certificate, &identity.chain)?, key))
}

/// Verifies less than rustls would: the chain without the name, or nothing. That the server has the certificate's key is always
/// verified; what binds a password's proof to the connection (SCRAM's channel binding) stands on it.
#[derive(Debug)]
struct Lenient {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let algorithms = self.provider.signature_verification_algorithms.all;
            let certificate = ParsedCertificate::try_from(certificate)?;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl View {
    /// What a handshake failed of.
    fn fault(&self, error: &io::Error, host: &str) -> Fault {
        match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(error)) => self.certificate(error, host),
            Some(rustls::Error::AlertReceived(alert)) => self.alert(*alert),
            Some(error) => Fault::Other(error.to_string()),
            None if error.kind() == io::ErrorKind::InvalidInput => {
                Fault::Other(format!("`{host}` is no name of a host"))
            }
            None => Fault::Broken(error.to_string()),
        }
    }

    fn certificate(&self, error: &CertificateError, host: &str) -> Fault {
        let untrusted = |why: String| Fault::Untrusted { why, trusted: self.trusted.clone() };
        let days = |seconds: u64| match seconds / (24 * 3600) {
            0 => "less than a day".to_owned(),
            1 => "a day".to_owned(),
            days => format!("{days} days"),
        };
        let since = |one: &UnixTime, other: &UnixTime| days(one.as_secs().saturating_sub(other.as_secs()));
        match error {
            CertificateError::UnknownIssuer => untrusted("nobody who is trusted here signed it".to_owned()),
            CertificateError::ExpiredContext { time, not_after } => {
                Fault::Time(format!("expired {} ago", since(time, not_after)))
            }
            CertificateError::Expired => Fault::Time("has expired".to_owned()),
            CertificateError::NotValidYetContext { time, not_before } => {
                Fault::Time(format!("is not valid yet: it will be in {}", since(not_before, time)))
            }
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => Fault::NoName,
            CertificateError::NotValidForNameContext { presented, .. } => {
                Fault::OtherHost { host: host.to_owned(), names: presented.iter().map(|name| plain(name)).collect() }
            }
            // webpki's errors are told as its names of them.
            CertificateError::Other(other) => match other.0.to_string().as_str() {
                "CaUsedAsEndEntity" => Fault::Form(
                    "it is an authority's (`CA:TRUE`) and stands for a server, which a self-signed certificate often does",
                ),
                "UnsupportedCertVersion" => Fault::Form(
                    "it is of X.509 version 1, which has no subjectAltName and cannot tell a server's from an authority's",
                ),
                other => untrusted(other.to_owned()),
            },
            other => untrusted(other.to_string()),
        }
    }

    fn alert(&self, alert: AlertDescription) -> Fault {
        use AlertDescription as A;
        match alert {
            A::CertificateRequired => {
                Fault::Client { why: "it wants one, and none was shown".to_owned(), shown: self.shown.clone() }
            }
            A::UnknownCA
            | A::BadCertificate
            | A::CertificateUnknown
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::UnsupportedCertificate
            | A::AccessDenied
            | A::DecryptError
                if self.shown.is_some() =>
            {
                let why = match alert {
                    A::UnknownCA => "it does not know the authority that signed it".to_owned(),
                    A::CertificateExpired => "it has expired".to_owned(),
                    A::CertificateRevoked => "it was revoked".to_owned(),
                    other => format!("alert {other:?}"),
                };
                Fault::Client { why, shown: self.shown.clone() }
            }
            A::ProtocolVersion => Fault::Other("the server speaks only protocols older than TLS 1.2".to_owned()),
            alert => Fault::Other(format!("the server ended it with the alert {alert:?}")),
        }
    }

    /// What an error after the handshake is about, if it is about TLS.
    fn later(&self, error: &io::Error) -> Option<Fault> {
        match error.get_ref()?.downcast_ref::<rustls::Error>()? {
            rustls::Error::AlertReceived(alert) => Some(self.alert(*alert)),
            _ => None,
        }
    }
}

/// `DnsName("db.example.com")` as a person writes it.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"').to_owned()
}
