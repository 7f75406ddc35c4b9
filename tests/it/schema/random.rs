//! Random schemas, and random edits of them.
//!
//! A schema is what random statements make over a small stock of names: much of it works, and makes objects that depend on one another; what does not work
//! is refused by the server and left out. An edit is a few more statements.

use proptest::prelude::*;
use proptest::test_runner::TestError;
use stairwell::postgres::Database;
use stairwell::schema::{Catalog, MissingRoles, Without, Workshop};

use super::{Verdict, law};
use crate::harness::database::TestDatabase;
use crate::harness::{Outcome, random};

crate::trials!(whatever_is_done_to_a_schema_the_comparison_does_and_undoes);

fn whatever_is_done_to_a_schema_the_comparison_does_and_undoes() -> Outcome {
    let database = TestDatabase::new()?;
    let workshop = Workshop::open(database.database(), MissingRoles::Refuse).unwrap();
    let refused = std::cell::Cell::new(0);
    let mut runner = random::runner("schema", 50, 400);
    let outcome =
        runner.run(&(prop::collection::vec(seed(), 10..60), prop::collection::vec(seed(), 1..12)), |(base, edits)| {
            let (old, new) = catalogs(&workshop, &base, &edits);
            match law(&workshop, &old, &new) {
                Ok(Verdict::Holds) => Ok(()),
                Ok(Verdict::Refused(_)) => {
                    refused.set(refused.get() + 1);
                    Ok(())
                }
                Err(why) => Err(TestCaseError::fail(why)),
            }
        });
    let cases = runner.config().cases;
    eprintln!("{cases} pairs, of which the comparison refused {}", refused.get());
    match outcome {
        Ok(()) => {
            assert!(refused.get() * 3 <= cases, "most edits have a way");
            Ok(())
        }
        Err(TestError::Fail(why, (base, edits))) => {
            let text = |seeds: &[Seed]| seeds.iter().map(Seed::sql).collect::<Vec<_>>().join(";\n");
            panic!("{why}\n-- base:\n{};\n-- edits:\n{};\n", text(&base), text(&edits));
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// What the statements make, before and after the edits.
fn catalogs(workshop: &Workshop, base: &[Seed], edits: &[Seed]) -> (Catalog, Catalog) {
    let scratch = workshop.scratch().unwrap();
    let database = scratch.database();
    run(database, &[Seed::stock()], base);
    let old = Catalog::of(database, &Without::default()).unwrap();
    run(database, &[], edits);
    (old, Catalog::of(database, &Without::default()).unwrap())
}

/// Runs each for itself; what the server refuses is left out.
fn run(database: &Database, first: &[&str], seeds: &[Seed]) {
    let mut client = database.connect().unwrap();
    client.batch_execute("SET client_min_messages = error; SET check_function_bodies = off").unwrap();
    for sql in first {
        client.batch_execute(sql).unwrap();
    }
    for seed in seeds {
        let _ = client.batch_execute(&seed.sql());
    }
}

/// A statement before it is text: which one, and what it is made with.
#[derive(Debug, Clone)]
struct Seed {
    which: usize,
    with: Vec<u8>,
}

/// Any statement that makes or changes something.
fn seed() -> impl Strategy<Value = Seed> {
    (0..FORMS.len(), prop::collection::vec(any::<u8>(), 10)).prop_map(|(which, with)| Seed { which, with })
}

impl Seed {
    /// What there is before the first.
    fn stock() -> &'static str {
        "CREATE SCHEMA \"Other Schema\""
    }

    /// The statement.
    fn sql(&self) -> String {
        FORMS[self.which](&mut Pick { with: &self.with, next: 0 })
    }
}

/// Chooses names and other parts.
struct Pick<'a> {
    with: &'a [u8],
    next: usize,
}

impl Pick<'_> {
    fn number(&mut self, below: usize) -> usize {
        self.next += 1;
        usize::from(self.with[(self.next - 1) % self.with.len()]) % below
    }

    fn of<'t>(&mut self, some: &[&'t str]) -> &'t str {
        some[self.number(some.len())]
    }

    fn named(&mut self, letter: char, of: usize) -> String {
        let schema = if self.number(4) == 0 { "\"Other Schema\"" } else { "public" };
        format!("{schema}.{letter}{}", self.number(of))
    }

    fn table(&mut self) -> String {
        self.named('t', 4)
    }

    fn column(&mut self) -> String {
        format!("c{}", self.number(5))
    }

    fn view(&mut self) -> String {
        self.named('v', 4)
    }

    fn domain(&mut self) -> String {
        self.named('d', 2)
    }

    fn mood(&mut self) -> String {
        self.named('e', 2)
    }

    fn pair(&mut self) -> String {
        self.named('p', 2)
    }

    fn function(&mut self) -> String {
        self.named('f', 3)
    }

    fn sequence(&mut self) -> String {
        self.named('s', 2)
    }

    fn value(&mut self) -> &'static str {
        self.of(&["'good'", "'bad'", "'it''s fine'", "'new'"])
    }

    fn data_type(&mut self) -> String {
        match self.number(12) {
            0 => self.mood(),
            1 => self.domain(),
            2 => format!("{}[]", self.mood()),
            3 => self.pair(),
            4 | 5 => "integer".to_owned(),
            6 => "bigint".to_owned(),
            7 => "numeric(10,2)".to_owned(),
            8 => "varchar(20)".to_owned(),
            9 => "timestamptz".to_owned(),
            _ => "text".to_owned(),
        }
    }
}

/// What a statement can look like. The more often something stands here, the more often it comes.
const FORMS: &[fn(&mut Pick<'_>) -> String] = &[
    // Types.
    |p| format!("CREATE TYPE {} AS ENUM ('good', 'bad')", p.mood()),
    |p| format!("CREATE TYPE {} AS ENUM ('it''s fine', 'bad', 'good')", p.mood()),
    |p| format!("ALTER TYPE {} ADD VALUE {} BEFORE 'bad'", p.mood(), p.value()),
    |p| format!("ALTER TYPE {} ADD VALUE {}", p.mood(), p.value()),
    |p| format!("CREATE DOMAIN {} AS {} CHECK (VALUE IS NOT NULL)", p.domain(), p.of(&["integer", "text", "numeric"])),
    |p| format!("ALTER DOMAIN {} ADD CHECK (VALUE::text <> {})", p.domain(), p.value()),
    |p| format!("ALTER DOMAIN {} SET DEFAULT 1", p.domain()),
    |p| format!("CREATE TYPE {} AS (a integer, b {})", p.pair(), p.data_type()),
    |p| format!("ALTER TYPE {} ADD ATTRIBUTE {} {}", p.pair(), p.column(), p.data_type()),
    // Tables and columns.
    |p| format!("CREATE TABLE {} (c0 integer PRIMARY KEY, c1 {})", p.table(), p.data_type()),
    |p| format!("CREATE TABLE {} (c0 bigserial PRIMARY KEY, c1 {}, c2 {})", p.table(), p.data_type(), p.data_type()),
    |p| {
        format!(
            "CREATE TABLE {} (c0 integer GENERATED ALWAYS AS IDENTITY UNIQUE, c2 text NOT NULL DEFAULT 'x')",
            p.table()
        )
    },
    |p| {
        format!(
            "CREATE TABLE {} (c0 integer, c1 {}, PRIMARY KEY (c0, c1)) PARTITION BY LIST (c0)",
            p.table(),
            p.data_type()
        )
    },
    |p| {
        format!(
            "CREATE TABLE {} PARTITION OF {} FOR VALUES IN ({}, {})",
            p.table(),
            p.table(),
            p.number(3),
            p.number(3) + 3
        )
    },
    |p| format!("CREATE TABLE {} (c4 text) INHERITS ({})", p.table(), p.table()),
    |p| format!("ALTER TABLE {} ADD COLUMN {} {}", p.table(), p.column(), p.data_type()),
    |p| format!("ALTER TABLE {} ADD COLUMN {} {}", p.table(), p.column(), p.data_type()),
    |p| format!("ALTER TABLE {} ADD COLUMN {} integer NOT NULL DEFAULT {}", p.table(), p.column(), p.number(9)),
    |p| {
        format!(
            "ALTER TABLE {} ADD COLUMN {} text GENERATED ALWAYS AS ({}::text) STORED",
            p.table(),
            p.column(),
            p.column()
        )
    },
    |p| format!("ALTER TABLE {} ADD COLUMN {} {} DEFAULT {}", p.table(), p.column(), p.mood(), p.value()),
    |p| {
        let (table, column, data_type) = (p.table(), p.column(), p.data_type());
        format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {data_type} USING {column}::text::{data_type}")
    },
    |p| format!("ALTER TABLE {} ALTER COLUMN {} TYPE bigint", p.table(), p.column()),
    |p| format!("ALTER TABLE {} ALTER COLUMN {} TYPE text COLLATE \"C\"", p.table(), p.column()),
    |p| format!("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT {}", p.table(), p.column(), p.value()),
    |p| format!("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT nextval('{}')", p.table(), p.column(), p.sequence()),
    |p| format!("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT", p.table(), p.column()),
    |p| format!("ALTER TABLE {} ALTER COLUMN {} {} NOT NULL", p.table(), p.column(), p.of(&["SET", "DROP"])),
    |p| format!("ALTER TABLE {} ALTER COLUMN {} DROP EXPRESSION", p.table(), p.column()),
    |p| format!("ALTER TABLE {} ALTER COLUMN {} DROP IDENTITY", p.table(), p.column()),
    |p| format!("ALTER TABLE {} ALTER COLUMN {} SET STATISTICS {}", p.table(), p.column(), p.number(3) * 50),
    |p| format!("ALTER TABLE {} SET (fillfactor = {})", p.table(), 70 + p.number(3) * 10),
    |p| format!("ALTER TABLE {} {} {}", p.table(), p.of(&["INHERIT", "NO INHERIT", "DETACH PARTITION"]), p.table()),
    // Constraints and indexes.
    |p| format!("ALTER TABLE {} ADD CONSTRAINT k{} UNIQUE ({}, {})", p.table(), p.number(3), p.column(), p.column()),
    |p| format!("ALTER TABLE {} ADD CONSTRAINT k{} CHECK ({} IS NOT NULL)", p.table(), p.number(3), p.column()),
    |p| format!("ALTER TABLE {} ADD CHECK ({}::text IN ('a', {})) NOT VALID", p.table(), p.column(), p.value()),
    |p| format!("ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {}", p.table(), p.column(), p.table()),
    |p| {
        format!(
            "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} ON DELETE CASCADE DEFERRABLE",
            p.table(),
            p.column(),
            p.table()
        )
    },
    |p| format!("ALTER TABLE {} ADD CHECK ({}({}::text) <> {})", p.table(), p.function(), p.column(), p.value()),
    |p| format!("CREATE INDEX i{} ON {} ({})", p.number(4), p.table(), p.column()),
    |p| {
        format!(
            "CREATE UNIQUE INDEX i{} ON {} (c0, lower({}::text)) WHERE {} IS NOT NULL",
            p.number(4),
            p.table(),
            p.column(),
            p.column()
        )
    },
    |p| format!("ALTER TABLE {} REPLICA IDENTITY USING INDEX i{}", p.table(), p.number(4)),
    |p| format!("ALTER TABLE {} CLUSTER ON i{}", p.table(), p.number(4)),
    |p| format!("CREATE STATISTICS {} ON {}, {} FROM {}", p.named('x', 2), p.column(), p.column(), p.table()),
    // Sequences, views, functions.
    |p| format!("CREATE SEQUENCE {} INCREMENT {} MAXVALUE 1000", p.sequence(), p.number(5) + 1),
    |p| format!("ALTER SEQUENCE {} OWNED BY {}.{}", p.sequence(), p.table(), p.column()),
    |p| format!("CREATE OR REPLACE VIEW {} AS SELECT * FROM {}", p.view(), p.table()),
    |p| format!("CREATE OR REPLACE VIEW {} AS SELECT c0, {} AS c1 FROM {}", p.view(), p.column(), p.table()),
    |p| {
        format!(
            "CREATE OR REPLACE VIEW {} AS SELECT a.*, 1 AS one FROM {} a JOIN {} b USING (c0)",
            p.view(),
            p.view(),
            p.table()
        )
    },
    |p| format!("CREATE MATERIALIZED VIEW {} AS SELECT c0, count(*) AS n FROM {} GROUP BY c0", p.view(), p.table()),
    |p| format!("CREATE INDEX ON {} (c0)", p.view()),
    |p| {
        format!(
            "CREATE OR REPLACE FUNCTION {}(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 || {} $$",
            p.function(),
            p.value()
        )
    },
    |p| {
        format!(
            "CREATE OR REPLACE FUNCTION {}(a {}) RETURNS {} LANGUAGE sql AS 'SELECT NULL'",
            p.function(),
            p.data_type(),
            p.table()
        )
    },
    |p| {
        format!(
            "CREATE OR REPLACE FUNCTION {}(a integer, b integer DEFAULT {}) RETURNS integer BEGIN ATOMIC SELECT c0 FROM {}; END",
            p.function(),
            p.number(3),
            p.table()
        )
    },
    |p| {
        format!(
            "CREATE OR REPLACE FUNCTION public.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN {}; END'",
            p.of(&["NEW", "OLD"])
        )
    },
    |p| {
        format!(
            "CREATE TRIGGER g{} BEFORE UPDATE OF {} ON {} FOR EACH ROW EXECUTE FUNCTION public.g()",
            p.number(2),
            p.column(),
            p.table()
        )
    },
    |p| {
        let column = p.column();
        format!(
            "CREATE TRIGGER g{} AFTER UPDATE ON {} FOR EACH ROW WHEN (OLD.{column} IS DISTINCT FROM NEW.{column}) EXECUTE FUNCTION public.g()",
            p.number(2),
            p.table()
        )
    },
    |p| format!("ALTER TABLE {} DISABLE TRIGGER g{}", p.table(), p.number(2)),
    |p| format!("CREATE POLICY l{} ON {} USING ({} IS NOT NULL)", p.number(2), p.table(), p.column()),
    |p| format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", p.table()),
    |p| {
        format!(
            "CREATE RULE r{} AS ON DELETE TO {} WHERE OLD.{} IS NULL DO INSTEAD NOTHING",
            p.number(2),
            p.table(),
            p.column()
        )
    },
    // What every kind has.
    |p| format!("COMMENT ON TABLE {} IS {}", p.table(), p.value()),
    |p| format!("COMMENT ON COLUMN {}.{} IS {}", p.table(), p.column(), p.value()),
    |p| format!("COMMENT ON VIEW {} IS {}", p.view(), p.value()),
    |p| format!("GRANT {} ON {} TO PUBLIC", p.of(&["SELECT", "INSERT, UPDATE", "ALL", "UPDATE (c0)"]), p.table()),
    |p| format!("GRANT SELECT ON {} TO PUBLIC", p.view()),
    |p| format!("REVOKE ALL ON FUNCTION {}(text) FROM PUBLIC", p.function()),
    |p| format!("ALTER DEFAULT PRIVILEGES GRANT {} ON TABLES TO PUBLIC", p.of(&["SELECT", "UPDATE"])),
    // Removal.
    |p| format!("DROP TABLE {} CASCADE", p.table()),
    |p| format!("DROP VIEW {} CASCADE", p.view()),
    |p| format!("DROP FUNCTION {}(text) CASCADE", p.function()),
    |p| format!("DROP TYPE {} CASCADE", p.mood()),
    |p| format!("ALTER TABLE {} DROP COLUMN {} CASCADE", p.table(), p.column()),
    |p| format!("ALTER TABLE {} DROP CONSTRAINT k{} CASCADE", p.table(), p.number(3)),
    |p| format!("DROP INDEX i{}", p.number(4)),
];
