//! Every mode, against servers of every kind.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use rcgen::IsCa;
use stairwell::postgres::Database;

use super::bench::{Bench, LIBRARY, NAMES, QUESTION};
use super::certificates::{Authority, Pair, self_signed};
use crate::harness::shared::checkout;
use crate::harness::{Outcome, Skip};

crate::trials!(
    each_mode_does_with_each_server_what_libpq_does,
    a_certificate_that_is_refused_is_told_with_the_reason_and_the_remedy,
    a_certificate_of_the_first_version_is_told_with_the_remedy,
    a_self_signed_certificate_is_its_own_root,
    the_command_of_the_documentation_makes_a_certificate_that_is_taken,
    a_mode_that_verifies_wants_someone_to_trust,
    the_systems_authorities_do_not_know_a_test,
);

/// What is asked for, and of whose authority the root certificate is that the client has.
const MODES: [&str; 11] = [
    "sslmode=disable",
    "sslmode=allow",
    "sslmode=prefer",
    "sslmode=require",
    "sslmode=no-verify",
    "sslmode=allow&sslrootcert=<root>",
    "sslmode=prefer&sslrootcert=<root>",
    "sslmode=no-verify&sslrootcert=<root>",
    "sslmode=require&sslrootcert=<root>",
    "sslmode=verify-ca&sslrootcert=<root>",
    "sslmode=verify-full&sslrootcert=<root>",
];

const PLAIN_ONLY: &str = "hostnossl all all 127.0.0.1/32 trust\n";
const TLS_ONLY: &str = "hostssl all all 127.0.0.1/32 trust\n";
const ANY: &str = "host all all 127.0.0.1/32 trust\n";

/// A server that clients meet: its name in the table, and how the one of the bench becomes it.
type Kind = (&'static str, fn(&Bench));

const SERVERS: [Kind; 9] = [
    ("without TLS", |bench| bench.end_tls()),
    ("trusted", |bench| bench.present(&bench.authority.server(&NAMES))),
    ("unknown authority", |bench| bench.present(&Authority::new("a stranger").server(&NAMES))),
    ("other host", |bench| bench.present(&bench.authority.server(&["db.example.com", "10.0.0.7"]))),
    ("expired", |bench| bench.present(&bench.authority.expired(&NAMES))),
    ("name in CN only", |bench| bench.present(&bench.authority.server(&[]))),
    ("hostssl only", |bench| {
        bench.present(&bench.authority.server(&NAMES));
        bench.cluster.rules(TLS_ONLY);
    }),
    ("hostnossl only", |bench| bench.cluster.rules(PLAIN_ONLY)),
    ("refuses all", |bench| {
        bench
            .cluster
            .rules(&format!("host all postgres 127.0.0.1/32 trust\nhost all {STRANGER} 127.0.0.1/32 reject\n"));
    }),
];

const STRANGER: &str = "stranger";

fn each_mode_does_with_each_server_what_libpq_does() -> Outcome {
    let bench = Bench::take()?;
    bench.cluster.ask(&format!("CREATE ROLE {STRANGER} LOGIN"));
    let (mut table, mut pooled, mut otherwise) = (String::new(), String::new(), String::new());
    for (name, make) in SERVERS {
        bench.cluster.rules(ANY);
        make(&bench);
        let user = if name == "refuses all" { STRANGER } else { "postgres" };
        writeln!(table, "{name}").unwrap();
        writeln!(pooled, "{name}").unwrap();
        for mode in MODES {
            let database = Database::parse(&bench.url_as(user, mode)).unwrap();
            let seen = super::bench::outcome(&database).map_err(|error| bench.anonymous(&error));
            let psql = bench.psql(&bench.url_as(user, mode)).filter(|_| !mode.contains("no-verify"));
            if psql.is_some_and(|psql| psql != seen.as_deref().unwrap_or("error")) {
                writeln!(otherwise, "{name}, {mode}: {}", brief(seen.clone())).unwrap();
            }
            writeln!(table, "    {mode:<40}{}", brief(seen)).unwrap();
            writeln!(pooled, "    {mode:<40}{}", brief(through_a_pool(&database))).unwrap();
        }
    }
    // rustls does not look for a host's name in the CN, as libpq does.
    let known = if LIBRARY == "rustls" && bench.has_psql() {
        "name in CN only, sslmode=verify-full&sslrootcert=<root>: error: no name\n"
    } else {
        ""
    };
    assert_eq!(otherwise, known);
    insta::assert_snapshot!(format!("modes_{LIBRARY}"), table);
    insta::assert_snapshot!(format!("modes_of_pools_{LIBRARY}"), pooled);
    Ok(())
}

/// As a pool does it.
fn through_a_pool(database: &Database) -> Result<String, String> {
    let (config, connector) = database.pool_parts().map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = config.connect(connector).await.map_err(|error| {
            std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
        })?;
        tokio::spawn(connection);
        let row = client.query_one(QUESTION, &[]).await.unwrap();
        Ok(row.get(0))
    })
}

/// A word for what went wrong, in each of two tries where there were two.
fn brief(outcome: Result<String, String>) -> String {
    const WORDS: [(&str, &str); 9] = [
        ("does not speak TLS", "no TLS"),
        ("does not support TLS", "no TLS"),
        ("not trusted", "untrusted"),
        ("is not for the host", "other host"),
        ("is for no host", "no name"),
        ("expired", "expired"),
        ("no pg_hba.conf entry", "not let in"),
        ("pg_hba.conf rejects", "not let in"),
        ("certificate has a form", "form"),
    ];
    let error = match outcome {
        Ok(seen) => return seen,
        Err(error) => error,
    };
    let of = |text: &str| {
        let known = WORDS.iter().find(|(words, _)| text.contains(words));
        known.map_or_else(|| text.to_owned(), |(_, word)| (*word).to_owned())
    };
    let reason = error.split("\n  = help").next().unwrap_or_default();
    format!("error: {}", reason.split("; without TLS: ").map(of).collect::<Vec<_>>().join(", then plain: "))
}

fn a_certificate_that_is_refused_is_told_with_the_reason_and_the_remedy() -> Outcome {
    let bench = Bench::take()?;
    let mut texts = String::new();
    for (name, make) in &SERVERS[..6] {
        make(&bench);
        for mode in ["require", "verify-full&sslrootcert=<root>"] {
            if let Err(error) = bench.outcome(&format!("sslmode={mode}")) {
                writeln!(texts, "{name}, {mode}\n{error}\n").unwrap();
            }
        }
    }
    let own = self_signed(&NAMES, IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    bench.present(&own);
    bench.write("own.crt", &own.certificate);
    writeln!(texts, "an authority's own\n{:?}\n", bench.outcome("sslmode=require")).unwrap();
    let seen = bench.outcome("sslmode=verify-full&sslrootcert=<files>/own.crt").unwrap_or_else(|error| error);
    writeln!(texts, "{seen}\n").unwrap();
    // To a server that lets nobody in without, this is what `prefer` comes to.
    bench.present(&Authority::new("a stranger").server(&NAMES));
    bench.cluster.rules(TLS_ONLY);
    let seen = bench.outcome("sslmode=prefer&sslrootcert=<root>").unwrap_err();
    writeln!(texts, "hostssl only, prefer with a root\n{seen}\n").unwrap();
    writeln!(texts, "hostssl only, disable\n{}", bench.outcome("sslmode=disable").unwrap_err()).unwrap();
    insta::assert_snapshot!(format!("refused_{LIBRARY}"), texts);
    Ok(())
}

fn a_certificate_of_the_first_version_is_told_with_the_remedy() -> Outcome {
    let bench = Bench::take()?;
    openssl(
        &bench,
        "openssl req -new -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out old.csr && \
         openssl x509 -req -in old.csr -signkey server.key -days 30 -out server.crt",
    )?;
    let seen = ["require", "verify-ca&sslrootcert=<files>/server.crt"]
        .map(|mode| bench.outcome(&format!("sslmode={mode}")).unwrap_or_else(|error| error));
    insta::assert_snapshot!(format!("first_version_{LIBRARY}"), seen.join("\n\n"));
    Ok(())
}

fn the_command_of_the_documentation_makes_a_certificate_that_is_taken() -> Outcome {
    let bench = Bench::take()?;
    let text = fs::read_to_string(checkout("docs/tls.md")).unwrap();
    let (_, behind) = text.split_once("```console\n$ ").unwrap();
    let (command, _) = behind.split_once("\n```").unwrap();
    openssl(&bench, &command.replace("db.example.com", "localhost"))?;
    assert_eq!(bench.outcome("sslmode=verify-full&sslrootcert=<files>/server.crt"), Ok("TLS".to_owned()));
    Ok(())
}

/// Has a script make `server.crt` and `server.key`, and the server present them.
fn openssl(bench: &Bench, script: &str) -> Outcome {
    let done = Command::new("/bin/sh").args(["-c", script]).current_dir(bench.home()).output();
    if !done.is_ok_and(|done| done.status.success()) {
        return Err(Skip("no `openssl` on this machine, or an old one".to_owned()));
    }
    let text = |name: &str| fs::read_to_string(bench.home().join(name)).unwrap();
    bench.present(&Pair { certificate: text("server.crt"), key: text("server.key") });
    Ok(())
}

fn a_self_signed_certificate_is_its_own_root() -> Outcome {
    let bench = Bench::take()?;
    let own = self_signed(&NAMES, IsCa::ExplicitNoCa);
    bench.present(&own);
    bench.write("own.crt", &own.certificate);
    assert_eq!(bench.outcome("sslmode=verify-full&sslrootcert=<files>/own.crt"), Ok("TLS".to_owned()));
    assert!(bench.outcome("sslmode=verify-full&sslrootcert=<root>").unwrap_err().contains("not trusted"));
    Ok(())
}

fn a_mode_that_verifies_wants_someone_to_trust() -> Outcome {
    let bench = Bench::take()?;
    let error = bench.outcome("sslmode=verify-full").unwrap_err();
    assert!(error.contains("there is no root certificate to do it with"), "{error}");
    assert!(error.contains("\n  = help: give the authority's certificate with `sslrootcert=<file>`"), "{error}");
    // libpq's usual place for one, once the environment says where home is.
    let home = bench.home().to_owned();
    let with_home = |mode: &str| {
        let variable = |name: &str| (name == "HOME").then(|| home.display().to_string());
        let database = Database::parse(&bench.url(&format!("sslmode={mode}"))).unwrap();
        super::bench::outcome(&database.with_defaults(variable).unwrap()).map_err(|error| bench.anonymous(&error))
    };
    assert!(with_home("verify-ca").unwrap_err().contains("and no <files>/.postgresql/root.crt"));
    bench.write(".postgresql/root.crt", &bench.authority.certificate);
    assert_eq!(with_home("verify-full"), Ok("TLS".to_owned()));
    // As with libpq: what is there is used, even by a mode that can do without.
    bench.present(&Authority::new("a stranger").server(&NAMES));
    assert!(with_home("require").unwrap_err().contains("not trusted"));
    assert_eq!(with_home("prefer"), Ok("plain".to_owned()));
    assert_eq!(with_home("no-verify"), Ok("TLS".to_owned()));
    bench.write(".postgresql/root.crl", "-----BEGIN X509 CRL-----\n");
    assert!(with_home("require").unwrap_err().contains("lists certificates that were revoked"));
    Ok(())
}

fn the_systems_authorities_do_not_know_a_test() -> Outcome {
    let bench = Bench::take()?;
    let error = bench.outcome("sslrootcert=system").unwrap_err();
    assert!(
        error.contains("trusted is whom this system trusts") || error.contains("no list of authorities"),
        "{error}"
    );
    Ok(())
}
