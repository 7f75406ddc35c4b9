//! TLS with what the system has: OpenSSL, Security Framework on macOS, SChannel on Windows.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use native_tls::{Certificate, Identity, Protocol, TlsConnector};
use postgres_native_tls::{MakeTlsConnector, set_postgresql_alpn};
use tokio_postgres::Socket;
use tokio_postgres::config::SslNegotiation;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};

use super::connector::{Library, Shaking, TlsStream};
use super::fault::{Fault, Trusted};
use super::files::{self, Roots, Terms, Verify};
use super::settings::Oldest;

/// Makes TLS connections with the system's library.
pub(super) struct Native {
    connect: MakeTlsConnector,
    view: View,
}

/// What an error is told from.
#[derive(Debug, Clone)]
struct View {
    trusted: Trusted,
    shown: Option<PathBuf>,
}

impl Native {
    pub(super) fn new(terms: Terms) -> Result<Self, Fault> {
        let view = View {
            trusted: terms.roots.trusted(),
            shown: terms.identity.as_ref().map(|identity| identity.certificate.path.clone()),
        };
        let mut builder = TlsConnector::builder();
        builder
            .min_protocol_version(Some(match terms.oldest {
                Oldest::Tls12 => Protocol::Tlsv12,
                Oldest::Tls13 => Protocol::Tlsv13,
            }))
            .danger_accept_invalid_certs(terms.verify == Verify::Nothing)
            .danger_accept_invalid_hostnames(terms.verify != Verify::ChainAndName);
        if let Roots::File { named, pem } = &terms.roots {
            builder.disable_built_in_roots(true);
            let certificates = Certificate::stack_from_pem(pem).map_err(|_| Fault::certificate(named))?;
            for certificate in certificates {
                builder.add_root_certificate(certificate);
            }
        }
        if let Some(identity) = &terms.identity {
            builder.identity(own(identity)?);
        }
        if terms.negotiation == SslNegotiation::Direct {
            // Without it the server refuses who begins with TLS.
            set_postgresql_alpn(&mut builder);
        }
        let connector = builder.build().map_err(|error| match &terms.identity {
            Some(identity) if error.to_string().contains("key values mismatch") => {
                Fault::other_key(&identity.key, &identity.certificate, "")
            }
            _ => Fault::Other(error.to_string()),
        })?;
        Ok(Self { connect: MakeTlsConnector::new(connector), view })
    }
}

fn own(identity: &files::Identity) -> Result<Identity, Fault> {
    Identity::from_pkcs8(&identity.chain, &identity.secret).map_err(|error| {
        // Not the error's own words: they may quote what it read.
        let why = if error.to_string().contains("PKCS#8") {
            "with a key in an old form, which is not read"
        } else {
            "with a key that cannot be read, or does not go with the certificate"
        };
        Fault::content(
            &identity.key,
            why,
            "`openssl pkcs8 -topk8 -nocrypt -in <file> -out <new>` writes it as PKCS#8 (`BEGIN PRIVATE KEY`)",
        )
    })
}

impl Library for Native {
    fn shake(&self, host: &str, socket: Socket) -> Shaking {
        let mut connect = self.connect.clone();
        let (host, view) = (host.to_owned(), self.view.clone());
        Box::pin(async move {
            let connect = MakeTlsConnect::<Socket>::make_tls_connect(&mut connect, &host)
                .map_err(|error| Fault::Other(error.to_string()))?;
            match connect.connect(socket).await {
                Ok(stream) => Ok(TlsStream::new(stream, view.shown.clone(), move |error| view.later(error))),
                Err(error) => Err(view.fault(&error, &host)),
            }
        })
    }
}

impl View {
    /// What a handshake failed of. The system's libraries tell it in words alone; those of OpenSSL are known here.
    fn fault(&self, error: &native_tls::Error, host: &str) -> Fault {
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                return Fault::Broken(error.to_string());
            }
            source = cause.source();
        }
        let text = error.to_string();
        self.words(&text, host).unwrap_or(Fault::Other(text))
    }

    fn words(&self, text: &str, host: &str) -> Option<Fault> {
        let has = |words: &[&str]| words.iter().any(|words| text.contains(words));
        let untrusted = |why: &str| Fault::Untrusted { why: why.to_owned(), trusted: self.trusted.clone() };
        Some(if has(&["hostname mismatch", "IP address mismatch"]) {
            Fault::OtherHost { host: host.to_owned(), names: Vec::new() }
        } else if has(&["certificate has expired"]) {
            Fault::Time("has expired".to_owned())
        } else if has(&["certificate is not yet valid"]) {
            Fault::Time("is not valid yet".to_owned())
        } else if has(&["unable to get local issuer", "self-signed certificate", "self signed certificate"]) {
            untrusted("nobody who is trusted here signed it")
        } else if has(&["alert certificate required"]) {
            Fault::Client { why: "it wants one, and none was shown".to_owned(), shown: self.shown.clone() }
        } else if self.shown.is_some()
            && has(&["alert unknown ca", "alert bad certificate", "alert certificate", "alert decrypt error"])
        {
            let why = match text.split("alert ").nth(1).and_then(|rest| rest.split(':').next()) {
                Some("unknown ca") => "it does not know the authority that signed it".to_owned(),
                Some("certificate expired") => "it has expired".to_owned(),
                Some(other) => format!("alert {other}"),
                None => text.to_owned(),
            };
            Fault::Client { why, shown: self.shown.clone() }
        } else if has(&["certificate verify failed"]) {
            untrusted(text)
        } else {
            return None;
        })
    }

    /// What an error after the handshake is about, if it is about TLS.
    fn later(&self, error: &io::Error) -> Option<Fault> {
        self.words(&error.to_string(), "")
    }
}
