//! Whom a migration would wait for now: transactions that go on for long, and a vacuum that does not give way.
//! What others run is not shown: a query may hold secrets.

use super::ask::{Answer, Asker, Path, Row};
use super::finding::{Check, Finding};
use super::needs::{Name, Needs};
use super::server::age;
use super::session::Session;
use crate::db::lockfile::count;
use crate::db::recreate::identifier;

/// A table that someone has a lock on: schema and name.
pub(super) type Table = (String, String);

/// Another session in this database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) pid: i64,
    pub(super) application: String,
    /// As `pg_stat_activity` has it, `idle in transaction` and so on; `None` where this role may not see it.
    pub(super) state: Option<String>,
    /// How many seconds it is in its transaction; `None` as above.
    pub(super) age: Option<u64>,
    /// Tables and the like of which it has a lock.
    pub(super) tables: Vec<Table>,
    pub(super) kind: Kind,
    /// Whether it is in a transaction at all, which everybody may see.
    pub(super) in_transaction: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Client,
    /// An autovacuum that gives way to whom it blocks.
    Vacuum,
    /// One against wraparound, which does not.
    Wraparound,
}

/// The locks of a process, as JSON; `whose` says which those are.
pub(super) fn locks(whose: &str) -> String {
    format!(
        "(SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(n.nspname, c.relname)) FROM pg_catalog.pg_locks l \
         JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {whose} AND l.locktype = 'relation' AND l.granted AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') \
         AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) \
         AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema'))"
    )
}

pub(super) fn ask_others(asker: &mut Asker) -> Answer<Vec<Other>> {
    let question = format!(
        "SELECT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type, ''), a.state, \
         pg_catalog.floor(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)), {}, \
         CASE WHEN a.query LIKE 'autovacuum:%(to prevent wraparound)' THEN 'wraparound' WHEN a.backend_type = 'autovacuum worker' THEN 'vacuum' END, \
         EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted) \
         FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() \
         AND coalesce(a.backend_type, '') <> 'parallel worker' ORDER BY 1",
        locks("l.pid = a.pid")
    );
    let of_row = |row: &Row| Other {
        pid: row.number(0).unwrap_or_default(),
        application: row.text(1),
        state: row.some(2),
        age: row.number(3).and_then(|seconds| seconds.try_into().ok()),
        tables: row.list(4),
        kind: match row.text(5).as_str() {
            "wraparound" => Kind::Wraparound,
            "vacuum" => Kind::Vacuum,
            _ => Kind::Client,
        },
        in_transaction: row.is(6),
    };
    Ok(asker.ask(Path::Catalog, &question)?.iter().map(of_row).collect())
}

/// So many seconds a statement of a migration waits for a lock, if nothing else is said.
pub(super) const ONE_TRY: u64 = 2;
/// From so many seconds on a transaction is long.
pub(super) const LONG: u64 = 60;

/// How much a transaction is in the way of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    None,
    /// It is long, or may be.
    Long,
    /// It has a lock that a pending migration wants, and does not look as if it gave it back soon.
    Blocks,
}

impl Other {
    fn harm(&self, path: &[String], needs: &Needs) -> Harm {
        let is_wanted = wanted(&self.tables, path, needs).next().is_some();
        let is_idle = self.state.as_deref().is_some_and(|state| state.starts_with("idle in transaction"));
        match self.age {
            _ if self.kind == Kind::Vacuum || (self.age.is_none() && self.tables.is_empty()) => Harm::None,
            Some(age) if is_wanted && (age >= LONG || (is_idle && age >= ONE_TRY)) => Harm::Blocks,
            Some(age) if age >= LONG => Harm::Long,
            // How long it takes is not to be seen.
            None if is_wanted => Harm::Long,
            _ => Harm::None,
        }
    }

    /// In one line, as an error of a run has it.
    fn line(&self, path: &[String], needs: &Needs) -> String {
        let name = if self.application.is_empty() { String::new() } else { format!(" (`{}`)", self.application) };
        let state = self.state.as_deref().map(|state| format!(", {state}")).unwrap_or_default();
        let age = self.age.map_or_else(
            || ", for how long this role may not see".to_owned(),
            |seconds| format!(", in its transaction for {}", age(seconds)),
        );
        let mut tables: Vec<String> = wanted(&self.tables, path, needs).map(shown).collect();
        if tables.is_empty() {
            tables = self.tables.iter().map(shown).collect();
        }
        format!("server process {}{name}{state}{age}{}", self.pid, of_tables(&tables))
    }
}

/// Those of these tables that pending migrations want to lock.
pub(super) fn wanted<'a>(tables: &'a [Table], path: &'a [String], needs: &'a Needs) -> impl Iterator<Item = &'a Table> {
    let is = move |name: &Name, (schema, table): &Table| {
        name.name == *table && name.schema.as_ref().map_or_else(|| path.contains(schema), |own| own == schema)
    };
    tables.iter().filter(move |table| needs.locks.iter().any(|name| is(name, table)))
}

pub(super) fn shown((schema, table): &Table) -> String {
    let part = |name: &str| {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if plain { name.to_owned() } else { identifier(name) }
    };
    format!("{}.{}", part(schema), part(table))
}

/// So many tables are named in one line.
const MOST_TABLES: usize = 3;

pub(super) fn of_tables(tables: &[String]) -> String {
    match tables.len() {
        0 => ", without a lock on a table".to_owned(),
        number if number <= MOST_TABLES => format!(", with a lock on {}", tables.join(", ")),
        number => format!(", with a lock on {} and {} more", tables[..MOST_TABLES].join(", "), number - MOST_TABLES),
    }
}

pub(super) fn transactions(others: &Answer<Vec<Other>>, session: &Session, needs: &Needs) -> Finding {
    let others = match others {
        Ok(others) => others,
        Err(why) => return Finding::unknown(Check::Transactions, why.as_str()),
    };
    let path = &session.path;
    let mut harmful: Vec<(Harm, &Other)> = others
        .iter()
        .filter(|other| other.kind == Kind::Client)
        .map(|other| (other.harm(path, needs), other))
        .filter(|(harm, _)| *harm > Harm::None)
        .collect();
    // The worst first, and of those the oldest.
    harmful.sort_by_key(|(harm, other)| (std::cmp::Reverse(*harm), std::cmp::Reverse(other.age)));
    let blocks = harmful.iter().filter(|(harm, _)| *harm == Harm::Blocks).count();
    let finding = match (blocks, harmful.len()) {
        (0, 0) => return unharmful(others, session),
        (0, long) => Finding::warn(Check::Transactions, format!("{} or may be", long_ones(long))),
        (_, _) => Finding::wrong(
            Check::Transactions,
            format!(
                "{} what pending migrations want to lock",
                if blocks == 1 { "1 has".to_owned() } else { format!("{blocks} have") }
            ),
        ),
    };
    let mut finding = finding
        .of(harmful.iter().map(|(_, other)| other.line(path, needs)))
        .help("ask whose it is: a run waits for a lock for 2s, ten times (`--lock-timeout`, `--tries`)");
    if !needs.builds.is_empty() {
        finding = finding
            .help("an index that is built concurrently waits for every transaction that is older than the build");
    }
    finding
        .help("this ends a session, and rolls back what it has not committed (as its role, or with pg_signal_backend):")
        .sqls(harmful.iter().map(|(_, other)| format!("SELECT pg_catalog.pg_terminate_backend({})", other.pid)))
}

/// Where nobody is known to be in the way: whether that is all that could be known.
fn unharmful(others: &[Other], session: &Session) -> Finding {
    let is_hidden = |other: &&Other| other.kind == Kind::Client && other.in_transaction && other.state.is_none();
    match others.iter().filter(is_hidden).count() {
        0 => Finding::ok(Check::Transactions, "no migration would wait for anybody's"),
        hidden => {
            let who = count(hidden, "session");
            Finding::unknown(
                Check::Transactions,
                format!("{who} of other roles in a transaction; for how long, this role may not see"),
            )
            .help("for this role to see what others do, as a superuser:")
            .sql(format!("GRANT pg_read_all_stats TO {}", session.role))
        }
    }
}

fn long_ones(number: usize) -> String {
    if number == 1 { "1 is longer than a minute,".to_owned() } else { format!("{number} are longer than a minute,") }
}

/// How many transactions ago the oldest row of the database was written.
pub(super) fn ask_wraparound(asker: &mut Asker) -> Answer<i64> {
    let question = "SELECT pg_catalog.age(d.datfrozenxid) FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";
    let row = asker.ask_one(Path::Catalog, question)?;
    row.number(0).ok_or_else(|| "the age of the database cannot be read".to_owned())
}

/// Here vacuum begins to hurry (`vacuum_failsafe_age`); at about 2.1 billion the server takes no more changes.
const HURRY: i64 = 1_600_000_000;

pub(super) fn wraparound(old: &Answer<i64>, others: &Answer<Vec<Other>>, session: &Session, needs: &Needs) -> Finding {
    let path = &session.path;
    let running: Vec<&Other> = others.iter().flatten().filter(|other| other.kind == Kind::Wraparound).collect();
    let blocks = running.iter().any(|other| wanted(&other.tables, path, needs).next().is_some());
    if !running.is_empty() {
        let message = "an autovacuum against wraparound runs, which does not give way to a migration";
        let finding =
            if blocks { Finding::wrong(Check::Wraparound, message) } else { Finding::warn(Check::Wraparound, message) };
        return finding
            .of(running.iter().map(|other| other.line(path, needs)))
            .help("let it end first: ended by force it begins again, and the server depends on it; `autovacuum_vacuum_cost_delay = 0` makes it quicker");
    }
    match old {
        Ok(old) if *old >= HURRY => {
            Finding::warn(Check::Wraparound, format!("the oldest row is {} million transactions old, and at 2100 the server stops", old / 1_000_000))
                .help("end what keeps vacuum from its work (long and prepared transactions, replication slots), then, as a superuser:")
                .sql("VACUUM (FREEZE)")
        }
        Ok(_) => Finding::ok(Check::Wraparound, "far away, and no vacuum against it runs"),
        Err(why) => Finding::unknown(Check::Wraparound, why.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use stairwell::migration::{Direction, Script};

    fn needs() -> Needs {
        let script = Script::parse("1_a.up.sql".into(), b"alter table users add i int", Direction::Up).0.unwrap();
        Needs::of([&script], &["public".into()])
    }

    fn session() -> Session {
        Session { path: vec!["pg_catalog".into(), "public".into()], ..Session::default() }
    }

    fn other(state: Option<&str>, age: Option<u64>, table: Option<&str>) -> Other {
        let tables = table.iter().map(|name| ("public".to_owned(), (*name).to_owned())).collect();
        Other {
            pid: 7,
            application: "psql".into(),
            state: state.map(str::to_owned),
            age,
            tables,
            kind: Kind::Client,
            in_transaction: true,
        }
    }

    fn state(other: Other) -> State {
        transactions(&Ok(vec![other]), &session(), &needs()).state
    }

    #[test]
    fn who_is_idle_with_a_lock_that_is_wanted_is_in_the_way() {
        let idle = Some("idle in transaction");
        assert_eq!(state(other(idle, Some(3), Some("users"))), State::Wrong);
        assert_eq!(state(other(idle, Some(3), Some("orders"))), State::Ok);
        assert_eq!(state(other(idle, Some(90), Some("orders"))), State::Warn);
        assert_eq!(state(other(Some("active"), Some(3), Some("users"))), State::Ok);
        assert_eq!(state(other(Some("active"), Some(90), Some("users"))), State::Wrong);
        assert_eq!(state(other(Some("idle"), None, None)), State::Ok);
        assert_eq!(state(other(None, None, Some("users"))), State::Warn);
    }

    #[test]
    fn a_transaction_whose_age_is_hidden_is_not_called_harmless() {
        let hidden = |in_transaction| {
            transactions(&Ok(vec![Other { in_transaction, ..other(None, None, None) }]), &session(), &needs())
        };
        assert_eq!([hidden(true).state, hidden(false).state], [State::Unknown, State::Ok]);
    }

    #[test]
    fn a_table_of_another_schema_is_another_table() {
        let elsewhere = Other {
            tables: vec![("audit".into(), "users".into())],
            ..other(Some("idle in transaction"), Some(3), None)
        };
        assert_eq!(state(elsewhere), State::Ok);
    }

    #[test]
    fn what_is_said_of_a_session_is_all_but_its_query() {
        let found =
            transactions(&Ok(vec![other(Some("idle in transaction"), Some(300), Some("users"))]), &session(), &needs());
        assert_eq!(
            found.details,
            [
                "server process 7 (`psql`), idle in transaction, in its transaction for 5 min, with a lock on public.users"
            ]
        );
        assert_eq!(found.sql, ["SELECT pg_catalog.pg_terminate_backend(7);"]);
    }

    #[test]
    fn a_vacuum_counts_only_where_it_does_not_give_way() {
        let vacuum = |kind| Other { kind, ..other(Some("active"), Some(900), Some("users")) };
        assert_eq!([state(vacuum(Kind::Vacuum)), state(vacuum(Kind::Wraparound))], [State::Ok, State::Ok]);
        let of = |old, kind| wraparound(&Ok(old), &Ok(vec![vacuum(kind)]), &session(), &needs()).state;
        assert_eq!(
            [of(1, Kind::Vacuum), of(1, Kind::Wraparound), of(HURRY, Kind::Vacuum)],
            [State::Ok, State::Wrong, State::Warn]
        );
    }
}
