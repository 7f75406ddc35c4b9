//! What was begun and not ended: indexes that are not valid, constraints that are not validated.

use super::ask::{Answer, Asker, Path, Row};
use super::finding::{Check, Finding};
use super::needs::Needs;
use super::session::Session;

/// Whether somebody works on an index now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Work {
    /// Nobody does: it is a leftover.
    #[default]
    Nobody,
    /// It is being built, built anew or dropped.
    UnderWay,
    /// One is being built in this database, and this role may not see which.
    Hidden,
}

/// An index that queries cannot use. Names are quoted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// With its schema.
    pub(super) path: String,
    /// Without schema and quotes.
    pub(super) name: String,
    pub(super) table: String,
    /// Of a partitioned table.
    pub(super) partitioned: bool,
    pub(super) unique: bool,
    pub(super) work: Work,
}

impl Index {
    /// Left by a `REINDEX CONCURRENTLY`: the new one that was not finished, or the old one that was not dropped. Postgres counts them.
    fn is_leftover_of_reindex(&self) -> bool {
        let counted =
            |suffix| self.name.rsplit_once(suffix).is_some_and(|(_, n)| n.bytes().all(|b| b.is_ascii_digit()));
        counted("_ccnew") || counted("_ccold")
    }
}

pub(super) fn ask_indexes(asker: &mut Asker) -> Answer<Vec<Index>> {
    // Of another role's build, only its database can be seen without pg_read_all_stats.
    let question = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname, \
         pg_catalog.format('%I.%I', tn.nspname, t.relname), c.relkind = 'I', i.indisunique, \
         CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid OR p.relid = i.indrelid \
         OR p.relid IN (SELECT h.oid FROM pg_catalog.pg_class h WHERE h.reltoastrelid = i.indrelid)) \
         OR EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' AND l.relation = i.indexrelid AND l.granted \
         AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) \
         AND l.mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock')) THEN 'under way' \
         WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p \
         WHERE p.datname = pg_catalog.current_database() AND p.relid IS NULL) THEN 'hidden' END \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace \
         WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND c.relpersistence <> 't' ORDER BY 1";
    let of_row = |row: &Row| Index {
        path: row.text(0),
        name: row.text(1),
        table: row.text(2),
        partitioned: row.is(3),
        unique: row.is(4),
        work: match row.text(5).as_str() {
            "under way" => Work::UnderWay,
            "hidden" => Work::Hidden,
            _ => Work::Nobody,
        },
    };
    Ok(asker.ask(Path::Catalog, question)?.iter().map(of_row).collect())
}

pub(super) fn indexes(indexes: &Answer<Vec<Index>>, session: &Session, needs: &Needs) -> Finding {
    let indexes = match indexes {
        Ok(indexes) => indexes,
        Err(why) => return Finding::unknown(Check::Indexes, why.as_str()),
    };
    let of = |work| indexes.iter().filter(move |index| index.work == work);
    let left: Vec<&Index> = of(Work::Nobody).collect();
    let hidden = of(Work::Hidden).count();
    if left.is_empty() && hidden > 0 {
        return Finding::unknown(
            Check::Indexes,
            format!("{} invalid, or being built now: this role may not see which", are(hidden)),
        )
        .of(of(Work::Hidden).map(|index| format!("{} on {}", index.path, index.table)))
        .help("look again later; for this role to see what others do, as a superuser:")
        .sql(format!("GRANT pg_read_all_stats TO {}", session.role));
    }
    if left.is_empty() {
        let under_way = of(Work::UnderWay).count();
        let building = if under_way > 0 { format!("; {} being built now", are(under_way)) } else { String::new() };
        return Finding::ok(Check::Indexes, format!("none is left invalid{building}"));
    }
    let is_pending = |index: &Index| needs.builds.contains(&index.name);
    let detail = |index: &&Index| {
        let what = match index {
            index if index.is_leftover_of_reindex() => "left by a REINDEX CONCURRENTLY",
            index if is_pending(index) => "of a pending migration: the next `db up` clears it away and builds it",
            index if index.partitioned => "of a partitioned table: some partition has no index attached to it",
            index if index.unique => "unique, and its build was interrupted, or met rows that are equal",
            _ => "its build was interrupted",
        };
        format!("{} on {}: {what}", index.path, index.table)
    };
    let mut finding = Finding::warn(
        Check::Indexes,
        format!("{} invalid: queries pass such an index over, and writes pay for it all the same", are(left.len())),
    );
    finding = finding.of(left.iter().map(detail));
    let (drop, rest): (Vec<&Index>, Vec<&Index>) = left.into_iter().partition(|index| index.is_leftover_of_reindex());
    let rest: Vec<&Index> = rest.into_iter().filter(|index| !is_pending(index)).collect();
    let (partitioned, rebuild): (Vec<&Index>, Vec<&Index>) = rest.into_iter().partition(|index| index.partitioned);
    if !partitioned.is_empty() {
        finding = finding.help("make the index of each partition, and attach it: `ALTER INDEX <of the table> ATTACH PARTITION <of the partition>`");
    }
    if rebuild.iter().any(|index| index.unique) {
        finding = finding.help(
            "of a unique one, mend the rows that are equal first; one that nobody wants: `DROP INDEX CONCURRENTLY`",
        );
    }
    if !drop.is_empty() || !rebuild.is_empty() {
        finding = finding.help("as the tables' owner, each outside of a transaction:");
    }
    finding
        .sqls(drop.iter().map(|index| format!("DROP INDEX CONCURRENTLY {}", index.path)))
        .sqls(rebuild.iter().map(|index| format!("REINDEX INDEX CONCURRENTLY {}", index.path)))
}

/// `1 is`, `2 are`.
fn are(number: usize) -> String {
    if number == 1 { "1 is".to_owned() } else { format!("{number} are") }
}

/// A constraint of which it is not known whether the rows from before keep it. Names are quoted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Constraint {
    /// `TABLE public.users` or `DOMAIN public.email`.
    pub(super) of: String,
    pub(super) name: String,
    /// As `pg_get_constraintdef` has it; it holds no data.
    pub(super) definition: String,
}

pub(super) fn ask_constraints(asker: &mut Asker) -> Answer<Vec<Constraint>> {
    // From 18 on a constraint may be NOT ENFORCED, which is no leftover; before, there is no such column.
    let question = "SELECT CASE WHEN k.contypid <> 0 THEN (SELECT pg_catalog.format('DOMAIN %I.%I', n.nspname, t.typname) \
         FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = k.contypid) \
         ELSE (SELECT pg_catalog.format('TABLE %I.%I', n.nspname, c.relname) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = k.conrelid) END, \
         pg_catalog.quote_ident(k.conname), pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k \
         WHERE NOT k.convalidated AND coalesce(pg_catalog.to_jsonb(k) ->> 'conenforced', 'true') = 'true' AND k.conparentid = 0 \
         AND (k.conislocal OR k.contype = 'f') ORDER BY 1, 2";
    let of_row = |row: &Row| Constraint { of: row.text(0), name: row.text(1), definition: row.text(2) };
    Ok(asker.ask(Path::Catalog, question)?.iter().map(of_row).collect())
}

pub(super) fn constraints(constraints: &Answer<Vec<Constraint>>) -> Finding {
    let constraints = match constraints {
        Ok(constraints) => constraints,
        Err(why) => return Finding::unknown(Check::Constraints, why.as_str()),
    };
    if constraints.is_empty() {
        return Finding::ok(Check::Constraints, "all are validated");
    }
    Finding::warn(
        Check::Constraints,
        format!("{} not validated: rows from before may not keep to it", are(constraints.len())),
    )
    .of(constraints.iter().map(|it| format!("{} of {}: {}", it.name, it.of, it.definition)))
    .help("once the rows keep to it, as the tables' owner (reads and writes go on meanwhile), best as a migration:")
    .sqls(constraints.iter().map(|it| format!("ALTER {} VALIDATE CONSTRAINT {}", it.of, it.name)))
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use stairwell::migration::{Direction, Script};

    fn index(name: &str) -> Index {
        Index { path: format!("public.{name}"), name: name.into(), table: "public.t".into(), ..Index::default() }
    }

    fn look(found: Vec<Index>, pending: &str) -> Finding {
        let script = Script::parse("1_a.up.sql".into(), pending.as_bytes(), Direction::Up).0.unwrap();
        indexes(
            &Ok(found),
            &Session { role: "ann".into(), ..Session::default() },
            &Needs::of([&script], &["public".into()]),
        )
    }

    #[test]
    fn what_reindex_left_is_dropped_and_the_rest_is_built_again() {
        let found = look(vec![index("a_ccnew"), index("b_ccold12"), index("b_ccnews"), index("c")], "select 1");
        assert_eq!(
            found.sql,
            [
                "DROP INDEX CONCURRENTLY public.a_ccnew;",
                "DROP INDEX CONCURRENTLY public.b_ccold12;",
                "REINDEX INDEX CONCURRENTLY public.b_ccnews;",
                "REINDEX INDEX CONCURRENTLY public.c;"
            ]
        );
    }

    #[test]
    fn an_index_that_somebody_builds_is_no_leftover() {
        let busy = Index { work: Work::UnderWay, ..index("i") };
        let hidden = Index { work: Work::Hidden, ..index("j") };
        assert_eq!(look(vec![busy.clone()], "select 1").state, State::Ok);
        assert_eq!(look(vec![busy, hidden], "select 1").sql, ["GRANT pg_read_all_stats TO ann;"]);
    }

    #[test]
    fn what_up_mends_is_left_to_it() {
        let found = look(vec![index("i")], "-- stairwell: no-transaction\ncreate index concurrently i on t (a)");
        assert!(found.state == State::Warn && found.sql.is_empty() && found.help.is_empty(), "{found:?}");
    }

    #[test]
    fn a_domain_validates_its_own() {
        let domain = Constraint {
            of: "DOMAIN public.email".into(),
            name: "has_at".into(),
            definition: "CHECK (x) NOT VALID".into(),
        };
        assert_eq!(constraints(&Ok(vec![domain])).sql, ["ALTER DOMAIN public.email VALIDATE CONSTRAINT has_at;"]);
        assert_eq!(constraints(&Ok(vec![])).state, State::Ok);
    }
}
