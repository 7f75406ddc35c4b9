//! Prepared transactions that were forgotten: they keep their locks without a session, and also over a restart of the server.

use super::ask::{Answer, Asker, Path, Row};
use super::finding::{Check, Finding};
use super::needs::Needs;
use super::server::age;
use super::session::Session;
use super::sessions::{LONG, ONE_TRY, Table, locks, of_tables, shown, wanted};
use crate::db::lockfile::count;
use crate::db::recreate::literal;

/// A prepared transaction of this database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prepared {
    pub(super) gid: String,
    pub(super) age: u64,
    pub(super) owner: String,
    pub(super) tables: Vec<Table>,
}

pub(super) fn ask(asker: &mut Asker) -> Answer<Vec<Prepared>> {
    let question = format!(
        "SELECT p.gid, pg_catalog.floor(extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)), pg_catalog.quote_ident(p.owner), {} \
         FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database() ORDER BY p.prepared",
        // It has no process any more; what it calls itself differs before and after a restart of the server.
        locks(
            "l.pid IS NULL AND l.virtualtransaction IN (SELECT x.virtualtransaction FROM pg_catalog.pg_locks x \
             WHERE x.pid IS NULL AND x.transactionid = p.transaction)"
        )
    );
    let of_row = |row: &Row| Prepared {
        gid: row.text(0),
        age: row.number(1).and_then(|seconds| seconds.try_into().ok()).unwrap_or_default(),
        owner: row.text(2),
        tables: row.list(3),
    };
    Ok(asker.ask(Path::Catalog, &question)?.iter().map(of_row).collect())
}

pub(super) fn prepared(prepared: &Answer<Vec<Prepared>>, session: &Session, needs: &Needs) -> Finding {
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(why) => return Finding::unknown(Check::Prepared, why.as_str()),
    };
    let is_wanted = |it: &Prepared| wanted(&it.tables, &session.path, needs).next().is_some();
    // Between the two phases of a commit lies a moment, and not a minute.
    let left: Vec<&Prepared> =
        prepared.iter().filter(|it| it.age >= LONG || (is_wanted(it) && it.age >= ONE_TRY)).collect();
    if left.is_empty() {
        return Finding::ok(Check::Prepared, "no prepared transaction was left behind");
    }
    let message = format!(
        "{} left behind: each keeps its locks until someone ends it",
        count(left.len(), "prepared transaction")
    );
    let finding = if left.iter().any(|it| is_wanted(it)) {
        Finding::wrong(Check::Prepared, message)
    } else {
        Finding::warn(Check::Prepared, message)
    };
    let line = |it: &&Prepared| {
        let tables: Vec<String> = it.tables.iter().map(shown).collect();
        format!("{} of {}, since {}{}", literal(&it.gid), it.owner, age(it.age), of_tables(&tables))
    };
    finding
        .of(left.iter().map(line))
        .help("ask the program that prepared it: it may want `COMMIT PREPARED`; if nobody knows of it, as its role or a superuser:")
        .sqls(left.iter().map(|it| format!("ROLLBACK PREPARED {}", literal(&it.gid))))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use stairwell::migration::{Direction, Script};

    #[test]
    fn a_prepared_transaction_is_named_so_that_it_can_be_ended() {
        let session = Session { path: vec!["public".into()], ..Session::default() };
        let script = Script::parse("1_a.up.sql".into(), b"alter table users add i int", Direction::Up).0.unwrap();
        let needs = Needs::of([&script], &session.path);
        let one = |age, table: &str| Prepared {
            gid: "it's".into(),
            age,
            owner: "ann".into(),
            tables: vec![("public".into(), table.into())],
        };
        let of = |it| prepared(&Ok(vec![it]), &session, &needs);
        assert_eq!(
            [of(one(5, "orders")).state, of(one(90, "orders")).state, of(one(5, "users")).state],
            [State::Ok, State::Warn, State::Wrong]
        );
        assert_eq!(of(one(90, "users")).sql, ["ROLLBACK PREPARED 'it''s';"]);
    }
}
