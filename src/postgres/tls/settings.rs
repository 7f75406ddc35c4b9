//! What connection strings and variables say about TLS (Postgres' manual, section 34.19, "SSL Support"). Nothing is opened here.

use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslNegotiation};

use super::words::{PARAMETERS, VARIABLES, Word};

/// Whether this build can make TLS connections.
const BUILT: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

/// How much is asked of a connection, in libpq's words; each asks for more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::postgres) enum Mode {
    /// Never TLS.
    Disable,
    /// TLS where the server refuses a plain connection.
    Allow,
    /// TLS where it can be had.
    Prefer,
    /// TLS with whoever answers. Not libpq's but node-postgres' `no-verify`: its `require` verifies where there is a root certificate.
    NoVerify,
    /// TLS, and the certificate is verified where there is a root certificate.
    Require,
    /// The certificate must come from someone who is trusted.
    VerifyCa,
    /// It must be this host's as well.
    VerifyFull,
}

impl Mode {
    /// The mode that libpq has for it. Its `require` verifies where there is a root certificate, which `no-verify` does not.
    fn in_libpq(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::NoVerify | Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// A file, and who named it: a parameter, a variable, or its usual place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) struct Named {
    pub(super) path: PathBuf,
    pub(super) by: &'static str,
}

/// Whose signature makes a certificate one to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) enum Root {
    /// Whoever the certificates in a file belong to.
    File(Named),
    /// Whom the system trusts.
    System,
}

/// The oldest protocol that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::postgres) enum Oldest {
    /// TLS 1.2, which is also libpq's default.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Whether the client's certificate is shown (libpq's `sslcertmode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::postgres) enum Identify {
    /// Where there is one and the server asks for it.
    #[default]
    Allow,
    /// Never.
    Disable,
}

/// All that is said about TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::postgres) struct Tls {
    pub(super) mode: Option<(Mode, &'static str)>,
    pub(super) root: Option<Root>,
    pub(super) certificate: Option<Named>,
    pub(super) key: Option<Named>,
    pub(super) identify: Identify,
    pub(super) oldest: Oldest,
    pub(super) negotiation: Option<SslNegotiation>,
    pub(super) channel_binding: Option<ChannelBinding>,
    /// `~/.postgresql`, where libpq has its files, once it is known.
    pub(super) folder: Option<PathBuf>,
    pub(super) said: Vec<Word>,
}

/// What is said about TLS cannot be done. No message repeats a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSettingError {
    /// TLS is asked for, and the program was built without it.
    #[error(
        "`{by}` asks for TLS, and this program was built without it\n  = help: switch on the feature `rustls` (or `native-tls`) of the crate `stairwell`; or connect through a tunnel (`ssh -L`), or over a network that you trust with `sslmode=disable`"
    )]
    NotBuilt {
        /// The parameter or variable that asks.
        by: &'static str,
    },
    /// The value is none that is known.
    #[error("`{by}` has a value that is not known\n  = help: it is {values}")]
    Value {
        /// The parameter or variable.
        by: &'static str,
        /// What it can be.
        values: &'static str,
    },
    /// libpq or another tool can do this, and stairwell cannot.
    #[error("`{by}` is not supported: {why}\n  = help: {help}")]
    Unsupported {
        /// The parameter or variable.
        by: &'static str,
        /// Why not.
        why: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// The system trusts so many that a certificate without the host's name says nothing.
    #[error(
        "`sslrootcert=system` trusts every public authority, and `{by}` does not compare the host's name: anyone with a certificate of his own would do\n  = help: say `sslmode=verify-full`, or leave the mode out, which then means that"
    )]
    WeakForSystem {
        /// Who asks for less.
        by: &'static str,
    },
    /// A direct handshake cannot fall back to a plain connection.
    #[error(
        "`sslnegotiation=direct` begins with TLS, and the mode does not insist on TLS\n  = help: say `sslmode=require`, `verify-ca` or `verify-full`"
    )]
    WeakForDirect,
}

impl Tls {
    /// Takes what a parameter of a connection string says; `None` if it says nothing about TLS. Of two, the later counts.
    pub(in crate::postgres) fn take(&mut self, parameter: &str, value: &str) -> Option<Result<(), TlsSettingError>> {
        let (by, word) = PARAMETERS.into_iter().find(|(name, _)| *name == parameter)?;
        Some(self.set(word, by, value))
    }

    /// Fills what the connection string left open from libpq's variables and from its usual place for files.
    pub(in crate::postgres) fn fill(
        &mut self,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<(), TlsSettingError> {
        for (name, word) in VARIABLES {
            // libpq knows only this one value of it, and takes any other for silence.
            let counts = |value: &String| name != "PGREQUIRESSL" || value == "1";
            if !self.said.contains(&word)
                && let Some(value) = variable(name).filter(counts)
            {
                self.set(word, name, &value)?;
            }
        }
        let home = if cfg!(windows) {
            variable("APPDATA").map(|folder| PathBuf::from(folder).join("postgresql"))
        } else {
            variable("HOME").map(|folder| PathBuf::from(folder).join(".postgresql"))
        };
        self.folder = self.folder.take().or(home);
        self.check()
    }

    /// Whether what is said can be done, and goes together.
    pub(in crate::postgres) fn check(&self) -> Result<(), TlsSettingError> {
        let (mode, by) = self.mode.unwrap_or((self.asked(), "sslrootcert"));
        if !BUILT && mode >= Mode::NoVerify {
            return Err(TlsSettingError::NotBuilt { by });
        }
        if self.root == Some(Root::System) && mode < Mode::VerifyFull {
            return Err(TlsSettingError::WeakForSystem { by });
        }
        if self.negotiation() == SslNegotiation::Direct && mode < Mode::NoVerify {
            return Err(TlsSettingError::WeakForDirect);
        }
        Ok(())
    }

    /// The mode: as given, or libpq's default.
    pub(super) fn asked(&self) -> Mode {
        let standard = if self.root == Some(Root::System) { Mode::VerifyFull } else { Mode::Prefer };
        self.mode.map_or(standard, |(mode, _)| mode)
    }

    /// The mode to connect in. A program that was built without TLS leaves it out where that may be, and `check` has refused the rest.
    pub(super) fn mode(&self) -> Mode {
        if BUILT { self.asked() } else { Mode::Disable }
    }

    /// Whether the client asks for TLS before anything else, or says so.
    pub(super) fn negotiation(&self) -> SslNegotiation {
        self.negotiation.unwrap_or(SslNegotiation::Postgres)
    }

    /// Tells `tokio_postgres` what it has a part in.
    pub(in crate::postgres) fn apply(&self, config: &mut Config) {
        config
            .ssl_negotiation(self.negotiation())
            .channel_binding(self.channel_binding.unwrap_or(ChannelBinding::Prefer));
    }

    /// The same as libpq's parameters. What is left out is as libpq has it without being told.
    pub(in crate::postgres) fn parameters(&self) -> Vec<(&'static str, String)> {
        let file = |named: &Named| named.path.display().to_string();
        let root = self.root.as_ref().map(|root| match root {
            Root::File(named) => file(named),
            Root::System => "system".to_owned(),
        });
        let binding = self.channel_binding.map(|binding| match binding {
            ChannelBinding::Disable => "disable",
            ChannelBinding::Require => "require",
            _ => "prefer",
        });
        let given = [
            ("sslmode", self.mode.map(|(mode, _)| mode.in_libpq().to_owned())),
            ("sslrootcert", root),
            ("sslcert", self.certificate.as_ref().map(file)),
            ("sslkey", self.key.as_ref().map(file)),
            ("sslcertmode", (self.identify == Identify::Disable).then(|| "disable".to_owned())),
            ("ssl_min_protocol_version", (self.oldest == Oldest::Tls13).then(|| "TLSv1.3".to_owned())),
            ("sslnegotiation", (self.negotiation() == SslNegotiation::Direct).then(|| "direct".to_owned())),
            ("channel_binding", binding.map(str::to_owned)),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Whether a file is named: then it has to be there, even where the mode could do without.
    pub(super) fn names_files(&self) -> bool {
        matches!(self.root, Some(Root::File(_))) || self.certificate.is_some() || self.key.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Tls {
        let mut tls = Tls::default();
        for (parameter, value) in pairs {
            tls.take(parameter, value).unwrap().unwrap();
        }
        tls
    }

    fn filled(mut tls: Tls, variables: &[(&str, &str)]) -> Result<Tls, TlsSettingError> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        tls.fill(&find).map(|()| tls)
    }

    fn file(path: &str, by: &'static str) -> Named {
        Named { path: PathBuf::from(path), by }
    }

    #[test]
    fn the_string_counts_before_the_variables() {
        let tls = filled(
            of(&[("sslmode", "prefer"), ("sslcert", "/c.crt")]),
            &[
                ("PGSSLMODE", "allow"),
                ("PGREQUIRESSL", "1"),
                ("PGSSLROOTCERT", "/r.crt"),
                ("PGSSLCERT", "/other.crt"),
                ("PGSSLKEY", "/c.key"),
                ("PGCHANNELBINDING", "require"),
                ("PGSSLMINPROTOCOLVERSION", "TLSv1.3"),
                ("HOME", "/home/ann"),
            ],
        )
        .unwrap();
        assert_eq!(tls.asked(), Mode::Prefer);
        assert_eq!(tls.root, Some(Root::File(file("/r.crt", "PGSSLROOTCERT"))));
        assert_eq!(tls.certificate, Some(file("/c.crt", "sslcert")));
        assert_eq!(tls.key, Some(file("/c.key", "PGSSLKEY")));
        assert_eq!(tls.oldest, Oldest::Tls13);
        assert_eq!(tls.folder, Some(PathBuf::from("/home/ann/.postgresql")));
        let mut config = Config::new();
        tls.apply(&mut config);
        assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
    }

    #[test]
    fn of_two_that_say_the_same_the_later_counts() {
        assert_eq!(of(&[("ssl", "true"), ("sslmode", "disable")]).mode(), Mode::Disable);
        assert_eq!(of(&[("sslrootcert", "/a"), ("ssl-ca", "/b")]).root, Some(Root::File(file("/b", "ssl-ca"))));
        assert_eq!(of(&[("sslrootcert", "/a"), ("sslrootcert", "")]).root, None);
    }

    #[test]
    fn what_goes_together_and_what_does_not() {
        let system = ("sslrootcert", "system");
        assert_eq!(of(&[system]).asked(), Mode::VerifyFull);
        for weak in ["disable", "allow", "prefer", "no-verify", "require", "verify-ca"] {
            let error = of(&[system, ("sslmode", weak)]).check().unwrap_err();
            let expected = if BUILT || ["disable", "allow", "prefer"].contains(&weak) {
                TlsSettingError::WeakForSystem { by: "sslmode" }
            } else {
                TlsSettingError::NotBuilt { by: "sslmode" }
            };
            assert_eq!(error, expected, "{weak}");
        }
        let error = filled(of(&[system]), &[("PGSSLMODE", "allow")]).unwrap_err();
        assert_eq!(error, TlsSettingError::WeakForSystem { by: "PGSSLMODE" });
        for weak in ["disable", "allow", "prefer"] {
            let error = of(&[("sslnegotiation", "direct"), ("sslmode", weak)]).check();
            assert_eq!(error, Err(TlsSettingError::WeakForDirect), "{weak}");
        }
        assert_eq!(of(&[("sslnegotiation", "direct")]).check(), Err(TlsSettingError::WeakForDirect));
    }

    #[test]
    fn a_program_without_tls_takes_no_mode_that_insists_on_it() {
        for (mode, insists) in [
            ("disable", false),
            ("allow", false),
            ("prefer", false),
            ("no-verify", true),
            ("require", true),
            ("verify-ca", true),
            ("verify-full", true),
        ] {
            let refused = Err(TlsSettingError::NotBuilt { by: "sslmode" });
            let expected = if insists && !BUILT { refused } else { Ok(()) };
            assert_eq!(of(&[("sslmode", mode)]).check(), expected, "{mode}");
            let connects = if BUILT { of(&[("sslmode", mode)]).asked() } else { Mode::Disable };
            assert_eq!(of(&[("sslmode", mode)]).mode(), connects, "{mode}");
        }
        let implied = if BUILT { Ok(()) } else { Err(TlsSettingError::NotBuilt { by: "sslrootcert" }) };
        assert_eq!(of(&[("sslrootcert", "system")]).check(), implied);
    }
}
