//! Whole pages, of values that no server has to make.

use std::path::Path;
use std::time::Duration;

use jiff::civil::date;
use stairwell::plan::{Applied, History, Record, Scripts, State};
use stairwell::postgres::Holder;
use stairwell::{Checksum, Findings, Inspection};

use super::extensions::{self, Available};
use super::finding::{self, Check, Finding, page, summary};
use super::ledger;
use super::leftovers::{Constraint, Index};
use super::needs::{Kind, Needs};
use super::prepared::Prepared;
use super::privileges::{MakesSchemas, Owned, Public, Schema, Wants};
use super::project::{self, Git};
use super::server::{Clock, Distance, Room, Timeout};
use super::session::Session;
use super::sessions::{self, Other};
use super::survey::Survey;

const PENDING: &str =
    "-- stairwell: no-transaction\ncreate unique index concurrently users_email_key on users (email);";

/// A folder with these files; its path is taken out of what is said.
fn inspect(files: &[(&str, &str)]) -> (Inspection, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    (stairwell::inspect(folder.path()).unwrap(), folder)
}

fn well() -> (Survey, Inspection) {
    let (inspection, _) =
        inspect(&[("1_a.up.sql", "create table users (email text);"), ("1_a.down.sql", "drop table users;")]);
    let first = inspection.set().migrations().first().unwrap();
    let row = Applied {
        version: first.version,
        name: "a".into(),
        checksum: first.up.checksum(),
        fingerprint: first.up.fingerprint(),
        state: State::Applied,
        progress: 0,
        scripts: Scripts::default(),
        record: None,
    };
    let session = Session {
        version: 170_002,
        words: "17.2".into(),
        role: "\"Ann\"".into(),
        database: "shop".into(),
        path: vec!["pg_catalog".into(), "public".into()],
        ..Session::default()
    };
    let survey = Survey {
        session,
        today: date(2026, 11, 22),
        distance: Distance::ThisMachine,
        needs: Needs::default(),
        wants: Wants::default(),
        history: Ok(History { rows: vec![row] }),
        holder: Ok(None),
        pooled: Ok(false),
        tls: Ok(None),
        clock: Ok(Clock { ahead: 0.1, round_trip: Duration::from_millis(1) }),
        room: Ok(Room { server: Some(90), database: None, role: None }),
        timeouts: Ok(vec![]),
        ledger: Ok(ledger::Facts {
            schema: "stairwell".into(),
            table: "stairwell.ledger".into(),
            shape: ledger::Shape::Current,
            may: vec![ledger::Right::UseSchema],
            ..ledger::Facts::default()
        }),
        schemas: Ok(vec![Schema { name: "public".into(), quoted: "public".into(), usage: true, create: true }]),
        makes_schemas: Ok(MakesSchemas::May),
        owned: Ok(vec![]),
        extensions: Ok(extensions::Facts::default()),
        public: Ok(Public::Closed),
        indexes: Ok(vec![]),
        constraints: Ok(vec![]),
        others: Ok(vec![]),
        prepared: Ok(vec![]),
        age: Ok(1_000),
    };
    (survey, inspection)
}

fn shown(findings: &[Finding], folder: &str) -> String {
    let end = summary(findings).unwrap_or_else(|| "all is well".to_owned());
    format!("{}\n{end}", page("`shop` on db.example", findings)).replace(folder, "migrations")
}

#[test]
fn a_page_on_which_all_is_well() {
    let (survey, inspection) = well();
    insta::assert_snapshot!(shown(&survey.findings(&inspection), "-"));
}

#[test]
fn a_page_on_which_everything_is_wrong() {
    let (survey, _) = well();
    let (inspection, folder) = inspect(&[
        ("1_a.up.sql", "create table users (email text, name text);"),
        ("1_a.down.sql", "drop table users;"),
        (
            "2_b.up.sql",
            "create extension postgis; create extension citext;\nalter table users add i int; create table app.t (i int);",
        ),
        ("3_c.up.sql", PENDING),
        ("3_c.down.sql", "drop index users_email_key;"),
    ]);
    let session = Session { version: 130_022, words: "13.22".into(), standby: true, ..survey.session.clone() };
    let needs = Needs::of(inspection.set().migrations().iter().skip(1).map(|migration| &migration.up), &session.path);
    let users = Owned {
        kind: Kind::Relation,
        schema: "public".into(),
        name: "users".into(),
        object: "TABLE public.users".into(),
        owner: "postgres".into(),
        is_ours: false,
    };
    let of_users = || vec![("public".to_owned(), "users".to_owned())];
    let index = |name: &str, unique| Index {
        path: format!("public.{name}"),
        name: name.to_owned(),
        table: "public.orders".into(),
        unique,
        ..Index::default()
    };
    let wants = Wants::of(&session, &needs, std::slice::from_ref(&users));
    let schema = |name: &str| Schema { name: name.into(), quoted: name.into(), usage: name == "public", create: false };
    let idle = Other {
        pid: 4242,
        application: "reports".into(),
        state: Some("idle in transaction".into()),
        age: Some(5_400),
        tables: of_users(),
        kind: sessions::Kind::Client,
        in_transaction: true,
    };
    let record = Record {
        started_at: "2026-11-21T09:30:00Z".into(),
        applied_at: None,
        elapsed: None,
        by: "ann".into(),
        with: "cargo xtask db (stairwell 99.0.0)".into(),
        remarks: None,
    };
    let other = Checksum::of("edited since");
    let edited =
        |row: &Applied| Applied { checksum: other, fingerprint: other, record: Some(record.clone()), ..row.clone() };
    let rows = survey.history.as_ref().unwrap().rows.iter().map(edited).collect();
    let survey = Survey {
        history: Ok(History { rows }),
        holder: Ok(Some(Holder { pid: "99".into(), application: "shop".into(), since: Some("09:30:00".into()) })),
        distance: Distance::Remote,
        pooled: Ok(true),
        clock: Ok(Clock { ahead: -400.0, round_trip: Duration::from_millis(1) }),
        room: Ok(Room { server: Some(1), database: None, role: None }),
        timeouts: Ok(vec![
            Timeout { name: "idle_session_timeout".into(), ms: 5_000, source: "database".into() },
            Timeout { name: "statement_timeout".into(), ms: 30_000, source: "user".into() },
        ]),
        ledger: Ok(ledger::Facts { lacks: vec!["INSERT".into()], ..survey.ledger.unwrap() }),
        schemas: Ok(vec![schema("app"), schema("public")]),
        owned: Ok(vec![users]),
        extensions: Ok(extensions::Facts {
            extensions: vec![
                Available { name: "postgis".into(), ..Available::default() },
                Available { name: "citext".into(), on_server: true, ..Available::default() },
            ],
            hoster: None,
        }),
        public: Ok(Public::OpenAndWanted),
        indexes: Ok(vec![
            index("orders_pkey_ccnew", true),
            index("orders_number_key", true),
            index("users_email_key", true),
        ]),
        constraints: Ok(vec![Constraint {
            of: "TABLE public.orders".into(),
            name: "positive".into(),
            definition: "CHECK ((total > 0)) NOT VALID".into(),
        }]),
        others: Ok(vec![
            idle,
            Other {
                pid: 4243,
                application: "autovacuum worker".into(),
                state: Some("active".into()),
                age: Some(700),
                tables: of_users(),
                kind: sessions::Kind::Wraparound,
                in_transaction: true,
            },
        ]),
        prepared: Ok(vec![Prepared { gid: "x1".into(), age: 200_000, owner: "shop".into(), tables: of_users() }]),
        session,
        needs,
        wants,
        ..survey
    };
    let refused = Findings(inspection.lock_findings().cloned().collect());
    let mut findings = vec![
        project::files(&inspection, Path::new("migrations")),
        project::lock(&inspection, &refused),
        project::git(&Git::Repository { uncommitted: vec![], ignores_lock: true }),
        Finding::ok(Check::Connection, "as \"Ann\""),
    ];
    findings.extend(survey.findings(&inspection));
    let well: Vec<_> = findings.iter().filter(|finding| finding.state == finding::State::Ok).collect();
    assert_eq!(well.len(), 1, "{well:?}");
    insta::assert_snapshot!(shown(&findings, &folder.path().display().to_string()));
}

fn why<T>() -> Result<T, String> {
    Err("permission denied".to_owned())
}

#[test]
fn what_could_not_be_asked_says_why() {
    let (survey, inspection) = well();
    let survey = Survey {
        distance: Distance::Remote,
        holder: why(),
        pooled: why(),
        tls: why(),
        clock: why(),
        room: why(),
        timeouts: why(),
        ledger: why(),
        schemas: why(),
        makes_schemas: why(),
        owned: why(),
        extensions: why(),
        public: why(),
        indexes: why(),
        constraints: why(),
        others: why(),
        prepared: why(),
        age: why(),
        ..survey
    };
    insta::assert_snapshot!(shown(&survey.findings(&inspection), "-"));
}
