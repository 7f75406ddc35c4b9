//! The words for TLS: libpq's parameters and variables, and what other tools say for the same.

use std::path::PathBuf;

use tokio_postgres::config::{ChannelBinding, SslNegotiation};

use super::settings::{Identify, Mode, Named, Oldest, Root, Tls, TlsSettingError};

/// Something that can be said about TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Mode,
    Root,
    Certificate,
    Key,
    CertMode,
    Oldest,
    Newest,
    Negotiation,
    ChannelBinding,
    KeyPassword,
    Revoked,
    RevokedFolder,
    ServerName,
    Compression,
    Peer,
    Kerberos,
    KeyLog,
    Prisma,
    Compatible,
}

/// Parameters: libpq's, and the spellings of sqlx (`ssl-mode`, …), node-postgres (`ssl`) and Prisma.
pub(super) const PARAMETERS: [(&str, Word); 26] = [
    ("sslmode", Word::Mode),
    ("ssl-mode", Word::Mode),
    ("ssl", Word::Mode),
    ("sslrootcert", Word::Root),
    ("ssl-root-cert", Word::Root),
    ("ssl-ca", Word::Root),
    ("sslcert", Word::Certificate),
    ("ssl-cert", Word::Certificate),
    ("sslkey", Word::Key),
    ("ssl-key", Word::Key),
    ("sslcertmode", Word::CertMode),
    ("ssl_min_protocol_version", Word::Oldest),
    ("ssl_max_protocol_version", Word::Newest),
    ("sslnegotiation", Word::Negotiation),
    ("channel_binding", Word::ChannelBinding),
    ("sslpassword", Word::KeyPassword),
    ("sslcrl", Word::Revoked),
    ("sslcrldir", Word::RevokedFolder),
    ("sslsni", Word::ServerName),
    ("sslcompression", Word::Compression),
    ("requirepeer", Word::Peer),
    ("gssencmode", Word::Kerberos),
    ("sslaccept", Word::Prisma),
    ("sslidentity", Word::Prisma),
    // What node-postgres calls libpq's meaning of `sslmode`, which is the one here.
    ("uselibpqcompat", Word::Compatible),
    ("sslkeylogfile", Word::KeyLog),
];

/// libpq's variables.
pub(super) const VARIABLES: [(&str, Word); 15] = [
    ("PGSSLMODE", Word::Mode),
    ("PGREQUIRESSL", Word::Mode),
    ("PGSSLROOTCERT", Word::Root),
    ("PGSSLCERT", Word::Certificate),
    ("PGSSLKEY", Word::Key),
    ("PGSSLCERTMODE", Word::CertMode),
    ("PGSSLMINPROTOCOLVERSION", Word::Oldest),
    ("PGSSLMAXPROTOCOLVERSION", Word::Newest),
    ("PGSSLNEGOTIATION", Word::Negotiation),
    ("PGCHANNELBINDING", Word::ChannelBinding),
    ("PGSSLCRL", Word::Revoked),
    ("PGSSLCRLDIR", Word::RevokedFolder),
    ("PGSSLSNI", Word::ServerName),
    ("PGREQUIREPEER", Word::Peer),
    ("PGGSSENCMODE", Word::Kerberos),
];

impl Tls {
    /// Takes in what was said, and by which parameter or variable.
    pub(super) fn set(&mut self, word: Word, by: &'static str, value: &str) -> Result<(), TlsSettingError> {
        let unknown = |values| TlsSettingError::Value { by, values };
        let unsupported = |why, help| Err(TlsSettingError::Unsupported { by, why, help });
        let named = || (!value.is_empty()).then(|| Named { path: PathBuf::from(value), by });
        self.said.push(word);
        let changes_nothing = match word {
            Word::Revoked | Word::RevokedFolder | Word::Peer => value.is_empty(),
            Word::ServerName => value == "1",
            Word::Newest => value == "TLSv1.3",
            Word::Kerberos => matches!(value, "disable" | "prefer"),
            _ => false,
        };
        if changes_nothing {
            return Ok(());
        }
        match word {
            // What everyone's OpenSSL is built without; libpq takes the word and does nothing. The other says what is so anyway.
            Word::Compression | Word::Compatible => {}
            Word::Mode => self.mode = Some((mode(value).ok_or_else(|| unknown(MODES))?, by)),
            Word::Root if value == "system" => self.root = Some(Root::System),
            Word::Root => self.root = named().map(Root::File),
            Word::Certificate => self.certificate = named(),
            Word::Key if value.starts_with("engine:") || value.contains("://") => {
                return unsupported("keys are read from files", "give the path of a PEM file");
            }
            Word::Key => self.key = named(),
            Word::CertMode => {
                self.identify = match value {
                    "allow" => Identify::Allow,
                    "disable" => Identify::Disable,
                    "require" => {
                        return unsupported(
                            "it cannot be told here whether the server asked for a certificate",
                            "leave it out; a server that wants one can say so in its pg_hba.conf (`clientcert=verify-full`)",
                        );
                    }
                    _ => return Err(unknown("`allow` or `disable`")),
                }
            }
            Word::Oldest => {
                self.oldest = match value {
                    "TLSv1" | "TLSv1.1" | "TLSv1.2" => Oldest::Tls12,
                    "TLSv1.3" => Oldest::Tls13,
                    _ => return Err(unknown("`TLSv1.2` or `TLSv1.3`; what is older is never spoken")),
                }
            }
            Word::Newest => return unsupported("the newest protocol that both sides know is used", "leave it out"),
            Word::Negotiation => {
                self.negotiation = Some(match value {
                    "postgres" => SslNegotiation::Postgres,
                    "direct" => SslNegotiation::Direct,
                    _ => return Err(unknown("`postgres` or `direct`")),
                });
            }
            Word::ChannelBinding => {
                self.channel_binding = Some(match value {
                    "disable" => ChannelBinding::Disable,
                    "prefer" => ChannelBinding::Prefer,
                    "require" => ChannelBinding::Require,
                    _ => return Err(unknown("`disable`, `prefer` or `require`")),
                });
            }
            Word::KeyPassword => {
                return unsupported(
                    "encrypted keys are not read",
                    "`openssl pkey -in client.key -out plain.key` writes one without a password; `chmod 600` it, and name it as `sslkey`",
                );
            }
            Word::Revoked | Word::RevokedFolder => {
                return unsupported(
                    "lists of revoked certificates are not read, and one that is left out unsaid would be a hole",
                    "leave it out if you can do without; a certificate that lives for days needs no such list",
                );
            }
            Word::ServerName => {
                return unsupported("the host's name is always sent with the handshake", "leave it out");
            }
            Word::Peer => {
                return unsupported(
                    "whom a socket's server runs as is not asked",
                    "leave it out if you can do without",
                );
            }
            Word::Kerberos => {
                return unsupported("GSSAPI is not spoken", "leave it out, or use TLS: `sslmode=verify-full`");
            }
            Word::KeyLog => return unsupported("what would decrypt the connection is written nowhere", "leave it out"),
            Word::Prisma => {
                return unsupported(
                    "it is Prisma's, and libpq has no such word",
                    "say `sslmode`, and `sslrootcert`, `sslcert` and `sslkey` with paths of PEM files",
                );
            }
        }
        Ok(())
    }
}

const MODES: &str = "one of `disable`, `allow`, `prefer`, `require`, `verify-ca` and `verify-full`";

/// In libpq's words; with `ssl`, others say yes or no.
fn mode(value: &str) -> Option<Mode> {
    Some(match value.to_ascii_lowercase().as_str() {
        "disable" | "false" | "0" => Mode::Disable,
        "allow" => Mode::Allow,
        "prefer" => Mode::Prefer,
        "no-verify" => Mode::NoVerify,
        "require" | "true" | "1" => Mode::Require,
        "verify-ca" => Mode::VerifyCa,
        "verify-full" => Mode::VerifyFull,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_known_in_the_words_of_others() {
        for (text, known) in [
            ("disable", Some(Mode::Disable)),
            ("allow", Some(Mode::Allow)),
            ("prefer", Some(Mode::Prefer)),
            ("require", Some(Mode::Require)),
            ("verify-ca", Some(Mode::VerifyCa)),
            ("VERIFY-FULL", Some(Mode::VerifyFull)),
            ("no-verify", Some(Mode::NoVerify)),
            ("true", Some(Mode::Require)),
            ("false", Some(Mode::Disable)),
            ("verify_full", None),
            ("", None),
            ("hunter2", None),
        ] {
            assert_eq!(mode(text), known, "{text}");
        }
    }

    #[test]
    fn every_word_that_is_refused_says_why_and_never_its_value() {
        let refused = [
            ("sslmode", "hunter2"),
            ("sslcertmode", "require"),
            ("sslcertmode", "hunter2"),
            ("sslkey", "engine:hunter2:key"),
            ("sslkey", "pkcs11://hunter2"),
            ("ssl_min_protocol_version", "hunter2"),
            ("ssl_max_protocol_version", "TLSv1.2"),
            ("sslnegotiation", "hunter2"),
            ("channel_binding", "hunter2"),
            ("sslpassword", "hunter2"),
            ("sslcrl", "hunter2"),
            ("sslcrldir", "hunter2"),
            ("sslsni", "0"),
            ("requirepeer", "hunter2"),
            ("gssencmode", "require"),
            ("sslaccept", "hunter2"),
            ("sslidentity", "hunter2"),
            ("sslkeylogfile", "hunter2"),
        ];
        let mut texts = Vec::new();
        for (parameter, value) in refused {
            let error = Tls::default().take(parameter, value).unwrap().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            texts.push(error.to_string());
        }
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn words_that_change_nothing_are_taken() {
        for (parameter, value) in [
            ("sslcompression", "1"),
            ("sslsni", "1"),
            ("sslcrl", ""),
            ("requirepeer", ""),
            ("gssencmode", "prefer"),
            ("uselibpqcompat", "true"),
            ("ssl_min_protocol_version", "TLSv1.1"),
            ("ssl_max_protocol_version", "TLSv1.3"),
        ] {
            let mut tls = Tls::default();
            tls.take(parameter, value).unwrap().unwrap();
            assert_eq!((tls.asked(), tls.oldest), (Mode::Prefer, Oldest::Tls12), "{parameter}");
        }
        assert!(Tls::default().take("host", "db").is_none());
    }
}
