//! Clients that show who they are: with a certificate, or with a password that is bound to the connection.

use std::fs;

use super::bench::{Bench, LIBRARY};
use super::certificates::Authority;
use crate::harness::Outcome;

crate::trials!(
    a_server_that_wants_a_certificate_gets_one,
    a_key_that_others_may_read_is_refused,
    files_that_cannot_be_used_are_named_with_the_parameter,
    a_password_is_bound_to_the_connection,
);

/// Its superuser as ever; `ann` with a certificate in her name.
const RULES: &str = "host all postgres 127.0.0.1/32 trust\nhostssl all ann 127.0.0.1/32 trust clientcert=verify-full\n";

fn connect(bench: &Bench, user: &str, parameters: &str) -> Result<String, String> {
    let database = stairwell::postgres::Database::parse(&bench.url_as(user, parameters)).unwrap();
    super::bench::outcome(&database).map_err(|error| bench.anonymous(&error))
}

fn a_server_that_wants_a_certificate_gets_one() -> Outcome {
    let bench = Bench::take()?;
    bench.cluster.ask("CREATE ROLE ann LOGIN");
    bench.cluster.rules(RULES);
    let ann = |name: &str, pair: super::certificates::Pair| {
        bench.write(&format!("{name}.crt"), &pair.certificate);
        bench.write(&format!("{name}.key"), &pair.key);
        format!("sslmode=verify-full&sslrootcert=<root>&sslcert=<files>/{name}.crt&sslkey=<files>/{name}.key")
    };
    let good = ann("ann", bench.authority.client("ann"));
    assert_eq!(connect(&bench, "ann", &good), Ok("TLS".to_owned()));
    let mut texts = Vec::new();
    let mut refused = |parameters: &str| texts.push(connect(&bench, "ann", parameters).unwrap_err());
    refused("sslmode=verify-full&sslrootcert=<root>");
    refused(&format!("{good}&sslcertmode=disable"));
    refused(&ann("bob", bench.authority.client("bob")));
    let stranger = ann("stranger", Authority::new("a stranger").client("ann"));
    // The server says why and hangs up. Where it hangs up before the client has heard why, the client can only tell that much.
    texts.push(loop {
        let error = connect(&bench, "ann", &stranger).unwrap_err();
        if !error.contains("hung up when it had seen the client's certificate") {
            break error;
        }
    });
    insta::assert_snapshot!(format!("clients_{LIBRARY}"), texts.join("\n\n"));
    Ok(())
}

fn a_key_that_others_may_read_is_refused() -> Outcome {
    let bench = Bench::take()?;
    let pair = bench.authority.client("postgres");
    let (certificate, key) = (
        bench.write(".postgresql/postgresql.crt", &pair.certificate),
        bench.write(".postgresql/postgresql.key", &pair.key),
    );
    let named = format!("sslmode=require&sslcert={}&sslkey={}", certificate.display(), key.display());
    assert_eq!(connect(&bench, "postgres", &named), Ok("TLS".to_owned()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let open = |mode: u32| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        open(0o644);
        let error = connect(&bench, "postgres", &named).unwrap_err();
        assert!(
            error.contains(
                "`sslkey` names <files>/.postgresql/postgresql.key, which others may read\n  = help: `chmod 600` it"
            ),
            "{error}"
        );
        // Root's may be its group's to read, as libpq has it.
        open(0o640);
        let allowed = fs::metadata(&key).unwrap().uid() == 0;
        assert_eq!(connect(&bench, "postgres", &named).is_ok(), allowed);
        open(0o644);
        // At its usual place and for a mode that can do without, it is as with libpq, which then connects without TLS.
        let home = bench.home().display().to_string();
        let variable = |name: &str| (name == "HOME").then(|| home.clone());
        let usual = |mode: &str| {
            let database = stairwell::postgres::Database::parse(&bench.url(mode)).unwrap();
            super::bench::outcome(&database.with_defaults(variable).unwrap())
        };
        assert_eq!(usual("sslmode=prefer"), Ok("plain".to_owned()));
        assert!(usual("sslmode=require").unwrap_err().contains("which others may read"));
    }
    Ok(())
}

fn files_that_cannot_be_used_are_named_with_the_parameter() -> Outcome {
    let bench = Bench::take()?;
    let (one, other) = (bench.authority.client("postgres"), bench.authority.client("postgres"));
    bench.write("one.crt", &one.certificate);
    bench.write("one.key", &one.key);
    bench.write("other.key", &other.key);
    bench.write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n");
    bench.write("broken.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    bench.write("text.crt", "hello\n");
    let texts = [
        // Named, it has to be there, even where the mode could do without.
        "sslmode=prefer&sslrootcert=<files>/missing.crt",
        "sslmode=require&sslrootcert=<files>",
        "sslmode=verify-ca&sslrootcert=<files>/text.crt",
        "sslmode=verify-ca&sslrootcert=<files>/broken.crt",
        "sslmode=require&sslcert=<files>/missing.crt",
        "sslmode=require&sslcert=<files>/one.crt",
        "sslmode=require&sslcert=<files>/one.crt&sslkey=<files>/missing.key",
        "sslmode=require&sslcert=<files>/one.crt&sslkey=<files>/one.crt",
        "sslmode=require&sslcert=<files>/one.crt&sslkey=<files>/locked.key",
        "sslmode=require&sslcert=<files>/one.crt&sslkey=<files>/other.key",
    ]
    .map(|parameters| format!("{parameters}\n{}\n", bench.outcome(parameters).unwrap_err()));
    insta::assert_snapshot!(format!("files_{LIBRARY}"), texts.join("\n"));
    Ok(())
}

fn a_password_is_bound_to_the_connection() -> Outcome {
    let bench = Bench::take()?;
    bench.cluster.ask("SET password_encryption = 'scram-sha-256'; CREATE ROLE bound LOGIN PASSWORD 'open sesame'");
    bench.cluster.ask_for_passwords();
    let bound = |parameters: &str| {
        connect(&bench, "bound", &format!("password=open%20sesame&channel_binding=require&{parameters}"))
    };
    for mode in ["require", "verify-full&sslrootcert=<root>", "prefer"] {
        assert_eq!(bound(&format!("sslmode={mode}")), Ok("TLS".to_owned()), "{mode}");
    }
    let error = bound("sslmode=disable").unwrap_err();
    assert!(error.contains("channel binding"), "{error}");
    Ok(())
}
