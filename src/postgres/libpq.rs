//! A [`Database`] in the words of libpq, for other programs: as a URL, and as the variables that psql reads.

use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::time::Duration;

use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};

use super::database::Database;

/// Whether a password is in a text that is to be shown or passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Password {
    /// It is not.
    Hide,
    /// It is, if there is one.
    Show,
}

/// libpq's variables for what a [`Database`] says (Postgres' manual, section 34.15, "Environment Variables").
const VARIABLES: [(&str, &str); 19] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("channel_binding", "PGCHANNELBINDING"),
];

impl Database {
    /// The URL that other programs understand: `postgresql://ann@db.example:6432/shop?sslmode=verify-full`. A socket's folder is the
    /// parameter `host`, as it cannot stand where a host does.
    pub fn to_url(&self, password: Password) -> String {
        let config = self.settings().0;
        let secret = config.get_password().filter(|_| password == Password::Show).map(encoded_bytes);
        let mut query: Vec<(&str, String)> = Vec::new();
        let mut url = "postgresql://".to_owned();
        let (hosts, addresses) = (self.named_hosts(), self.addresses());
        let sockets = hosts.iter().any(|host| host.starts_with('/'));
        if sockets || (hosts.is_empty() && addresses.is_empty()) {
            query.push(("host", hosts.join(",")));
            query.push(("port", self.ports().join(",")));
            query.push(("user", config.get_user().unwrap_or_default().to_owned()));
        } else {
            let credentials = [config.get_user().map(encoded), secret.clone()];
            let credentials: Vec<_> = credentials.into_iter().flatten().collect();
            if config.get_user().is_some() {
                url.extend([credentials.join(":").as_str(), "@"]);
            }
            let named = if hosts.is_empty() { &addresses } else { &hosts };
            let ports = self.ports();
            let place = |(n, host): (usize, &String)| {
                let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { encoded(host) };
                match ports.get(n).or(if ports.len() == 1 { ports.first() } else { None }) {
                    Some(port) => format!("{host}:{port}"),
                    None => host,
                }
            };
            url.push_str(&named.iter().enumerate().map(place).collect::<Vec<_>>().join(","));
        }
        if !hosts.is_empty() {
            query.push(("hostaddr", addresses.join(",")));
        }
        url.extend(["/", &config.get_dbname().map(encoded).unwrap_or_default()]);
        query.extend(self.other_parameters());
        let mut pairs: Vec<String> = query
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        // Without a user before an `@`, that is where it can stand.
        if let Some(secret) = secret.filter(|_| sockets || config.get_user().is_none()) {
            pairs.push(format!("password={secret}"));
        }
        if !pairs.is_empty() {
            url.extend(["?", &pairs.join("&")]);
        }
        url
    }

    /// The variables with which `psql` and libpq's other programs connect to this: name and value, the password among them. `None` is a
    /// variable that must not be set, since it would say something else.
    pub fn to_variables(&self) -> Vec<(&'static str, Option<String>)> {
        let config = self.settings().0;
        let (hosts, addresses) = (self.named_hosts(), self.addresses());
        let mut said = vec![
            ("host", hosts.join(",")),
            ("hostaddr", addresses.join(",")),
            ("port", self.ports().join(",")),
            ("dbname", config.get_dbname().unwrap_or_default().to_owned()),
            ("user", config.get_user().unwrap_or_default().to_owned()),
            (
                "password",
                config
                    .get_password()
                    .map(|password| String::from_utf8_lossy(password).into_owned())
                    .unwrap_or_default(),
            ),
        ];
        said.extend(self.other_parameters());
        let value = |parameter: &str| {
            let found = said.iter().find(|(name, value)| *name == parameter && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        let mut variables: Vec<_> =
            VARIABLES.iter().map(|(parameter, variable)| (*variable, value(parameter))).collect();
        // Both name a connection of their own.
        variables.extend([("PGSERVICE", None), ("PGREQUIRESSL", None)]);
        variables
    }

    fn named_hosts(&self) -> Vec<String> {
        let name = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        };
        self.settings().0.get_hosts().iter().map(name).collect()
    }

    fn addresses(&self) -> Vec<String> {
        self.settings().0.get_hostaddrs().iter().map(ToString::to_string).collect()
    }

    fn ports(&self) -> Vec<String> {
        self.settings().0.get_ports().iter().map(ToString::to_string).collect()
    }

    /// What is said beside where and as whom.
    fn other_parameters(&self) -> Vec<(&'static str, String)> {
        let (config, tls) = self.settings();
        let attributes = match config.get_target_session_attrs() {
            TargetSessionAttrs::ReadWrite => "read-write",
            TargetSessionAttrs::ReadOnly => "read-only",
            _ => "",
        };
        let balance = if config.get_load_balance_hosts() == LoadBalanceHosts::Random { "random" } else { "" };
        let mut parameters = vec![
            ("options", config.get_options().unwrap_or_default().to_owned()),
            ("application_name", config.get_application_name().unwrap_or_default().to_owned()),
            ("connect_timeout", config.get_connect_timeout().map(seconds).unwrap_or_default()),
            ("target_session_attrs", attributes.to_owned()),
            ("load_balance_hosts", balance.to_owned()),
        ];
        parameters.extend(tls.parameters());
        parameters
    }
}

fn seconds(time: &Duration) -> String {
    time.as_secs().max(1).to_string()
}

/// A piece of a URL with `%2F` for what has a meaning of its own somewhere in one (RFC 3986, section 2.3, has what stays).
fn encoded(text: &str) -> String {
    encoded_bytes(text.as_bytes())
}

fn encoded_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn database(text: &str) -> Database {
        Database::parse(text).unwrap()
    }

    #[test]
    fn a_url_is_what_other_programs_understand() {
        let table = [
            ("postgres://ann@db.example/shop", "postgresql://ann@db.example:5432/shop"),
            ("postgresql+asyncpg://ann:p%40ss@db:6432/my%20shop", "postgresql://ann:p%40ss@db:6432/my%20shop"),
            ("postgresql://ann@a:1,b:2/shop", "postgresql://ann@a:1,b:2/shop"),
            ("host=a,b port=5433 user=ann dbname=shop", "postgresql://ann@a:5433,b:5433/shop"),
            ("postgresql://ann@[::1]:5433/shop", "postgresql://ann@[::1]:5433/shop"),
            ("hostaddr=10.0.0.1 dbname=shop", "postgresql://10.0.0.1/shop"),
            ("host=db hostaddr=10.0.0.1", "postgresql://db/?hostaddr=10.0.0.1"),
            ("host=db password=x", "postgresql://db/?password=x"),
            ("host=db dbname=a://b", "postgresql://db/a%3A%2F%2Fb"),
            (
                "postgresql://h/d?options=-c%20a%3Db&connect_timeout=3&target_session_attrs=read-write",
                "postgresql://h:5432/d?options=-c%20a%3Db&connect_timeout=3&target_session_attrs=read-write",
            ),
            (
                "postgresql://h/d?sslmode=prefer&channel_binding=disable",
                "postgresql://h:5432/d?sslmode=prefer&channel_binding=disable",
            ),
        ];
        for (text, url) in table {
            assert_eq!(database(text).to_url(Password::Show), url);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_a_parameter() {
        let database = database("host=/run/a_b port=5433 user=ann password=p&q dbname=shop");
        let url = "postgresql:///shop?host=%2Frun%2Fa_b&port=5433&user=ann";
        assert_eq!(database.to_url(Password::Hide), url);
        assert_eq!(database.to_url(Password::Show), format!("{url}&password=p%26q"));
    }

    #[test]
    fn a_password_is_there_only_where_it_is_asked_for() {
        for text in
            ["postgresql://ann:hunter2@db/shop", "host=db password=hunter2", "host=/tmp user=ann password=hunter2"]
        {
            assert!(!database(text).to_url(Password::Hide).contains("hunter2"));
            assert!(database(text).to_url(Password::Show).contains("hunter2"));
        }
    }

    #[test]
    fn psql_is_told_all_of_it_and_nothing_that_was_set_before() {
        let url = "postgresql://ann:p%40ss@db.example:6432/shop?sslmode=prefer&application_name=x";
        let variables = database(url).to_variables();
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).unwrap().1.as_deref();
        let told = ["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "PGAPPNAME"].map(value);
        assert_eq!(told, ["db.example", "6432", "ann", "p@ss", "shop", "prefer", "x"].map(Some));
        for name in ["PGHOSTADDR", "PGSERVICE", "PGSSLROOTCERT", "PGOPTIONS"] {
            assert_eq!(value(name), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(
            user in prop::option::of("\\PC{1,8}"), password in prop::option::of("\\PC{1,8}"), name in "\\PC{1,8}", port in 1_u16.., host in "(db|/run/x y|::1|10\\.0\\.0\\.1)",
        ) {
            let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
            let mut pairs = format!("host={} port={port} dbname={}", quoted(&host), quoted(&name));
            for (key, value) in [("user", &user), ("password", &password)] {
                if let Some(value) = value {
                    pairs.extend([" ", key, "=", &quoted(value)]);
                }
            }
            let given = database(&pairs);
            let read = Database::parse(&given.to_url(Password::Show)).unwrap();
            prop_assert_eq!(read.to_url(Password::Show), given.to_url(Password::Show));
            prop_assert_eq!(read.to_variables(), given.to_variables());
        }
    }
}
