//! The ways in which a table in use is changed: nothing reads all of its rows while it keeps writers out.
//!
//! What there is to do takes several transactions, in this order: what is quick; what reads all rows under a lock that lets everybody
//! write ([`CHECK`], and indexes, each by itself); what is quick once that is done ([`SETTLE`]).

use super::{Definition, Sides};
use crate::schema::compare::Manner;
use crate::schema::id::{Id, Kind};
use crate::schema::quote::ident;
use crate::schema::statement::{Pass, Statement};

/// The stage in which rows are read.
pub(super) const CHECK: u8 = 1;

/// The stage in which what was found counts.
pub(super) const SETTLE: u8 = 2;

/// Whether a table or a materialized view is in use and can be changed so: it is there before and after, and its rows are its own.
/// On a partitioned table neither `CREATE INDEX CONCURRENTLY` nor a foreign key that is `NOT VALID` can be.
pub(super) fn concerns(relation: &[String], sides: Sides<'_>) -> bool {
    let has_rows = |side: &crate::schema::Catalog| {
        let of = |kind| side.definition(&Id::new(kind, relation.to_vec()));
        match of(Kind::Table) {
            Some(Definition::Table(table)) => table.is_ordinary(),
            _ => of(Kind::MaterializedView).is_some(),
        }
    };
    sides.manner == Manner::Online && has_rows(sides.old) && has_rows(sides.new)
}

/// `CREATE INDEX` and `CREATE UNIQUE INDEX` without keeping writers out.
pub(super) fn create_index(sql: &str) -> Option<Statement> {
    let (create, rest) = sql.split_once(" INDEX ")?;
    Some(Statement::new(format!("{create} INDEX CONCURRENTLY {rest}")).alone())
}

/// `DROP INDEX` without keeping anybody out for longer than a moment.
pub(super) fn drop_index(name: &str) -> Statement {
    Statement::new(format!("DROP INDEX CONCURRENTLY {name}")).alone()
}

/// A constraint that new rows have to meet at once, and the old ones are looked at later. `add` is its `ADD CONSTRAINT`.
pub(super) fn checked_later(id: &Id, add: String) -> Vec<Statement> {
    let table = id.relation();
    vec![
        Statement::alter_table(table.clone(), id, Pass::AddConstraint, format!("{add} NOT VALID")),
        Statement::alter_table(table, id, Pass::Alone, format!("VALIDATE CONSTRAINT {}", id.ident())).later(CHECK),
    ]
}

/// `SET NOT NULL`, which reads no row where a valid check says that none is null (version 12 and later).
pub(super) fn set_not_null(id: &Id) -> Vec<Statement> {
    let table = id.relation();
    let (column, check) = (id.ident(), ident(&check_name(id)));
    let alter = |pass, clause: String| Statement::alter_table(table.clone(), id, pass, clause);
    vec![
        alter(Pass::AddConstraint, format!("ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID")),
        alter(Pass::Alone, format!("VALIDATE CONSTRAINT {check}")).later(CHECK),
        // Two statements: one would drop the check before it is looked for.
        alter(Pass::Alone, format!("ALTER COLUMN {column} SET NOT NULL")).later(SETTLE),
        alter(Pass::Alone, format!("DROP CONSTRAINT {check}")).later(SETTLE),
    ]
}

/// The name of the check that is there in between.
fn check_name(id: &Id) -> String {
    super::names::joined(id.path.get(1).map_or("", String::as_str), id.name(), "not_null_check")
}

/// A primary key or a unique constraint over an index that was made before. `body` is what `pg_get_constraintdef` prints without when it
/// is checked; nothing where an index alone cannot be that.
pub(super) fn key(id: &Id, body: &str, rest: &str) -> Option<Vec<Statement>> {
    let word = ["PRIMARY KEY", "UNIQUE"].into_iter().find(|word| body.starts_with(word))?;
    let columns = body.strip_prefix(word)?.trim_start();
    let (columns, nulls) =
        columns.strip_prefix("NULLS NOT DISTINCT ").map_or((columns, ""), |columns| (columns, " NULLS NOT DISTINCT"));
    // A key over time has an operator that an index alone does not know.
    if columns.contains("WITHOUT OVERLAPS") {
        return None;
    }
    let (name, table) = (id.ident(), id.relation());
    let create = format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {columns}{nulls}");
    let add = format!("ADD CONSTRAINT {name} {word} USING INDEX {name}{rest}");
    Some(vec![Statement::new(create).alone(), Statement::alter_table(table, id, Pass::Alone, add)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Id {
        Id::new(Kind::Constraint, ["public", "orders", name].map(str::to_owned).to_vec())
    }

    fn sql(statements: &[Statement]) -> Vec<String> {
        statements.iter().map(Statement::sql).collect()
    }

    #[test]
    fn a_key_is_an_index_first() {
        let key = |body| key(&id("orders_key"), body, "").map(|statements| sql(&statements));
        assert_eq!(
            key("UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (c)").unwrap_or_default(),
            [
                "CREATE UNIQUE INDEX CONCURRENTLY orders_key ON public.orders (a, b) INCLUDE (c) NULLS NOT DISTINCT",
                "ALTER TABLE public.orders ADD CONSTRAINT orders_key UNIQUE USING INDEX orders_key",
            ]
        );
        assert_eq!(key("PRIMARY KEY (a, at WITHOUT OVERLAPS)"), None);
        assert_eq!(key("EXCLUDE USING gist (a WITH =)"), None);
    }

    #[test]
    fn a_column_becomes_not_null_by_a_check_in_three_transactions() {
        let statements = set_not_null(&id("phone"));
        assert_eq!(statements.iter().map(|s| s.stage).collect::<Vec<_>>(), [0, CHECK, SETTLE, SETTLE]);
        assert_eq!(
            sql(&statements)[0],
            "ALTER TABLE public.orders ADD CONSTRAINT orders_phone_not_null_check CHECK (phone IS NOT NULL) NOT VALID"
        );
    }
}
