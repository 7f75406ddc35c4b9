//! Looking up what scripts name, and counting it.
//!
//! All of it happens in one transaction that the caller begins with [`BEGIN`] and rolls back, so that it works through a pooler and leaves no
//! setting. Names are looked up with the search path that the scripts will have. All else is asked with the catalog alone in it: another
//! schema's `=` must not be called.

use std::time::{Duration, Instant};

use super::stakes::{self, Stake, Stakes};
use super::{Amount, Loss, Losses};
use crate::plan::Plan;
use crate::postgres::ledger::{Ledger, literal};
use crate::postgres::session::{Failed, Row, Session};
use crate::sql::Lost;

/// Rows that a policy hides are refused then, and estimated. What takes longer than this is estimated as well.
pub(in crate::postgres) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;\
     SET LOCAL statement_timeout = '2s'; SET LOCAL row_security = off";

/// How long all counting may take; what is left then is estimated.
const PATIENCE: Duration = Duration::from_secs(20);

const CASCADES: &str = "nothing tells what else depends on it";
const NAMELESS: &str = "nothing tells which rows it is about";
const MOVES: &str = "this run renames, moves or hides something, so the name may mean another table by then";
const NO_TABLE: &str = "what it names is no table";
const UNCOUNTED: &str = "counting takes too long, or is not allowed, and the server has no estimate";
const UNSEEN: &str = "this role may not look";

/// What each migration of the plan would lose, of those that would lose something.
pub(in crate::postgres) fn count(session: &mut Session, ledger: &Ledger, plan: &Plan) -> Result<Vec<Losses>, Failed> {
    let mut counter = Counter { session, began: Instant::now() };
    if !counter.has_data(ledger)? {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for Stakes { step, line, each } in stakes::of(plan) {
        let mut losses = Vec::new();
        for stake in &each {
            losses.extend(counter.losses(stake)?);
        }
        if let Some(first) = losses.first() {
            all.push(Losses {
                version: step.version,
                id: step.id().to_owned(),
                path: step.script.path().to_owned(),
                line: line.unwrap_or(first.line),
                reason: step.script.directives().destructive.clone(),
                losses,
            });
        }
    }
    Ok(all)
}

struct Counter<'a> {
    session: &'a mut Session,
    began: Instant,
}

/// A table or its like.
struct Relation {
    /// `schema.name`, quoted where SQL needs that.
    name: String,
    is_table: bool,
    /// By the server's statistics, if it has any.
    estimate: Option<u64>,
    /// Whether columns of other tables have its rows as their type.
    is_a_type: bool,
}

impl Relation {
    fn estimate(&self) -> Amount {
        self.estimate.map_or(Amount::Unknown(UNCOUNTED), Amount::About)
    }
}

const ONLY_CATALOG: &str = "SET LOCAL search_path = pg_catalog, pg_temp";

impl Counter<'_> {
    /// Asks, and leaves the transaction as it was, without the locks that the question took. `None` where the server refuses to answer.
    fn ask(&mut self, question: &str) -> Result<Option<Vec<Row>>, Failed> {
        let message = format!("SAVEPOINT stairwell; {question}; ROLLBACK TO SAVEPOINT stairwell");
        match self.session.send(&message) {
            Ok(rows) => Ok(Some(rows)),
            Err(failed) if failed.connection_lost() => Err(failed),
            Err(_) => self.session.send("ROLLBACK TO SAVEPOINT stairwell").map(|_| None),
        }
    }

    /// The same of the catalog.
    fn look(&mut self, question: &str) -> Result<Option<Vec<Row>>, Failed> {
        self.ask(&format!("{ONLY_CATALOG}; {question}"))
    }

    /// Whether any table has a page, but for the ledger and what extensions brought. Where none has, there is nothing to lose: this is a new
    /// database. A foreign table may have anything.
    fn has_data(&mut self, ledger: &Ledger) -> Result<bool, Failed> {
        let rows = self.look(&format!(
            "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'stairwell') \
             AND c.oid IS DISTINCT FROM to_regclass({}) \
             AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
             AND (c.relkind = 'f' OR pg_relation_size(c.oid) > 0))",
            literal(&ledger.quoted())
        ))?;
        Ok(rows.is_none_or(|rows| rows.first().and_then(|row| row.get(0)) == Some("t")))
    }

    fn losses(&mut self, stake: &Stake) -> Result<Vec<Loss>, Failed> {
        Ok(match &stake.lost {
            Lost::Nothing => Vec::new(),
            Lost::Unknown => vec![stake.unknown(if stake.cascades { CASCADES } else { NAMELESS })],
            Lost::Rows(path) => self.of_relation(stake, path, |counter, relation| counter.rows(relation, None))?,
            Lost::SomeRows(path) => self.of_relation(stake, path, |counter, relation| {
                let amount = counter.rows(relation, None)?;
                Ok(if let Amount::Rows(rows) = amount { Amount::AtMost(rows) } else { amount })
            })?,
            Lost::Values { table, column } => {
                self.of_relation(stake, table, |counter, relation| counter.rows(relation, Some(column)))?
            }
            Lost::RowsAndReferences(path) => self.of_references(stake, path)?,
            Lost::Schema(name) => self.of_schema(stake, name)?,
        })
    }

    /// What there is behind a name: `Err` where it cannot be known, `None` where there is nothing.
    fn find(&mut self, path: &[String]) -> Result<Result<Option<String>, &'static str>, Failed> {
        // Another database's would be an error, and more parts no name has.
        if path.len() > 2 {
            return Ok(Err(NO_TABLE));
        }
        let rows =
            self.ask(&format!("SELECT pg_catalog.to_regclass({})::pg_catalog.oid", literal(&qualified(path))))?;
        Ok(rows.ok_or(UNSEEN).map(|rows| rows.first().and_then(|row| row.get(0)).map(str::to_owned)))
    }

    /// What is known of the relations that this condition on `c` holds for.
    fn relations(&mut self, condition: &str) -> Result<Vec<Relation>, Failed> {
        let rows = self.look(&format!(
            "SELECT format('%I.%I', n.nspname, c.relname), c.relkind IN ('r', 'p', 'm', 'f'), nullif(greatest(c.reltuples, 0), 0)::int8, \
             EXISTS (SELECT FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid JOIN pg_type t ON t.oid = c.reltype \
             WHERE a.atttypid IN (t.oid, t.typarray) AND o.relkind IN ('r', 'p', 'm')) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {condition} ORDER BY 1"
        ))?;
        let relation = |row: &Row| Relation {
            name: row.get(0).unwrap_or_default().to_owned(),
            is_table: row.get(1) == Some("t"),
            estimate: row.get(2).and_then(|number| number.parse().ok()),
            is_a_type: row.get(3) == Some("t"),
        };
        Ok(rows.unwrap_or_default().iter().map(relation).collect())
    }

    fn of_relation(
        &mut self,
        stake: &Stake,
        path: &[String],
        amount: impl FnOnce(&mut Self, &Relation) -> Result<Amount, Failed>,
    ) -> Result<Vec<Loss>, Failed> {
        let oid = match self.find(path)? {
            Ok(Some(oid)) => oid,
            Ok(None) => return Ok(stake.nothing()),
            Err(why) => return Ok(vec![stake.unknown(why)]),
        };
        let Some(relation) = self.relations(&format!("c.oid = {oid}"))?.pop() else {
            return Ok(vec![stake.unknown(UNSEEN)]);
        };
        let amount = match amount(self, &relation)? {
            Amount::Rows(0) | Amount::AtMost(0) | Amount::Values { filled: 0, .. } => {
                let takes_columns = stake.cascades && relation.is_a_type;
                return Ok(if takes_columns { vec![stake.unknown(CASCADES)] } else { stake.nothing() });
            }
            amount => amount,
        };
        Ok(vec![stake.loss(&relation, false, amount)])
    }

    /// Every table that is emptied with this one.
    fn of_references(&mut self, stake: &Stake, path: &[String]) -> Result<Vec<Loss>, Failed> {
        let oid = match self.find(path)? {
            Ok(Some(oid)) => oid,
            Ok(None) => return Ok(stake.nothing()),
            Err(why) => return Ok(vec![stake.unknown(why)]),
        };
        let own = self.relations(&format!("c.oid = {oid}"))?;
        let others = self.relations(&format!(
            "c.oid <> {oid} AND c.oid IN (WITH RECURSIVE emptied (oid) AS (SELECT {oid}::oid UNION \
             SELECT k.conrelid FROM pg_constraint k JOIN emptied e ON k.confrelid = e.oid WHERE k.contype = 'f') SELECT oid FROM emptied)"
        ))?;
        let is_implied = |n: usize| n >= own.len();
        let named: Vec<bool> = (0..own.len() + others.len()).map(is_implied).collect();
        self.each(stake, own.into_iter().chain(others).zip(named))
    }

    /// Every table of a schema; a partition's rows are its table's.
    fn of_schema(&mut self, stake: &Stake, name: &str) -> Result<Vec<Loss>, Failed> {
        let schema = format!("(SELECT s.oid FROM pg_namespace s WHERE s.nspname = {}::name)", literal(name));
        let tables = self.relations(&format!(
            "c.relnamespace = {schema} AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition"
        ))?;
        let outside = self.look(&format!(
            "SELECT EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid \
             WHERE t.typnamespace = {schema} AND c.relnamespace <> t.typnamespace AND c.relkind IN ('r', 'p', 'm'))"
        ))?;
        let mut losses = self.each(stake, tables.into_iter().map(|table| (table, true)))?;
        if outside.is_none_or(|rows| rows.first().and_then(|row| row.get(0)) == Some("t")) {
            losses.push(stake.unknown(CASCADES));
        }
        Ok(losses)
    }

    fn each(
        &mut self,
        stake: &Stake,
        relations: impl IntoIterator<Item = (Relation, bool)>,
    ) -> Result<Vec<Loss>, Failed> {
        let mut losses = Vec::new();
        for (relation, is_implied) in relations {
            match self.rows(&relation, None)? {
                Amount::Rows(0) => {}
                amount => losses.push(stake.loss(&relation, is_implied, amount)),
            }
        }
        Ok(if losses.is_empty() { stake.nothing() } else { losses })
    }

    /// The rows of a table, or those with a value in this column; none where it has no such column.
    fn rows(&mut self, relation: &Relation, column: Option<&String>) -> Result<Amount, Failed> {
        if !relation.is_table {
            return Ok(Amount::Unknown(NO_TABLE));
        }
        if let Some(column) = column {
            let exists = self.look(&format!(
                "SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass({}) AND a.attname = {}::name \
                 AND NOT a.attisdropped)",
                literal(&relation.name),
                literal(column)
            ))?;
            if exists.is_some_and(|rows| rows.first().and_then(|row| row.get(0)) == Some("f")) {
                return Ok(Amount::Values { filled: 0, of: 0 });
            }
        }
        if self.began.elapsed() > PATIENCE {
            return Ok(relation.estimate());
        }
        let counted = column.map_or_else(|| "*".to_owned(), |column| identifier(column));
        let question = format!("SELECT count({counted}), count(*) FROM {}", relation.name);
        let Some(rows) = self.look(&question)? else { return Ok(relation.estimate()) };
        let number = |n| rows.first().and_then(|row| row.get(n)).and_then(|number| number.parse().ok()).unwrap_or(0);
        Ok(match column {
            Some(_) => Amount::Values { filled: number(0), of: number(1) },
            None => Amount::Rows(number(1)),
        })
    }
}

impl Stake {
    fn loss(&self, relation: &Relation, is_implied: bool, amount: Amount) -> Loss {
        let table = Some(relation.name.clone());
        Loss { what: self.what.clone(), line: self.line, table, is_implied, amount }
    }

    fn unknown(&self, why: &'static str) -> Loss {
        let amount = Amount::Unknown(why);
        Loss { what: self.what.clone(), line: self.line, table: None, is_implied: false, amount }
    }

    /// For a name behind which there is nothing now.
    fn nothing(&self) -> Vec<Loss> {
        if self.is_settled { Vec::new() } else { vec![self.unknown(MOVES)] }
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn qualified(path: &[String]) -> String {
    path.iter().map(|part| identifier(part)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_so_that_nothing_gets_out_of_them() {
        assert_eq!(qualified(&["App".to_owned(), "a\"b".to_owned()]), "\"App\".\"a\"\"b\"");
    }
}
