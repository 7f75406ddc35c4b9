//! What is in a scratch database beside its schema: rows, and where sequences stand. As values, and as SQL that brings them back.

use std::fmt::Write as _;

use postgres::{Client, SimpleQueryMessage, SimpleQueryRow};
use stairwell::postgres::Database;

use super::insert_order;
use crate::failure::{Code, Failure};

/// A baseline with more rows is no file that a person reads.
const MOST_ROWS: usize = 10_000;

/// What is not the schema's, and what has to be minded when it is written back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Data {
    /// Tables with rows, by name.
    tables: Vec<Table>,
    /// Foreign keys between tables.
    refers: Vec<(u32, u32)>,
    /// `setval` of each sequence that is not as a new one.
    sequences: Vec<String>,
    /// Materialized views that hold something, oldest first, so that one that reads another comes behind it.
    views: Vec<String>,
    /// Whether a constraint is checked at the end of the transaction only.
    deferred: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    oid: u32,
    /// Qualified and quoted.
    name: String,
    /// Those that can be inserted into; `None` if there is none.
    columns: Option<String>,
    /// Whether it has an identity column that refuses values of one's own.
    overriding: bool,
    /// Each row's literals.
    rows: Vec<String>,
    /// What must not react to the rows coming back: `TRIGGER audit`, and whether it fires `ALWAYS`.
    reacts: Vec<(String, bool)>,
}

/// Whatever the role's and the database's defaults are, literals are read the same everywhere.
const SETTINGS: &str =
    "SET search_path = ''; SET datestyle = 'ISO'; SET intervalstyle = 'iso_8601'; SET timezone = 'UTC';
    SET extra_float_digits = 1; SET bytea_output = 'hex'; SET row_security = off; SET quote_all_identifiers = off";

/// The schemas that are users' own and not the ledger's, and what no extension made.
const THEIRS: &str =
    "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'stairwell') AND NOT EXISTS (SELECT FROM
    pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')";

impl Data {
    /// Reads it.
    pub(super) fn read(database: &Database) -> Result<Self, Failure> {
        let mut client = database.connect()?;
        ask(&mut client, SETTINGS)?;
        let objects = ask(&mut client, "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata")?;
        if objects.first().and_then(|row| row.get(0)).is_some_and(|count| count != "0") {
            return Err(Failure::new(
                Code::Failed,
                "the migrations make large objects, which a baseline cannot bring back; nothing was changed",
            ));
        }
        let mut data = Self { tables: tables(&mut client)?, ..Self::default() };
        let oids: Vec<String> = data.tables.iter().map(|table| table.oid.to_string()).collect();
        if !oids.is_empty() {
            let oids = oids.join(", ");
            reactions(&mut client, &oids, &mut data.tables)?;
            for row in ask(
                &mut client,
                &format!(
                    "SELECT conrelid, confrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conrelid IN ({oids})"
                ),
            )? {
                data.refers.extend(number(&row, 0).zip(number(&row, 1)));
            }
            let deferred = format!("SELECT FROM pg_catalog.pg_constraint WHERE condeferred AND conrelid IN ({oids})");
            data.deferred = !ask(&mut client, &deferred)?.is_empty();
            let views = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind = 'm' AND c.relispopulated AND";
            data.views = texts(&ask(&mut client, &format!("{views} {THEIRS} ORDER BY c.oid"))?);
        }
        data.sequences = sequences(&mut client)?;
        Ok(data)
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.tables.iter().map(|table| table.rows.len()).sum()
    }

    /// How many tables have some.
    pub(super) fn tables(&self) -> usize {
        self.tables.len()
    }

    /// The first table or sequence that is not the same, in words; `None` if all are.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let of = |data: &Self, name: &str| {
            data.tables.iter().find(|table| table.name == name).map(|table| table.rows.clone())
        };
        let mut names = self.tables.iter().chain(&other.tables).map(|table| &table.name);
        let count = |rows: Option<Vec<String>>| rows.map_or(0, |rows| rows.len());
        if let Some(name) = names.find(|name| of(self, name) != of(other, name)) {
            return Some(format!(
                "the rows of {name} ({} and {}) are not the same",
                count(of(self, name)),
                count(of(other, name))
            ));
        }
        let missing = |some: &[String], all: &[String]| some.iter().find(|it| !all.contains(it)).cloned();
        let sequence =
            missing(&self.sequences, &other.sequences).or_else(|| missing(&other.sequences, &self.sequences));
        sequence.map(|sequence| format!("a sequence does not stand where it stood: {sequence}"))
    }

    /// The statements that bring it back.
    pub(super) fn sql(&self) -> String {
        let mut out = String::new();
        let reacts: Vec<(&Table, &(String, bool))> =
            self.tables.iter().flat_map(|table| table.reacts.iter().map(move |react| (table, react))).collect();
        // Writing to a String does not fail.
        for (table, (what, _)) in &reacts {
            let _ = writeln!(out, "ALTER TABLE {} DISABLE {what};\n", table.name);
        }
        let oids: Vec<u32> = self.tables.iter().map(|table| table.oid).collect();
        for group in insert_order::groups(&oids, &self.refers) {
            let group: Vec<&Table> = self.tables.iter().filter(|table| group.contains(&table.oid)).collect();
            out.push_str(&insert(&group));
        }
        if self.deferred && !reacts.is_empty() {
            // ALTER TABLE refuses a table with checks that are still to come.
            out.push_str("SET CONSTRAINTS ALL IMMEDIATE;\n\n");
        }
        for (table, (what, always)) in &reacts {
            let _ =
                writeln!(out, "ALTER TABLE {} ENABLE {}{what};\n", table.name, if *always { "ALWAYS " } else { "" });
        }
        for sequence in &self.sequences {
            let _ = writeln!(out, "{sequence};\n");
        }
        for view in &self.views {
            let _ = writeln!(out, "REFRESH MATERIALIZED VIEW {view};\n");
        }
        out
    }
}

impl Table {
    /// The statement, without its end.
    fn insert(&self) -> Vec<String> {
        let Some(columns) = &self.columns else {
            return self.rows.iter().map(|_| format!("INSERT INTO {} DEFAULT VALUES", self.name)).collect();
        };
        let overriding = if self.overriding { " OVERRIDING SYSTEM VALUE" } else { "" };
        vec![format!("INSERT INTO {} ({columns}){overriding} VALUES\n    {}", self.name, self.rows.join(",\n    "))]
    }
}

/// One statement for tables that refer to each other: foreign keys are checked at its end.
fn insert(group: &[&Table]) -> String {
    let mut statements: Vec<String> = group.iter().flat_map(|table| table.insert()).collect();
    match (group.len(), statements.pop()) {
        (_, None) => String::new(),
        (1, Some(last)) => statements.into_iter().chain([last]).map(|statement| format!("{statement};\n\n")).collect(),
        (_, Some(last)) => {
            let with: Vec<String> = statements
                .iter()
                .enumerate()
                .map(|(n, statement)| format!("rows_{} AS (\n{statement}\n)", n + 1))
                .collect();
            format!("WITH {}\n{last};\n\n", with.join(", "))
        }
    }
}

/// The tables with rows, and their rows in order of the primary key, or else of their own text.
fn tables(client: &mut Client) -> Result<Vec<Table>, Failure> {
    // What needs no quotes has none, as a person would write it.
    let literal = "CASE WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'bool'::regtype)
            THEN format('coalesce(%I::text, ''NULL'')', a.attname)
        WHEN a.atttypid = 'numeric'::regtype
            THEN format('CASE WHEN %1$I::text ~ ''[a-zA-Z]'' THEN quote_literal(%1$I::text) ELSE coalesce(%1$I::text, ''NULL'') END', a.attname)
        ELSE format('quote_nullable(%I::text)', a.attname) END";
    let question = format!(
        "SET search_path = pg_catalog;
         SELECT c.oid, format('%I.%I', n.nspname, c.relname),
             (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE {column}),
             (SELECT string_agg({literal}, ' || '', '' || ' ORDER BY a.attnum) FROM pg_attribute a WHERE {column}),
             EXISTS (SELECT FROM pg_attribute a WHERE {column} AND a.attidentity = 'a'),
             (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(attnum, n), pg_attribute a
                 WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.attnum)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {THEIRS} ORDER BY n.nspname, c.relname",
        column = "a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''",
    );
    let all = ask(client, &question)?;
    ask(client, "SET search_path = ''")?;
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let name = |row: &SimpleQueryRow| row.get(1).unwrap_or_default().to_owned();
    let counts: Vec<String> = all
        .iter()
        .enumerate()
        .map(|(n, row)| format!("SELECT {n}, count(*) FROM (SELECT FROM ONLY {} LIMIT {MOST_ROWS} + 1) q", name(row)))
        .collect();
    let counts = ask(client, &counts.join(" UNION ALL "))?;
    let mut filled: Vec<(usize, usize)> = counts
        .iter()
        .filter_map(|row| number(row, 0).zip(number(row, 1)))
        .filter(|(_, count)| *count > 0)
        .filter_map(|(n, count)| Some((usize::try_from(n).ok()?, usize::try_from(count).ok()?)))
        .collect();
    filled.sort_unstable();
    let total: usize = filled.iter().map(|(_, count)| count).sum();
    if total > MOST_ROWS {
        let most = filled.iter().max_by_key(|(_, count)| *count).and_then(|(n, _)| all.get(*n)).map(name);
        return Err(too_many(&most.unwrap_or_default()));
    }
    let mut tables = Vec::new();
    for row in filled.iter().filter_map(|(n, _)| all.get(*n)) {
        let name = name(row);
        let text = row.get(3).map_or_else(|| "''".to_owned(), |literals| format!("'(' || {literals} || ')'"));
        let order = row.get(5).unwrap_or("1");
        let rows = ask(
            client,
            &format!(
                "SET search_path = pg_catalog; SELECT {text} FROM ONLY {name} ORDER BY {order}; SET search_path = ''"
            ),
        )?;
        tables.push(Table {
            oid: number(row, 0).unwrap_or_default(),
            name,
            columns: row.get(2).map(str::to_owned),
            overriding: row.get(4) == Some("t"),
            rows: texts(&rows),
            reacts: Vec::new(),
        });
    }
    Ok(tables)
}

fn too_many(most: &str) -> Failure {
    Failure::new(
        Code::Failed,
        format!(
            "the migrations insert more than {MOST_ROWS} rows, most of them into {most}, which is no file that a person reads; nothing was changed\n  \
             = help: squash up to the migration before the one that inserts them, or move them out of the migrations, into a job that loads them"
        ),
    )
}

/// Triggers and rules that fire when a row is inserted, in the same order as they are switched off and on.
fn reactions(client: &mut Client, oids: &str, tables: &mut [Table]) -> Result<(), Failure> {
    // Bit 2 of tgtype is INSERT (pg_trigger.h); ev_type 3 is INSERT (pg_rewrite).
    let question = format!(
        "SELECT tgrelid, pg_catalog.format('TRIGGER %I', tgname), tgenabled = 'A' FROM pg_catalog.pg_trigger
             WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 4 <> 0 AND tgrelid IN ({oids})
         UNION ALL SELECT ev_class, pg_catalog.format('RULE %I', rulename), ev_enabled = 'A' FROM pg_catalog.pg_rewrite
             WHERE ev_enabled IN ('O', 'A') AND ev_type = '3' AND ev_class IN ({oids}) ORDER BY 2"
    );
    for row in ask(client, &question)? {
        let table = tables.iter_mut().find(|table| Some(table.oid) == number(&row, 0));
        if let (Some(table), Some(what)) = (table, row.get(1)) {
            table.reacts.push((what.to_owned(), row.get(2) == Some("t")));
        }
    }
    Ok(())
}

/// Where each sequence stands that is not as a new one, as the call that puts it there.
fn sequences(client: &mut Client) -> Result<Vec<String>, Failure> {
    let question = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), s.seqstart FROM pg_catalog.pg_sequence s
         JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relpersistence <> 't' AND {THEIRS} ORDER BY 1"
    );
    let all = ask(client, &question)?;
    // The view pg_sequences does not tell where one stands that was set and not called since.
    let each = all.iter().filter_map(|row| {
        let (name, start) = (row.get(0)?, row.get(1)?);
        let call = format!(
            "pg_catalog.format('SELECT pg_catalog.setval(%L, %s, %s)', {}, last_value, is_called::pg_catalog.text)",
            quoted(name)
        );
        Some(format!("SELECT {call} FROM {name} WHERE is_called OR last_value <> {start}"))
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() { Ok(Vec::new()) } else { Ok(texts(&ask(client, &each.join(" UNION ALL "))?)) }
}

fn quoted(text: &str) -> String {
    let quotes = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quotes.replace('\\', "\\\\")) } else { format!("'{quotes}'") }
}

fn texts(rows: &[SimpleQueryRow]) -> Vec<String> {
    rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect()
}

fn number(row: &SimpleQueryRow, column: usize) -> Option<u32> {
    row.get(column)?.parse().ok()
}

/// The rows of all statements of a message.
fn ask(client: &mut Client, question: &str) -> Result<Vec<SimpleQueryRow>, Failure> {
    let replies = client.simple_query(question).map_err(|error| {
        let what = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        Failure::new(
            Code::Failed,
            format!("reading the rows of a scratch database failed, and nothing was changed: {what}"),
        )
    })?;
    let rows = replies.into_iter().filter_map(|reply| match reply {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(oid: u32, name: &str, rows: &[&str]) -> Table {
        Table {
            oid,
            name: name.to_owned(),
            columns: Some("id".to_owned()),
            overriding: false,
            rows: rows.iter().map(|row| (*row).to_owned()).collect(),
            reacts: Vec::new(),
        }
    }

    #[test]
    fn rows_come_back_in_order_past_triggers_and_round_circles() {
        let (mut orders, users) = (table(1, "public.orders", &["(1)", "(2)"]), table(2, "public.users", &["(7)"]));
        orders.reacts = vec![("TRIGGER audit".to_owned(), true)];
        let identity = Table { overriding: true, ..table(3, "public.kinds", &["('a')"]) };
        let bare = Table { columns: None, ..table(4, "public.bare", &["", ""]) };
        let circle = [table(5, "public.a", &["(1)"]), table(6, "public.b", &["(2)"])];
        let data = Data {
            tables: [vec![orders, users, identity, bare], circle.to_vec()].concat(),
            refers: vec![(1, 2), (2, 3), (5, 6), (6, 5)],
            sequences: vec!["SELECT pg_catalog.setval('public.users_id_seq', 7, true)".to_owned()],
            views: vec!["public.sums".to_owned()],
            deferred: true,
        };
        insta::assert_snapshot!(data.sql());
    }

    #[test]
    fn what_differs_is_named() {
        let data = |rows: &[&str], sequence: &str| Data {
            tables: vec![table(1, "public.t", rows)],
            sequences: vec![sequence.to_owned()],
            ..Data::default()
        };
        let one = data(&["(1)"], "a");
        assert_eq!(one.difference(&one), None);
        assert_eq!(
            one.difference(&data(&["(2)"], "a")).as_deref(),
            Some("the rows of public.t (1 and 1) are not the same")
        );
        assert!(one.difference(&Data::default()).is_some() && Data::default().difference(&one).is_some());
        assert!(one.difference(&data(&["(1)"], "b")).is_some_and(|text| text.contains("sequence")));
    }
}
