//! Every way to a server goes through TLS where it has to, and through sockets without.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use stairwell::postgres::{Database, Migrator};
use stairwell::{MigrationSet, Target};

use super::bench::{Bench, outcome};
use crate::harness::Outcome;
use crate::harness::app::{self, App};
use crate::harness::files::Workspace;
#[cfg(unix)]
use crate::harness::pgbouncer::PgBouncer;
use crate::harness::xtask;

crate::trials!(
    commands_migrate_over_a_verified_connection,
    libpqs_variables_say_it_as_well_as_the_url,
    key_value_strings_say_it_as_well_as_urls,
    a_socket_is_never_tls,
    the_next_host_is_tried_as_the_mode_says,
    a_pooler_that_insists_on_tls_gets_it,
    a_direct_handshake_says_what_is_to_be_spoken,
    an_app_migrates_and_serves_over_a_verified_connection,
    who_blocks_is_seen_over_tls,
    a_server_without_tls_is_no_reason_to_wait,
    a_program_without_tls_connects_without,
);

const RULES: &str = "hostssl all all 127.0.0.1/32 trust\n";
const A: (&str, &str, &str) = ("1_a", "create table a (i int);", "drop table a;");
const B: (&str, &str, &str) = ("2_b", "alter table a add column j int;", "alter table a drop column j;");

fn commands_migrate_over_a_verified_connection() -> Outcome {
    let bench = Bench::take()?;
    bench.cluster.rules(RULES);
    let workspace = Workspace::with(&[A, B]);
    let url = bench.url("sslmode=verify-full&sslrootcert=<root>");
    let db = |arguments: &[&str], url: &str| {
        let mut command = xtask::db(workspace.path(), arguments);
        xtask::run(command.env("DATABASE_URL", url).env("HOME", bench.home()))
    };
    let up = db(&["up"], &url).ok();
    assert!(up.stderr.contains("2 applied") || up.stdout.contains("2 applied"), "{up:?}");
    db(&["status"], &url).ok();
    let refused = db(&["status"], &bench.url("sslmode=disable"));
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("= help: the server may let this role in over TLS alone"), "{}", refused.stderr);
    Ok(())
}

/// The runner's connection, and those of the app's own pool.
fn an_app_migrates_and_serves_over_a_verified_connection() -> Outcome {
    let bench = Bench::take()?;
    bench.cluster.rules(RULES);
    let start = |parameters: &str| App::start(&mut app::command(None, &bench.url(parameters), &[]));
    let verified = start("sslmode=verify-full&sslrootcert=<root>");
    verified.health("ready");
    verified.line("Serving requests");
    verified.get("/organizations").is(200);
    let plain = start("sslmode=disable");
    let health = plain.health("degraded");
    assert!(health["reason"].as_str().unwrap().contains("pg_hba.conf"), "{health}");
    assert_eq!(plain.get("/organizations").is(503)["error"]["code"], "unavailable");
    Ok(())
}

fn libpqs_variables_say_it_as_well_as_the_url() -> Outcome {
    let bench = Bench::take()?;
    bench.cluster.rules(RULES);
    let root = bench.home().join("root.crt").display().to_string();
    let port = bench.cluster.port().to_string();
    let find = |mode: &'static str| {
        let (root, port) = (root.clone(), port.clone());
        move |name: &str| {
            Some(match name {
                "PGHOST" => "localhost".to_owned(),
                "PGHOSTADDR" => "127.0.0.1".to_owned(),
                "PGPORT" => port.clone(),
                "PGUSER" | "PGDATABASE" => "postgres".to_owned(),
                "PGSSLMODE" => mode.to_owned(),
                "PGSSLROOTCERT" => root.clone(),
                _ => return None,
            })
        }
    };
    let of = |mode| outcome(&Database::from_variables(find(mode)).unwrap().unwrap());
    assert_eq!(of("verify-full"), Ok("TLS".to_owned()));
    assert!(of("disable").unwrap_err().contains("no pg_hba.conf entry"));
    Ok(())
}

fn key_value_strings_say_it_as_well_as_urls() -> Outcome {
    let bench = Bench::take()?;
    bench.cluster.rules(RULES);
    let root = bench.home().join("root.crt");
    let text = |mode: &str| {
        format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=postgres sslmode={mode} sslrootcert='{}'",
            bench.cluster.port(),
            root.display()
        )
    };
    assert_eq!(outcome(&Database::parse(&text("verify-full")).unwrap()), Ok("TLS".to_owned()));
    assert!(outcome(&Database::parse(&text("disable")).unwrap()).is_err());
    Ok(())
}

#[cfg(not(unix))]
fn a_socket_is_never_tls() -> Outcome {
    Err(crate::harness::Skip("no sockets on this system".to_owned()))
}

#[cfg(unix)]
fn a_socket_is_never_tls() -> Outcome {
    let bench = Bench::take()?;
    bench.cluster.rules("local all all trust\nhostssl all all 127.0.0.1/32 trust\n");
    let (folder, port) = (bench.server().display(), bench.cluster.port());
    for mode in ["disable", "allow", "prefer", "require", "verify-full"] {
        // For verify-full no root certificate is there: none is needed.
        let url = format!("postgresql:///postgres?host={folder}&port={port}&user=postgres&sslmode={mode}");
        let database = Database::parse(&url).unwrap();
        let seen = database
            .connect()
            .map(|mut client| crate::harness::database::ask(&mut client, "SELECT inet_client_addr() IS NULL"));
        assert_eq!(seen.map_err(|error| error.to_string()), Ok("t".to_owned()), "{mode}");
        let (config, connector) = database.pool_parts().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(config.connect(connector)).is_ok(), "{mode}");
    }
    Ok(())
}

fn the_next_host_is_tried_as_the_mode_says() -> Outcome {
    let (with, without) = (Bench::take()?, Bench::new()?);
    let (first, second) = (without.cluster.port(), with.cluster.port());
    let of = |mode: &str| {
        let hosts = format!("localhost:{first},localhost:{second}");
        let url = format!("postgresql://postgres@{hosts}/postgres?hostaddr=127.0.0.1,127.0.0.1&sslmode={mode}");
        outcome(&Database::parse(&url).unwrap()).unwrap()
    };
    assert_eq!((of("prefer"), of("require")), ("plain".to_owned(), "TLS".to_owned()));
    #[cfg(unix)]
    {
        // Nobody listens at the socket; the host behind it is asked for TLS all the same.
        let text = format!("host=/nowhere,127.0.0.1 port={first},{second} user=postgres sslmode=require");
        assert_eq!(outcome(&Database::parse(&text).unwrap()), Ok("TLS".to_owned()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn a_pooler_that_insists_on_tls_gets_it() -> Outcome {
    Err(crate::harness::Skip("no PgBouncer on this system".to_owned()))
}

#[cfg(unix)]
fn a_pooler_that_insists_on_tls_gets_it() -> Outcome {
    let bench = Bench::take()?;
    let folder = bench.server().display();
    let lines = format!(
        "client_tls_sslmode = require\nclient_tls_cert_file = {folder}/server.crt\nclient_tls_key_file = {folder}/server.key"
    );
    let pooler = PgBouncer::with(&bench.cluster.database(), &lines)?;
    let of = |mode: &str| Database::parse(&format!("{}?sslmode={mode}", pooler.url())).unwrap();
    for mode in ["allow", "prefer", "require"] {
        assert!(of(mode).connect().is_ok(), "{mode}");
    }
    let error = of("disable").connect().err().unwrap().to_string();
    assert!(error.contains("TLS alone: say `sslmode=require`"), "{error}");
    let set = Workspace::with(&[A]).set();
    assert_eq!(Migrator::new(&set).up(&of("allow"), Target::Head).unwrap().done.len(), 1);
    Ok(())
}

fn a_direct_handshake_says_what_is_to_be_spoken() -> Outcome {
    if !cfg!(any(feature = "rustls", feature = "native-tls")) {
        return Err(crate::harness::Skip("built without TLS".to_owned()));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut bytes = vec![0; 4096];
        let length = client.read(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    });
    let url = format!("postgresql://u@127.0.0.1:{port}/d?sslmode=require&sslnegotiation=direct");
    assert!(Database::parse(&url).unwrap().connect().is_err());
    // A handshake record without a word before it, and in it the protocol that Postgres 17 wants to see named.
    let bytes = seen.join().unwrap();
    assert_eq!(bytes.first(), Some(&0x16));
    assert!(bytes.windows(11).any(|window| window == b"\x0apostgresql"));
    Ok(())
}

fn who_blocks_is_seen_over_tls() -> Outcome {
    let bench = Bench::take()?;
    bench.cluster.rules(RULES);
    let workspace = Workspace::with(&[A]);
    let database = Database::parse(&bench.url("sslmode=verify-full&sslrootcert=<root>")).unwrap();
    let up = |set: &MigrationSet| {
        Migrator::new(set)
            .lock_timeout(std::time::Duration::from_millis(400))
            .tries(std::num::NonZeroU32::MIN)
            .up(&database, Target::Head)
    };
    up(&workspace.set()).unwrap();
    workspace.write("2_b.up.sql", B.1);
    workspace.write("2_b.down.sql", B.2);
    let mut holder = database.connect().unwrap();
    holder.batch_execute("BEGIN; SET application_name = 'the one who waits'; LOCK TABLE a").unwrap();
    let error = up(&workspace.set()).unwrap_err().to_string();
    assert!(error.contains("the one who waits"), "{error}");
    Ok(())
}

fn a_server_without_tls_is_no_reason_to_wait() -> Outcome {
    let bench = Bench::take()?;
    bench.end_tls();
    let database = Database::parse(&bench.url("sslmode=require")).unwrap();
    let mut waited = 0;
    let set = Workspace::with(&[A]).set();
    let error = Migrator::new(&set)
        .server_wait(std::time::Duration::from_secs(60))
        .on_event(|_| waited += 1)
        .up(&database, Target::Head)
        .unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    assert_eq!(waited, 0);
    Ok(())
}

fn a_program_without_tls_connects_without() -> Outcome {
    if cfg!(any(feature = "rustls", feature = "native-tls")) {
        return Err(crate::harness::Skip("built with TLS: `cargo test -p stairwell` is without".to_owned()));
    }
    let bench = Bench::new()?;
    bench.present(&bench.authority.server(&super::bench::NAMES));
    for mode in ["allow", "prefer"] {
        let database = Database::parse(&bench.url(&format!("sslmode={mode}"))).unwrap();
        assert_eq!(outcome(&database), Ok("plain".to_owned()));
        let (config, connector) = database.pool_parts().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(config.connect(connector)).is_ok(), "{mode}");
    }
    let error = Database::parse(&bench.url("sslmode=require")).unwrap_err().to_string();
    assert!(error.contains("switch on the feature `rustls`"), "{error}");
    Ok(())
}
