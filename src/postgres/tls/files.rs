//! The files behind the settings: which are used, and whether they can be.

use std::fs;
use std::io;
use std::path::Path;

use super::fault::{Fault, Trusted};
use super::settings::{Identify, Mode, Named, Oldest, Root, Tls};
use tokio_postgres::config::SslNegotiation;

/// What is verified of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verify {
    /// Nothing: whoever answers will do.
    Nothing,
    /// Who signed it, and when.
    Chain,
    /// That, and that it is the host's.
    ChainAndName,
}

/// Certificates to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// None: nothing is verified.
    None,
    /// These, as PEM.
    File { named: Named, pem: Vec<u8> },
    /// The system's.
    System,
}

impl Roots {
    pub(super) fn trusted(&self) -> Trusted {
        match self {
            Self::None => Trusted::Nobody,
            Self::File { named, .. } => Trusted::File(named.path.clone()),
            Self::System => Trusted::System,
        }
    }
}

/// The client's certificate and key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) certificate: Named,
    pub(super) chain: Vec<u8>,
    pub(super) key: Named,
    pub(super) secret: Vec<u8>,
}

/// All that a library needs to know.
pub(super) struct Terms {
    pub(super) verify: Verify,
    pub(super) roots: Roots,
    pub(super) identity: Option<Identity>,
    pub(super) oldest: Oldest,
    pub(super) negotiation: SslNegotiation,
}

/// Reads the files.
pub(super) fn read(tls: &Tls) -> Result<Terms, Fault> {
    let roots = roots(tls)?;
    let verify = match (tls.mode(), &roots) {
        (Mode::VerifyFull, _) => Verify::ChainAndName,
        (_, Roots::None) => Verify::Nothing,
        // As libpq: a root certificate that is there is used, whatever the mode asks for.
        _ => Verify::Chain,
    };
    Ok(Terms { verify, roots, identity: identity(tls)?, oldest: tls.oldest, negotiation: tls.negotiation() })
}

fn roots(tls: &Tls) -> Result<Roots, Fault> {
    if tls.mode() == Mode::NoVerify {
        return Ok(Roots::None);
    }
    let named = match &tls.root {
        Some(Root::System) => return Ok(Roots::System),
        Some(Root::File(named)) => named.clone(),
        None => match usual(tls, "root.crt", "sslrootcert") {
            Some(named) => named,
            None if tls.mode() >= Mode::VerifyCa => {
                return Err(Fault::NoRoot { looked: tls.folder.as_ref().map(|folder| folder.join("root.crt")) });
            }
            None => return Ok(Roots::None),
        },
    };
    let pem = text(&named, CERTIFICATE)?;
    // libpq reads it where it is. To leave it out unsaid would be a hole.
    match tls.folder.as_ref().map(|folder| folder.join("root.crl")).filter(|path| path.exists()) {
        Some(path) => Err(Fault::Revocations { path }),
        None => Ok(Roots::File { named, pem }),
    }
}

fn identity(tls: &Tls) -> Result<Option<Identity>, Fault> {
    if tls.identify == Identify::Disable {
        return Ok(None);
    }
    let Some(certificate) = tls.certificate.clone().or_else(|| usual(tls, "postgresql.crt", "sslcert")) else {
        return Ok(None);
    };
    let chain = text(&certificate, CERTIFICATE)?;
    let Some(key) = tls.key.clone().or_else(|| usual(tls, "postgresql.key", "sslkey")) else {
        return Err(Fault::NoKey { by: certificate.by, path: certificate.path });
    };
    let open = may_others_read(&key.path).map_err(|error| Fault::unreadable(&key, &error))?;
    if open {
        return Err(Fault::content(
            &key,
            "which others may read",
            "`chmod 600` it; one that root owns may be readable for its group (0640)",
        ));
    }
    let secret = text(&key, KEY)?;
    if contains(&secret, "BEGIN ENCRYPTED PRIVATE KEY") || contains(&secret, "4,ENCRYPTED") {
        return Err(Fault::content(
            &key,
            "which is encrypted",
            "`openssl pkey -in client.key -out plain.key` writes one without a password; `chmod 600` it, and name it as `sslkey`",
        ));
    }
    Ok(Some(Identity { certificate, chain, key, secret }))
}

/// The file at libpq's usual place, if it is there.
fn usual(tls: &Tls, file: &str, by: &'static str) -> Option<Named> {
    let path = tls.folder.as_ref()?.join(file);
    path.exists().then_some(Named { path, by })
}

/// How a PEM file shows what is in it: the mark, what it lacks without it, and what to do.
type Kind = (&'static str, &'static str, &'static str);

const CERTIFICATE: Kind = (
    "CERTIFICATE-----",
    "which has no certificate in PEM form",
    "a PEM file has a line `-----BEGIN CERTIFICATE-----`; `openssl x509 -inform der -in <file> -out <new>` makes one of a DER file",
);
const KEY: Kind = (
    "PRIVATE KEY-----",
    "which has no private key in PEM form",
    "a PEM file has a line `-----BEGIN PRIVATE KEY-----`; `openssl pkey -inform der -in <file> -out <new>` makes one of a DER file",
);

fn text(named: &Named, (mark, why, help): Kind) -> Result<Vec<u8>, Fault> {
    let bytes = fs::read(&named.path).map_err(|error| Fault::unreadable(named, &error))?;
    if contains(&bytes, mark) { Ok(bytes) } else { Err(Fault::content(named, why, help)) }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Whether a key is for its owner alone, as libpq wants it: nothing for others, and the group may read it if root owns it.
#[cfg(unix)]
fn may_others_read(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let data = fs::metadata(path)?;
    let theirs = if data.uid() == 0 { 0o037 } else { 0o077 };
    Ok(data.mode() & theirs != 0)
}

#[cfg(not(unix))]
fn may_others_read(path: &Path) -> io::Result<bool> {
    fs::metadata(path).map(|_| false)
}
