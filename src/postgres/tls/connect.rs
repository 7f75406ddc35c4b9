//! The one way to a server: host by host, with TLS or without, in libpq's order.

use std::error::Error as _;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode};
use tokio_postgres::{Client, Config, Connection, Socket};

use super::connector::{Connector, TlsStream};
use super::fault::Fault;
use super::settings::{Mode, Tls};
use crate::postgres::database::Database;
use crate::postgres::error::ConnectError;

/// Connects.
pub(in crate::postgres) async fn connect(
    database: &Database,
) -> Result<(Client, Connection<Socket, TlsStream>), ConnectError> {
    let mut tries = Tries::of(database)?;
    while let Some(next) = tries.next() {
        let trying = next.config.connect(next.connector.clone());
        // As libpq, for all of it: tokio-postgres ends its own wait when TCP is through, and a server that is stopped never says a word.
        let outcome = match next.config.get_connect_timeout() {
            Some(most) => timeout(*most, trying).await.map_err(|_| *most),
            None => Ok(trying.await),
        };
        match outcome {
            Ok(Ok(parts)) => return Ok(parts),
            Ok(Err(error)) => tries.failed(&next, &error),
            Err(most) => tries.timed_out(most),
        }
    }
    Err(tries.into_error())
}

/// How TLS is asked for in one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Not at all.
    Plain,
    /// If the server has it.
    Offered,
    /// TLS or nothing.
    Insist,
}

impl Way {
    /// What is tried in turn; the second only if the first ended in a way that the second may mend.
    const fn of(mode: Mode) -> &'static [Self] {
        match mode {
            Mode::Disable => &[Self::Plain],
            Mode::Allow => &[Self::Plain, Self::Insist],
            Mode::Prefer => &[Self::Offered, Self::Plain],
            Mode::NoVerify | Mode::Require | Mode::VerifyCa | Mode::VerifyFull => &[Self::Insist],
        }
    }

    const fn mode(self) -> SslMode {
        match self {
            Self::Plain => SslMode::Disable,
            Self::Offered => SslMode::Prefer,
            Self::Insist => SslMode::Require,
        }
    }
}

/// One try.
pub(in crate::postgres) struct Try {
    /// For one host.
    pub(in crate::postgres) config: Config,
    pub(in crate::postgres) connector: Connector,
    way: Way,
}

/// All tries, and what became of those that were made.
pub(in crate::postgres) struct Tries<'a> {
    database: &'a Database,
    connector: Connector,
    /// The hosts that are left, the next one last.
    hosts: Vec<Config>,
    /// The host that is being tried, and how it is still to be.
    now: Option<(Config, &'static [Way])>,
    /// What the last host came to in its first try.
    first: Option<ConnectError>,
    error: Option<ConnectError>,
}

impl<'a> Tries<'a> {
    /// Fails if files that the connection cannot do without are not as they have to be.
    pub(in crate::postgres) fn of(database: &'a Database) -> Result<Self, ConnectError> {
        let (config, tls) = database.settings();
        let connector = Connector::new(tls);
        let mut hosts = hosts(config);
        if hosts.iter().any(|host| !is_socket(host)) {
            prepare(&connector, tls).map_err(|fault| ConnectError::tls(database, &fault))?;
        }
        if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            shuffle(&mut hosts);
        }
        hosts.reverse();
        Ok(Self { database, connector, hosts, now: None, first: None, error: None })
    }

    pub(in crate::postgres) fn next(&mut self) -> Option<Try> {
        let (mut config, ways) = if let Some(now) = self.now.take() {
            now
        } else {
            self.first = None;
            let config = self.hosts.pop()?;
            let mode = if is_socket(&config) { Mode::Disable } else { self.database.settings().1.mode() };
            (config, Way::of(mode))
        };
        let (way, rest) = ways.split_first()?;
        self.now = Some((config.clone(), rest));
        config.ssl_mode(way.mode());
        Some(Try { config, connector: self.connector.fresh(), way: *way })
    }

    /// What a try came to.
    pub(in crate::postgres) fn failed(&mut self, one: &Try, error: &tokio_postgres::Error) {
        let fault = fault(error);
        let told = match &fault {
            Some(fault) => ConnectError::tls(self.database, fault),
            None => ConnectError::new(self.database, error),
        };
        let more = self.now.as_ref().is_some_and(|(_, rest)| !rest.is_empty()) && goes_on(one, error, fault.as_ref());
        self.error = Some(match self.first.take() {
            None if more => {
                self.first = Some(told.clone());
                told
            }
            None => told,
            // `allow`: that the server has no TLS is not what went wrong.
            Some(plain) if fault == Some(Fault::NotSpoken) => plain,
            Some(plain) if one.way == Way::Insist => told.beside(&plain, "without TLS"),
            Some(first) => first.beside(&told, "without TLS"),
        });
        if !more {
            // The other way would come to the same: on to the next host.
            self.now = None;
        }
    }

    /// A try was over before anybody answered: on to the next host.
    fn timed_out(&mut self, most: Duration) {
        self.error = Some(ConnectError::timed_out(self.database, most));
        self.now = None;
    }

    pub(in crate::postgres) fn into_error(self) -> ConnectError {
        self.error
            .unwrap_or_else(|| ConnectError::tls(self.database, &Fault::Other("there is no host to try".to_owned())))
    }
}

/// For pools, which make their connections themselves and in one try: what they need, and it reads the files.
pub(in crate::postgres) fn pool_parts(database: &Database) -> Result<(Config, Connector), ConnectError> {
    let (config, tls) = database.settings();
    let connector = Connector::new(tls);
    let mut config = config.clone();
    name_addresses(&mut config);
    let hosts = hosts(&config);
    if hosts.iter().all(is_socket) {
        config.ssl_mode(SslMode::Disable);
        return Ok((config, connector));
    }
    prepare(&connector, tls).map_err(|fault| ConnectError::tls(database, &fault))?;
    // TLS for `allow` as for `prefer`: there is but one try, and that one serves most servers.
    config.ssl_mode(match tls.mode() {
        Mode::Disable => SslMode::Disable,
        Mode::Allow | Mode::Prefer => SslMode::Prefer,
        _ => SslMode::Require,
    });
    Ok((config, connector))
}

/// Reads the files now where the connection cannot do without, or someone named them. Else libpq's usual ones are read when a server
/// asks for TLS, and if they cannot be used, that is as if it had none.
fn prepare(connector: &Connector, tls: &Tls) -> Result<(), Fault> {
    match tls.mode() {
        Mode::Disable => Ok(()),
        mode if mode >= Mode::NoVerify || tls.names_files() => connector.prepare(),
        _ => Ok(()),
    }
}

/// Whether the other way may come to something else (libpq's `PQconnectPoll`): after a failed handshake, and after the server said no before it
/// let the client in; its pg_hba.conf may say yes to the other one.
fn goes_on(one: &Try, error: &tokio_postgres::Error, fault: Option<&Fault>) -> bool {
    let said_no = error.code().is_some_and(|code| !BEHIND_THE_DOOR.contains(&code.code()));
    match one.way {
        Way::Plain => said_no,
        Way::Offered => one.connector.was_used() && (said_no || fault.is_some()),
        Way::Insist => false,
    }
}

/// What a server says to whom it has let in, or says to everyone.
const BEHIND_THE_DOOR: [&str; 5] = ["3D000", "53300", "57P01", "57P02", "57P03"];

/// What was wrong with TLS, if it was that.
fn fault(error: &tokio_postgres::Error) -> Option<Fault> {
    let source = error.source()?;
    if let Some(fault) = source.downcast_ref::<Fault>() {
        return Some(fault.clone());
    }
    // tokio-postgres has no other sign of it.
    if source.to_string() == "server does not support TLS" {
        return Some(Fault::NotSpoken);
    }
    source.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<Fault>().cloned()
}

/// A configuration for each host.
fn hosts(config: &Config) -> Vec<Config> {
    let count = config.get_hosts().len().max(config.get_hostaddrs().len());
    let mut config = config.clone();
    name_addresses(&mut config);
    let ports = config.get_ports().len();
    // What tokio-postgres refuses it shall refuse in its own words.
    let whole = config.get_hosts().len() == count
        && (config.get_hostaddrs().is_empty() || config.get_hostaddrs().len() == count)
        && (ports <= 1 || ports == count);
    if count <= 1 || !whole { vec![config] } else { (0..count).map(|n| single(&config, n)).collect() }
}

/// A host that has only an address is called by it: TLS wants a name to call.
fn name_addresses(config: &mut Config) {
    if config.get_hosts().is_empty() {
        for address in config.get_hostaddrs().to_vec() {
            config.host(address.to_string());
        }
    }
}

/// The same for one of its hosts.
fn single(all: &Config, n: usize) -> Config {
    let mut one = Config::new();
    match all.get_hosts().get(n) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(path)) => drop(one.host_path(path)),
        None => {}
    }
    if let Some(address) = all.get_hostaddrs().get(n) {
        one.hostaddr(*address);
    }
    if let Some(port) = all.get_ports().get(n).or(all.get_ports().first()) {
        one.port(*port);
    }
    if let Some(user) = all.get_user() {
        one.user(user);
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(name) = all.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = all.get_options() {
        one.options(options);
    }
    if let Some(name) = all.get_application_name() {
        one.application_name(name);
    }
    if let Some(timeout) = all.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = all.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    one.keepalives(all.get_keepalives()).keepalives_idle(all.get_keepalives_idle());
    if let Some(interval) = all.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.ssl_negotiation(all.get_ssl_negotiation())
        .target_session_attrs(all.get_target_session_attrs())
        .channel_binding(all.get_channel_binding())
        .load_balance_hosts(all.get_load_balance_hosts());
    one
}

/// Whether it is a socket's folder, where TLS is never spoken. An address beside it says that it is a name after all.
fn is_socket(host: &Config) -> bool {
    #[cfg(unix)]
    return host.get_hostaddrs().is_empty() && matches!(host.get_hosts(), [Host::Unix(_), ..]);
    #[cfg(not(unix))]
    return host.get_hosts().is_empty();
}

/// In random order (Fisher and Yates).
fn shuffle<T>(items: &mut [T]) {
    for n in (1..items.len()).rev() {
        // A few bits are enough for as many hosts as a string can name.
        let random = RandomState::new().build_hasher().finish() % (1 << 16);
        items.swap(n, usize::try_from(random).unwrap_or(0) % (n + 1));
    }
}
