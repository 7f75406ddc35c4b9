//! The server itself: its version, whether it takes changes, the way to it, its clock, its room, its time-outs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil::{Date, date};

use super::ask::{Answer, Asker, Path};
use super::finding::{Check, Finding};
use super::session::Session;
use crate::db::lockfile::count;

/// The last day on which the community mends a major version (postgresql.org/support/versioning).
const LAST_DAYS: [(u32, Date); 7] = [
    (12, date(2024, 11, 21)),
    (13, date(2025, 11, 13)),
    (14, date(2026, 11, 12)),
    (15, date(2027, 11, 11)),
    (16, date(2028, 11, 9)),
    (17, date(2029, 11, 8)),
    (18, date(2030, 11, 14)),
];

pub(super) fn version(session: &Session, today: Date) -> Finding {
    let major = session.version / 10_000;
    let words = format!("PostgreSQL {}", session.words);
    let oldest = LAST_DAYS.first().map_or(0, |(oldest, _)| *oldest);
    match LAST_DAYS.iter().find(|(version, _)| *version == major) {
        Some((_, last)) if *last < today => {
            Finding::warn(Check::Version, format!("{words}, which nobody mends since {last}"))
                .help("plan an upgrade of the server to a newer major version")
        }
        Some(_) => Finding::ok(Check::Version, words),
        None if major < oldest => Finding::wrong(Check::Version, format!("{words} is too old"))
            .help(format!("upgrade the server: stairwell knows PostgreSQL {oldest} and later")),
        None => Finding::warn(
            Check::Version,
            format!("{words}, which is newer than what this stairwell was tried with"),
        )
        .help("look for a newer stairwell; `db check` on such a server shows whether your migrations go up and down"),
    }
}

pub(super) fn writable(session: &Session) -> Finding {
    if session.standby {
        Finding::wrong(Check::Writable, "this is a standby, which takes no changes")
            .help("connect to the primary; `target_session_attrs=read-write` in the URL picks it among several hosts")
    } else if let Some(by) = &session.read_only {
        let (role, database) = (&session.role, &session.database);
        let message = format!("`default_transaction_read_only` is on {}", source(by));
        let finding = Finding::wrong(Check::Writable, message)
            .help("find out why: a full disk, a move of the server, a role that is for reports");
        let whose = match by.as_str() {
            "user" => format!("ROLE {role}"),
            "database" => format!("DATABASE {database}"),
            "database user" => format!("ROLE {role} IN DATABASE {database}"),
            _ => return finding.help("if it is over, take it out where it is set"),
        };
        finding
            .help("if it is over, as the owner of the database or a superuser:")
            .sql("SET default_transaction_read_only = off")
            .sql(format!("ALTER {whose} RESET default_transaction_read_only"))
    } else {
        Finding::ok(Check::Writable, "it takes changes")
    }
}

/// Where the server is, as seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distance {
    ThisMachine,
    Remote,
}

/// The protocol, if there is TLS between the server and who is connected to it.
pub(super) fn ask_tls(asker: &mut Asker) -> Answer<Option<String>> {
    let question = "SELECT CASE WHEN s.ssl THEN s.version END FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_catalog.pg_backend_pid()";
    Ok(asker.ask(Path::Catalog, question)?.first().and_then(|row| row.some(0)))
}

pub(super) fn tls(distance: Distance, pooled: &Answer<bool>, tls: &Answer<Option<String>>) -> Finding {
    match (distance, tls) {
        (Distance::ThisMachine, _) => Finding::ok(Check::Tls, "not needed: the server is on this machine"),
        // The server knows the pooler's connection, and not ours.
        _ if *pooled == Ok(true) => {
            Finding::unknown(Check::Tls, "a pooler is in between, and what it takes cannot be seen")
                .help("`sslmode=verify-full` in the URL makes sure of it")
        }
        (_, Err(why)) => Finding::unknown(Check::Tls, why.as_str()),
        (_, Ok(Some(protocol))) => Finding::ok(Check::Tls, format!("the connection is encrypted ({protocol})")),
        (_, Ok(None)) => Finding::warn(Check::Tls, "the connection to another machine is not encrypted").help(
            "say `sslmode=verify-full` in the URL, with `sslrootcert` where the certificate is of your own authority",
        ),
    }
}

/// `outside` are the pending scripts that run outside of a transaction.
pub(super) fn pooler(pooled: &Answer<bool>, outside: &[String]) -> Finding {
    const DIRECT: &str = "give migrations a URL of their own that goes past it, in DATABASE_MIGRATION_URL: the server's own host and port \
         (5432, and not the pooler's 6432 or 6543; on Neon the host without `-pooler`); the app may go on using the pooler";
    match pooled {
        Ok(false) => Finding::ok(Check::Pooler, "none in between that lends server connections by the transaction"),
        Ok(true) if outside.is_empty() => Finding::warn(
            Check::Pooler,
            "a pooler lends server connections by the transaction; what runs outside of a transaction is refused through it",
        )
        .help(DIRECT),
        Ok(true) => Finding::wrong(
            Check::Pooler,
            "a pooler lends server connections by the transaction, and scripts are pending that run outside of one",
        )
        .of(outside.iter().cloned())
        .help(DIRECT),
        Err(why) => Finding::unknown(Check::Pooler, format!("a second session could not be asked: {why}")),
    }
}

/// How far the server's clock is ahead of ours, in seconds, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clock {
    pub(super) ahead: f64,
    pub(super) round_trip: Duration,
}

pub(super) fn ask_clock(asker: &mut Asker) -> Answer<Clock> {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let before = SystemTime::now();
    let row = asker.ask_one(Path::Catalog, "SELECT extract(epoch FROM pg_catalog.clock_timestamp())")?;
    let after = SystemTime::now();
    let theirs: f64 = row.text(0).parse().map_err(|_| "the server's time cannot be read".to_owned())?;
    // It looked at its clock somewhere in between.
    let ours = f64::midpoint(since(before), since(after));
    Ok(Clock { ahead: theirs - ours, round_trip: after.duration_since(before).unwrap_or_default() })
}

/// From so many seconds on it is worth a word.
const MOST_SECONDS: f64 = 5.0;

pub(super) fn clock(clock: &Answer<Clock>) -> Finding {
    let clock = match clock {
        Ok(clock) => clock,
        Err(why) => return Finding::unknown(Check::Clock, why.as_str()),
    };
    if clock.ahead.abs() <= MOST_SECONDS.max(clock.round_trip.as_secs_f64()) {
        return Finding::ok(Check::Clock, "the server's and this machine's agree");
    }
    let side = if clock.ahead > 0.0 { "behind" } else { "ahead of" };
    let by = Duration::from_secs_f64(clock.ahead.abs().min(1e9));
    Finding::warn(Check::Clock, format!("this machine's is {} {side} the server's", age(by.as_secs())))
        .help("`db new` takes a migration's version from this machine's clock, and the ledger its times from the server's: have both set by NTP")
}

/// How many sessions there may be, and are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// Of all that is left for this role on the server.
    pub(super) server: Option<i64>,
    /// Of the database's own limit.
    pub(super) database: Option<i64>,
    /// Of the role's own limit.
    pub(super) role: Option<i64>,
}

pub(super) fn ask_room(asker: &mut Asker) -> Answer<Room> {
    // What kind of process another role's is, only some may see; a session has a role in any case.
    let question = "SELECT pg_catalog.current_setting('max_connections')::pg_catalog.int8 \
         - CASE WHEN r.rolsuper THEN 0 ELSE pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int8 \
         + coalesce(pg_catalog.current_setting('reserved_connections', true)::pg_catalog.int8, 0) END - a.all_of_them, \
         CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit - a.of_database END, \
         CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit - a.of_role END \
         FROM pg_catalog.pg_roles r, pg_catalog.pg_database d, (SELECT pg_catalog.count(*) AS all_of_them, \
         pg_catalog.count(*) FILTER (WHERE s.datname = pg_catalog.current_database()) AS of_database, \
         pg_catalog.count(*) FILTER (WHERE s.usename = current_user) AS of_role \
         FROM pg_catalog.pg_stat_activity s WHERE s.usesysid IS NOT NULL AND coalesce(s.backend_type, 'client backend') = 'client backend') a \
         WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()";
    let row = asker.ask_one(Path::Catalog, question)?;
    Ok(Room { server: row.number(0), database: row.number(1), role: row.number(2) })
}

/// A run has one session, a second for a script outside of a transaction, and a third to see who keeps it waiting.
const WANTED: i64 = 3;

pub(super) fn connections(room: &Answer<Room>, session: &Session) -> Finding {
    let room = match room {
        Ok(room) => room,
        Err(why) => return Finding::unknown(Check::Connections, why.as_str()),
    };
    let (role, database) = (&session.role, &session.database);
    let limits = [
        (
            room.server,
            "the server has",
            "close some, or raise `max_connections` (after a restart of the server)".to_owned(),
            None,
        ),
        (
            room.database,
            "the database has",
            "close some, or raise the database's limit, as its owner:".to_owned(),
            Some(format!("ALTER DATABASE {database} CONNECTION LIMIT -1")),
        ),
        (
            room.role,
            "the role has",
            "close some, or raise the role's limit, as a superuser:".to_owned(),
            Some(format!("ALTER ROLE {role} CONNECTION LIMIT -1")),
        ),
    ];
    let free = limits.iter().filter_map(|(free, ..)| *free).min().unwrap_or_default();
    match limits.into_iter().find(|(free, ..)| free.is_some_and(|free| free < WANTED)) {
        Some((left, whose, help, sql)) => {
            let left = left.unwrap_or_default().max(0);
            let message = format!("{whose} {left} free beside this one, and a run may want {WANTED}");
            Finding::warn(Check::Connections, message).help(help).sqls(sql)
        }
        None => Finding::ok(Check::Connections, format!("{free} more are free")),
    }
}

/// A time-out that is on for this role, database or server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timeout {
    pub(super) name: String,
    pub(super) ms: i64,
    /// As `pg_settings` has it: `user`, `database`, `configuration file`, …
    pub(super) source: String,
}

pub(super) fn ask_timeouts(asker: &mut Asker) -> Answer<Vec<Timeout>> {
    // As they are without what the other questions set.
    let question = "SELECT s.name, s.setting, s.source FROM pg_catalog.pg_settings s WHERE s.setting OPERATOR(pg_catalog.<>) '0' \
         AND s.name OPERATOR(pg_catalog.=) ANY (ARRAY['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', \
         'idle_session_timeout', 'transaction_timeout']::pg_catalog.text[]) ORDER BY s.name";
    let rows = asker.ask(Path::Untouched, question)?;
    let timeout = |row| Timeout {
        name: super::ask::Row::text(row, 0),
        ms: row.number(1).unwrap_or_default(),
        source: row.text(2),
    };
    Ok(rows.iter().map(timeout).collect())
}

/// Between two tries a run rests for half a minute at most.
const LONGEST_REST: i64 = 30_000;

pub(super) fn timeouts(timeouts: &Answer<Vec<Timeout>>) -> Finding {
    let timeouts = match timeouts {
        Ok(timeouts) => timeouts,
        Err(why) => return Finding::unknown(Check::Timeouts, why.as_str()),
    };
    let does = |timeout: &Timeout| match timeout.name.as_str() {
        "statement_timeout" | "transaction_timeout" => "a run sets it to 0 for itself, so it ends no migration",
        "lock_timeout" => {
            "a run sets its own (2s; `--lock-timeout`, or `-- stairwell: lock-timeout <time>` in a script)"
        }
        "idle_in_transaction_session_timeout" => "a run is never idle in a transaction that it may end",
        _ if timeout.ms < LONGEST_REST => {
            "it may end the session of a run that rests between two tries, which connects again"
        }
        _ => "a run never rests for so long",
    };
    let detail = |timeout: &Timeout| {
        let (name, source) = (&timeout.name, source(&timeout.source));
        format!("{name} is {} {source}: {}", milliseconds(timeout.ms), does(timeout))
    };
    let details: Vec<String> = timeouts.iter().map(detail).collect();
    let short = timeouts.iter().any(|timeout| timeout.name == "idle_session_timeout" && timeout.ms < LONGEST_REST);
    match (timeouts.len(), short) {
        (0, _) => Finding::ok(Check::Timeouts, "none are set"),
        (number, false) => {
            let verb = if number == 1 { "is" } else { "are" };
            Finding::ok(Check::Timeouts, format!("{} {verb} set, of which none ends a run", count(number, "time-out"))).of(details)
        }
        (_, true) => Finding::warn(Check::Timeouts, "sessions that rest are ended soon").of(details).help(
            "for the role that migrates: `ALTER ROLE … SET idle_session_timeout = 0`, or ask for it in the URL: `options=-c idle_session_timeout=0`",
        ),
    }
}

fn source(source: &str) -> &'static str {
    match source {
        "user" => "for this role",
        "database" => "for this database",
        "database user" => "for this role in this database",
        "client" => "in the URL",
        _ => "for the server",
    }
}

fn milliseconds(ms: i64) -> String {
    if ms % 1_000 == 0 { age(u64::try_from(ms / 1_000).unwrap_or_default()) } else { format!("{ms} ms") }
}

/// `42 s`, `5 min`, `3 h`, `2 days`: in the largest unit that fits twice, or once for the smallest.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn session(version: u32) -> Session {
        Session { version, words: "x".into(), role: "ann".into(), database: "shop".into(), ..Session::default() }
    }

    #[test]
    fn versions_are_told_by_the_day() {
        let state = |number, today| version(&session(number), today).state;
        let today = date(2026, 11, 12);
        assert_eq!([state(110_022, today), state(120_022, today)], [State::Wrong, State::Warn]);
        assert_eq!([state(140_020, today), state(180_001, today)], [State::Ok, State::Ok]);
        assert_eq!([state(140_020, date(2026, 11, 13)), state(190_000, today)], [State::Warn, State::Warn]);
    }

    #[test]
    fn what_is_read_only_is_mended_where_it_was_made_so() {
        let of = |by: &str| writable(&Session { read_only: Some(by.into()), ..session(150_000) });
        assert_eq!(of("database").sql[1], "ALTER DATABASE shop RESET default_transaction_read_only;");
        assert_eq!(of("database user").sql[1], "ALTER ROLE ann IN DATABASE shop RESET default_transaction_read_only;");
        let server = of("configuration file");
        assert_eq!((server.state, server.sql.len()), (State::Wrong, 0));
        assert_eq!(writable(&session(150_000)).state, State::Ok);
    }

    #[test]
    fn tls_matters_on_the_way_to_another_machine() {
        let state = |distance, pooled, protocol: Option<&str>| {
            tls(distance, &Ok(pooled), &Ok(protocol.map(str::to_owned))).state
        };
        assert_eq!(state(Distance::ThisMachine, false, None), State::Ok);
        assert_eq!(state(Distance::Remote, false, Some("TLSv1.3")), State::Ok);
        assert_eq!(state(Distance::Remote, false, None), State::Warn);
        assert_eq!(state(Distance::Remote, true, Some("TLSv1.3")), State::Unknown);
    }

    #[test]
    fn a_pooler_is_in_the_way_of_what_runs_outside_of_a_transaction_only() {
        let state = |pooled, outside: &[String]| pooler(&pooled, outside).state;
        assert_eq!(state(Ok(false), &["1_i.up.sql".into()]), State::Ok);
        assert_eq!(state(Ok(true), &[]), State::Warn);
        assert_eq!(state(Ok(true), &["1_i.up.sql".into()]), State::Wrong);
        assert_eq!(state(Err("no".into()), &[]), State::Unknown);
    }

    #[test]
    fn a_clock_is_off_where_the_way_to_the_server_does_not_explain_it() {
        let of = |ahead, ms| clock(&Ok(Clock { ahead, round_trip: Duration::from_millis(ms) }));
        assert_eq!([of(4.0, 1).state, of(-4.0, 1).state, of(9.0, 20_000).state], [State::Ok; 3]);
        assert_eq!(of(600.0, 1).message, "this machine's is 10 min behind the server's");
        assert_eq!(of(-90.0, 1).message, "this machine's is 90 s ahead of the server's");
    }

    #[test]
    fn the_narrowest_limit_is_the_one_that_is_told() {
        let of = |server, database, role| connections(&Ok(Room { server, database, role }), &session(150_000));
        assert_eq!(of(Some(90), None, Some(5)).message, "5 more are free");
        let full = of(Some(90), None, Some(-1));
        assert_eq!((full.state, full.sql), (State::Warn, vec!["ALTER ROLE ann CONNECTION LIMIT -1;".to_owned()]));
        assert_eq!(of(Some(1), None, None).state, State::Warn);
    }

    #[test]
    fn time_outs_say_what_a_run_makes_of_them() {
        let of = |name: &str, ms| timeouts(&Ok(vec![Timeout { name: name.into(), ms, source: "user".into() }]));
        let found = of("statement_timeout", 30_000);
        assert_eq!(found.state, State::Ok);
        assert_eq!(
            found.details[0],
            "statement_timeout is 30 s for this role: a run sets it to 0 for itself, so it ends no migration"
        );
        assert_eq!(
            [of("idle_session_timeout", 5_000).state, of("idle_session_timeout", 600_000).state],
            [State::Warn, State::Ok]
        );
    }
}
