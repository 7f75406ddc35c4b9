//! Small pairs of schemas, each for something that once went wrong or that no other project's pairs have.

use stairwell::schema::{Catalog, Leg, Manner, MissingRoles, Proof, Source, Without, Workshop, compare_in};

use super::{Verdict, law};
use crate::harness::database::TestDatabase;
use crate::harness::{Outcome, Skip};

crate::trials!(
    what_is_granted_on_objects_of_postgres_itself_is_compared,
    a_column_of_a_foreign_table_gets_another_type_without_a_using,
    a_default_may_use_a_value_that_its_enum_gets_by_the_same_change,
    a_table_that_becomes_partitioned_is_refused_in_words,
    a_table_in_use_is_changed_without_reading_its_rows_under_a_lock,
    not_null_of_a_partition_is_the_parents_or_its_own,
    not_null_has_a_name_and_a_comment,
    keys_over_the_same_columns_are_all_made,
    a_child_may_have_checked_what_its_parent_has_not,
    an_identitys_sequence_has_privileges_and_a_comment,
    a_table_in_a_publication_does_not_bring_its_children,
    a_table_of_a_type_changes_with_the_type,
    a_cast_of_the_schemas_own_is_used,
);

fn workshop() -> Result<Workshop, crate::harness::Skip> {
    Ok(Workshop::open(TestDatabase::new()?.database(), MissingRoles::Refuse).unwrap())
}

fn catalog(workshop: &Workshop, sql: &str) -> Catalog {
    let mut scratch = workshop.scratch().unwrap();
    scratch.load(&[Source::new("schema.sql", sql).unwrap()]).unwrap();
    scratch.catalog(&Without::default()).unwrap()
}

/// That the law holds both ways, and that there was something to do.
fn holds(old: &str, new: &str) -> Outcome {
    let workshop = workshop()?;
    let (old, new) = (catalog(&workshop, old), catalog(&workshop, new));
    assert_ne!(old.objects, new.objects);
    assert_eq!(law(&workshop, &old, &new), Ok(Verdict::Holds));
    assert_eq!(law(&workshop, &new, &old), Ok(Verdict::Holds));
    Ok(())
}

fn what_is_granted_on_objects_of_postgres_itself_is_compared() -> Outcome {
    holds(
        "REVOKE EXECUTE ON FUNCTION pg_sleep(float8) FROM PUBLIC; GRANT EXECUTE ON FUNCTION pg_sleep(float8) TO PUBLIC",
        "REVOKE EXECUTE ON FUNCTION pg_sleep(float8) FROM PUBLIC; REVOKE USAGE ON LANGUAGE sql FROM PUBLIC;
         REVOKE SELECT ON pg_proc FROM PUBLIC; GRANT SELECT (oid, proname) ON pg_proc TO PUBLIC",
    )
}

fn keys_over_the_same_columns_are_all_made() -> Outcome {
    let keys = "ALTER TABLE t ADD PRIMARY KEY (a, b); ALTER TABLE t ADD CONSTRAINT k UNIQUE (a, b); ALTER TABLE t ADD UNIQUE (a, b);
         ALTER TABLE t ADD CONSTRAINT c1 UNIQUE (c); ALTER TABLE t ADD CONSTRAINT c2 UNIQUE (c) WITH (fillfactor = 50);
         ALTER TABLE t ADD CONSTRAINT c3 UNIQUE (c) DEFERRABLE;
         ALTER TABLE t ADD CONSTRAINT x1 EXCLUDE (c WITH =); ALTER TABLE t ADD CONSTRAINT x2 EXCLUDE (c WITH =)";
    holds("", &format!("CREATE TABLE t (a int, b int, c int); {keys}"))?;
    holds("CREATE TABLE t (a int, b int, c int)", &format!("CREATE TABLE t (a int, b int, c int); {keys}"))?;
    holds("CREATE TABLE t (a int)", &format!("CREATE TABLE t (a int, b int, c int); {keys}"))
}

fn a_child_may_have_checked_what_its_parent_has_not() -> Outcome {
    let tables = "CREATE TABLE p (a int); CREATE TABLE c () INHERITS (p); CREATE TABLE g () INHERITS (c); CREATE TABLE o () INHERITS (p)";
    let unchecked = "ALTER TABLE p ADD CONSTRAINT k CHECK (a > 0) NOT VALID";
    let late = format!("CREATE TABLE p (a int); {unchecked}; CREATE TABLE c () INHERITS (p); CREATE TABLE g () INHERITS (c); CREATE TABLE o () INHERITS (p);
         COMMENT ON CONSTRAINT k ON c IS 'checked'");
    holds("", &late)?;
    // The constraint comes to all, and then goes on in none.
    holds(tables, &late)?;
    // Below, some become what the parent's is not, and others stay so.
    holds(&format!("{tables}; {unchecked}"), &late)?;
    let some =
        format!("{tables}; {unchecked}; ALTER TABLE g VALIDATE CONSTRAINT k; ALTER TABLE o VALIDATE CONSTRAINT k");
    holds(&some, &late)?;
    holds(&some, &format!("{tables}; {unchecked}; ALTER TABLE c VALIDATE CONSTRAINT k"))?;
    holds(&late, &format!("{tables}; ALTER TABLE p ADD CONSTRAINT k CHECK (a > 0)"))?;
    holds(&late, &late.replace("a > 0", "a > 1"))
}

fn an_identitys_sequence_has_privileges_and_a_comment() -> Outcome {
    let said = "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO pg_monitor; COMMENT ON SEQUENCE s IS 'numbers'";
    let table = "CREATE TABLE t (a int, b int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME s))";
    let default = "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO pg_monitor";
    holds("", &format!("{table}; {said}"))?;
    holds(table, &format!("{table}; {said}"))?;
    holds("CREATE TABLE t (a int, b int)", &format!("{table}; {said}"))?;
    holds(
        &format!("{table}; {said}"),
        &format!("{}; {}", table.replace("NAME s", "NAME s2"), said.replace("SEQUENCE s ", "SEQUENCE s2 ")),
    )?;
    holds(&format!("{table}; ALTER TABLE t OWNER TO pg_monitor; {said}"), &format!("{default}; {table}"))
}

fn a_table_in_a_publication_does_not_bring_its_children() -> Outcome {
    let tables = "CREATE TABLE p (a int); CREATE TABLE c () INHERITS (p); CREATE PUBLICATION u";
    holds(tables, &format!("{tables}; ALTER PUBLICATION u ADD TABLE ONLY p"))?;
    holds(&format!("{tables}; ALTER PUBLICATION u ADD TABLE p"), &format!("{tables}; ALTER PUBLICATION u ADD TABLE c"))
}

fn a_table_of_a_type_changes_with_the_type() -> Outcome {
    let of = |attributes: &str| {
        format!(
            "CREATE TYPE y AS ({attributes}); CREATE TABLE t OF y; CREATE INDEX ON t (a); CREATE VIEW v AS SELECT a FROM t"
        )
    };
    holds(&of("a int, b text"), &of("a bigint, c text"))?;
    let workshop = workshop()?;
    let (old, new) = (catalog(&workshop, &of("a numeric, b text")), catalog(&workshop, &of("a int")));
    let up = stairwell::schema::compare(&old, &new).unwrap();
    let losses: Vec<String> = up.losses().map(ToString::to_string).collect();
    assert_eq!(
        losses,
        [
            "drops the column public.t.b with what is in it",
            "rounds or cuts what is in the column public.t.a, from numeric to integer"
        ]
    );
    Ok(())
}

fn a_cast_of_the_schemas_own_is_used() -> Outcome {
    let cast = "CREATE TYPE m AS (n int); CREATE FUNCTION f(m) RETURNS int LANGUAGE sql AS 'SELECT ($1).n'; CREATE CAST (m AS int) WITH FUNCTION f(m)";
    let workshop = workshop()?;
    let side = |rest: &str| catalog(&workshop, &format!("{cast}{rest}"));
    let up = |context: &str| {
        let (old, new) =
            (side(&format!("{context}; CREATE TABLE t (a m)")), side(&format!("{context}; CREATE TABLE t (a int)")));
        stairwell::schema::compare(&old, &new).unwrap().to_sql()
    };
    assert!(up("").contains("TYPE integer USING a::integer;"), "{}", up(""));
    assert!(up(" AS ASSIGNMENT").contains("TYPE integer;"), "{}", up(" AS ASSIGNMENT"));
    Ok(())
}

fn a_column_of_a_foreign_table_gets_another_type_without_a_using() -> Outcome {
    let server = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;";
    holds(
        &format!("{server} CREATE FOREIGN TABLE f (a text OPTIONS (n '1')) SERVER s"),
        &format!("{server} CREATE FOREIGN TABLE f (a integer OPTIONS (n '2')) SERVER s"),
    )
}

fn a_default_may_use_a_value_that_its_enum_gets_by_the_same_change() -> Outcome {
    holds(
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (m mood DEFAULT 'sad')",
        "CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE TABLE t (m mood DEFAULT 'fine')",
    )
}

fn a_table_that_becomes_partitioned_is_refused_in_words() -> Outcome {
    let workshop = workshop()?;
    let old = catalog(&workshop, "CREATE TABLE t (a integer)");
    let new = catalog(&workshop, "CREATE TABLE t (a integer) PARTITION BY LIST (a)");
    let Ok(Verdict::Refused(why)) = law(&workshop, &old, &new) else { panic!("it is not refused") };
    assert!(why.contains("a table cannot become partitioned in place") && why.contains("= help:"), "{why}");
    Ok(())
}

fn a_table_in_use_is_changed_without_reading_its_rows_under_a_lock() -> Outcome {
    let workshop = workshop()?;
    let old = catalog(
        &workshop,
        "CREATE TABLE parent (id integer PRIMARY KEY); CREATE TABLE t (a integer, b text); CREATE INDEX gone ON t (b)",
    );
    let new = catalog(
        &workshop,
        "CREATE TABLE parent (id integer PRIMARY KEY);
         CREATE TABLE t (a integer NOT NULL REFERENCES parent, b text CHECK (b <> '') UNIQUE, c integer REFERENCES parent);
         CREATE INDEX come ON t (a); COMMENT ON INDEX come IS 'new'",
    );
    let script = compare_in(&old, &new, Manner::Online).unwrap();
    insta::assert_snapshot!("online", script.to_sql());
    let without = Without::default();
    let proof = Proof::new(&workshop, &without);
    let mut scratch = workshop.scratch().unwrap();
    proof.fill(&mut scratch, &old).unwrap().unwrap();
    scratch.run(&script).unwrap().unwrap();
    assert_eq!(proof.check(&mut scratch, Leg::Up, &new).unwrap(), None);
    Ok(())
}

/// Where it has a name, that of a partition that was made apart is another one than that of one which the parent made.
fn not_null_of_a_partition_is_the_parents_or_its_own() -> Outcome {
    let parent = "CREATE TABLE p (a integer NOT NULL, b text) PARTITION BY LIST (a);";
    let apart = "CREATE TABLE p1 (a integer NOT NULL, b text); ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1);";
    let of_parent = "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);";
    let other = "CREATE TABLE p2 PARTITION OF p (b DEFAULT 'x' NOT NULL) FOR VALUES IN (2);";
    let detach = "ALTER TABLE p DETACH PARTITION p1;";
    let new_column = "ALTER TABLE p ADD c integer NOT NULL DEFAULT 1;";
    let required = "ALTER TABLE p ALTER b SET NOT NULL;";
    let (apart, of_parent) = (format!("{parent}{apart}{other}"), format!("{parent}{of_parent}{other}"));
    for (old, new) in [
        (parent.to_owned(), apart.clone()),
        (parent.to_owned(), of_parent.clone()),
        (of_parent.clone(), format!("{of_parent}{detach}")),
        (apart.clone(), format!("{apart}{detach}")),
        (of_parent.clone(), format!("{of_parent}{new_column}")),
        (apart.clone(), format!("{apart}{new_column}")),
        (of_parent.clone(), format!("{of_parent}{required}")),
        (apart.clone(), format!("{apart}{required}")),
        (apart.clone(), format!("{of_parent}{required}{new_column}")),
        (
            "CREATE TABLE t (b text NOT NULL); CREATE TABLE c (b text NOT NULL) INHERITS (t)".to_owned(),
            "CREATE TABLE t (b text); CREATE TABLE c (b text NOT NULL) INHERITS (t)".to_owned(),
        ),
    ] {
        holds(&old, &new)?;
    }
    Ok(())
}

fn not_null_has_a_name_and_a_comment() -> Outcome {
    let database = TestDatabase::new()?;
    let version: i32 =
        database.client().query_one("SELECT current_setting('server_version_num')::int", &[]).unwrap().get(0);
    if version < 180_000 {
        return Err(Skip("before PostgreSQL 18 a not-null constraint has no name".to_owned()));
    }
    let plain = "CREATE TABLE t (a integer NOT NULL); CREATE TABLE c () INHERITS (t);";
    let parent = "CREATE TABLE p (a integer CONSTRAINT x NOT NULL) PARTITION BY LIST (a);";
    let part = "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);";
    let apart =
        "CREATE TABLE p1 (a integer CONSTRAINT y NOT NULL); ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1);";
    let renamed = "ALTER TABLE p RENAME CONSTRAINT x TO z;";
    for (old, new) in [
        (plain.to_owned(), format!("{plain} COMMENT ON CONSTRAINT t_a_not_null ON t IS 'why'")),
        (
            "CREATE TABLE t (a integer)".to_owned(),
            "CREATE TABLE t (a integer CONSTRAINT it NOT NULL); COMMENT ON CONSTRAINT it ON t IS 'why'".to_owned(),
        ),
        (
            String::new(),
            "CREATE TABLE t (a integer CONSTRAINT it NOT NULL NO INHERIT); COMMENT ON CONSTRAINT it ON t IS 'why'"
                .to_owned(),
        ),
        (
            "CREATE TABLE t (a integer)".to_owned(),
            "CREATE TABLE t (a integer); ALTER TABLE t ADD CONSTRAINT it NOT NULL a NOT VALID".to_owned(),
        ),
        (
            plain.to_owned(),
            "CREATE TABLE t (a integer CONSTRAINT other NOT NULL); CREATE TABLE c () INHERITS (t)".to_owned(),
        ),
        (format!("{parent}{part}"), format!("{parent}{part}{renamed}")),
        (format!("{parent}{part}"), format!("{parent}{apart}")),
        (format!("{parent}{apart}"), format!("{parent}{part}{renamed}")),
        (format!("{parent}{apart}"), format!("{parent}{apart} ALTER TABLE p DETACH PARTITION p1")),
    ] {
        holds(&old, &new)?;
    }
    Ok(())
}
