//! Why a TLS connection cannot be made: what is wrong, where, and what mends it.

use std::io;
use std::path::PathBuf;

use super::settings::Named;

/// What a certificate was checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) enum Trusted {
    /// Nothing.
    Nobody,
    /// The certificates in this file.
    File(PathBuf),
    /// Whom the system trusts.
    System,
}

/// Why there is no TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::postgres) enum Fault {
    /// The server has none.
    #[error("the server does not speak TLS, and `sslmode` insists on it")]
    NotSpoken,
    /// A certificate is to be verified, and nobody is trusted.
    #[error("the server's certificate is to be verified, and there is no root certificate to do it with{}", .looked.as_ref().map(|path| format!(" (no `sslrootcert`, and no {})", path.display())).unwrap_or_default())]
    NoRoot { looked: Option<PathBuf> },
    /// A file cannot be used.
    #[error("`{by}` names {}, {why}", .path.display())]
    File { by: &'static str, path: PathBuf, why: String, help: &'static str },
    /// A certificate without its key.
    #[error("`{by}` names the certificate {}, and there is no key to it", .path.display())]
    NoKey { by: &'static str, path: PathBuf },
    /// There is a list of revoked certificates.
    #[error("{} lists certificates that were revoked, and such lists are not read", .path.display())]
    Revocations { path: PathBuf },
    /// The system trusts nobody.
    #[error("this system has no list of authorities to trust{}", .0.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    NoSystem(Option<String>),
    /// Nobody who is trusted signed it.
    #[error("the server's certificate is not trusted: {why}{}", signed(trusted))]
    Untrusted { why: String, trusted: Trusted },
    /// It is someone else's.
    #[error("the server's certificate is not for the host `{host}`: it is for {}", if .names.is_empty() { "another".to_owned() } else { .names.join(", ") })]
    OtherHost { host: String, names: Vec<String> },
    /// It has a host's name only where rustls does not look.
    #[error(
        "the server's certificate is for no host: it has no subjectAltName, and a common name (CN) does not count (RFC 6125)"
    )]
    NoName,
    /// Too early or too late.
    #[error("the server's certificate {0}")]
    Time(String),
    /// A form that rustls refuses.
    #[error("the server's certificate has a form that rustls refuses: {0}")]
    Form(&'static str),
    /// The server wants a certificate from this side, or another one.
    #[error("the server refused the client's certificate: {why}")]
    Client { why: String, shown: Option<PathBuf> },
    /// The server hung up when it had seen the client's certificate.
    #[error("the server hung up when it had seen the client's certificate, so it may have refused it")]
    HungUp { shown: PathBuf },
    /// The connection broke in the handshake.
    #[error("the connection broke in the TLS handshake: {0}")]
    Broken(String),
    /// Anything else.
    #[error("the TLS handshake failed: {0}")]
    Other(String),
}

fn signed(trusted: &Trusted) -> String {
    match trusted {
        Trusted::Nobody => String::new(),
        Trusted::File(path) => format!(" (trusted is what {} has)", path.display()),
        Trusted::System => " (trusted is whom this system trusts)".to_owned(),
    }
}

impl Fault {
    /// A file cannot be read.
    pub(super) fn unreadable(named: &Named, error: &io::Error) -> Self {
        let help = match error.kind() {
            io::ErrorKind::NotFound => {
                "give the path of a file that is there, from the folder that the program runs in"
            }
            _ => "whoever runs the program has to be allowed to read it",
        };
        let why = match error.kind() {
            io::ErrorKind::NotFound => "which is not there".to_owned(),
            _ => format!("which cannot be read: {error}"),
        };
        Self::File { by: named.by, path: named.path.clone(), why, help }
    }

    /// A file has something else in it.
    pub(super) fn content(named: &Named, why: impl Into<String>, help: &'static str) -> Self {
        Self::File { by: named.by, path: named.path.clone(), why: why.into(), help }
    }

    /// There is a certificate in a file that is none.
    pub(super) fn certificate(named: &Named) -> Self {
        let help = "`openssl x509 -in <file> -noout -text` shows what is in it";
        Self::content(named, "with a certificate that cannot be read", help)
    }

    /// A key cannot be that of a certificate.
    pub(super) fn other_key(key: &Named, certificate: &Named, why: &str) -> Self {
        let separator = if why.is_empty() { "" } else { ": " };
        Self::content(
            key,
            format!("which does not go with {}{separator}{why}", certificate.path.display()),
            "both have to be of one pair; RSA of 2048 bits and more, ECDSA (P-256, P-384) and Ed25519 can be used",
        )
    }

    /// Whether it may be otherwise in a moment.
    pub(in crate::postgres) fn is_passing(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::HungUp { .. })
    }

    /// What to do.
    pub(in crate::postgres) fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotSpoken => {
                "switch TLS on at the server (`ssl = on` in postgresql.conf); or, over a network that you trust, say `sslmode=disable`".to_owned()
            }
            Self::NoRoot { .. } => "give the authority's certificate with `sslrootcert=<file>` or PGSSLROOTCERT, or say `sslrootcert=system` for whom this system trusts; `sslmode=require` encrypts and verifies nothing".to_owned(),
            Self::File { help, .. } => (*help).to_owned(),
            Self::NoKey { .. } => "name it with `sslkey=<file>` or PGSSLKEY".to_owned(),
            Self::Revocations { .. } => {
                "move it away if you can do without; or build with the feature `native-tls` and the system's own settings".to_owned()
            }
            Self::NoSystem(_) => "install it (Debian's package `ca-certificates`), or name a certificate with `sslrootcert=<file>`".to_owned(),
            Self::Untrusted { trusted, .. } => match trusted {
                Trusted::System => "if the server's authority is one of your own, name its certificate with `sslrootcert=<file>`".to_owned(),
                _ => "`sslrootcert` has to name the certificate of the authority that signed the server's (hosters have theirs for download); for a public authority say `sslrootcert=system`".to_owned(),
            },
            Self::OtherHost { names, .. } => format!(
                "connect {}; or say `sslmode=verify-ca`, which compares no names, if nobody else gets certificates from that authority",
                names.first().map_or_else(|| "by the name that it is for".to_owned(), |name| format!("to the host by the name `{name}`"))
            ),
            Self::NoName => format!("{RENEW}; or say `sslmode=verify-ca`, which compares no names"),
            Self::Time(_) => "renew it at the server; and is this machine's clock right?".to_owned(),
            Self::Form(_) => RENEW.to_owned(),
            Self::Client { shown: None, .. } => {
                "give a certificate that the server accepts with `sslcert=<file>` and `sslkey=<file>`".to_owned()
            }
            Self::Client { shown: Some(path), .. } | Self::HungUp { shown: path } => format!(
                "{} has to be signed by an authority in the server's `ssl_ca_file`, with the role's name as its CN",
                path.display()
            ),
            Self::Broken(_) | Self::Other(_) => return None,
        })
    }
}

/// What mends a certificate that OpenSSL takes and rustls does not.
const RENEW: &str = "give the server a certificate of X.509 version 3 with a subjectAltName and `CA:FALSE` (`openssl req -x509 … -addext subjectAltName=DNS:db.example.com -addext basicConstraints=CA:FALSE`); or build with the feature `native-tls` in place of `rustls`, which is less strict";
