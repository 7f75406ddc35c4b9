//! `destructive`: what drops or overwrites data.

use std::ops::Range;

use super::super::lexer::TokenKind;
use super::made::{Made, altered_table, kind};
use super::tokens::{Name, Piece};
use super::{DataLoss, Lost, Reach};

/// What one statement loses.
#[derive(Debug)]
pub(super) struct Loss {
    span: Range<usize>,
    what: String,
    reach: Reach,
    lost: Lost,
    cascades: bool,
}

impl Loss {
    pub(super) fn new(tokens: Piece<'_>, words: Range<usize>, what: String) -> Self {
        let (first, last) = (tokens.span(words.start), tokens.span(words.end.saturating_sub(1)));
        let span = first.start..last.end.max(first.end);
        Self { span, what, reach: Reach::Named, lost: Lost::Unknown, cascades: false }
    }

    pub(super) fn of(self, lost: Lost) -> Self {
        Self { lost, ..self }
    }

    pub(super) fn of_statement(self, statement: usize, hidden: Option<&'static str>) -> DataLoss {
        DataLoss {
            statement,
            span: self.span,
            what: self.what,
            reach: self.reach,
            lost: self.lost,
            cascades: self.cascades,
            hidden,
        }
    }
}

/// What is dropped without `CASCADE` being needed. All else that `DROP` takes holds no data, or is refused while data needs it.
const KINDS: [&str; 5] = ["TABLE", "SCHEMA", "TYPE", "DATABASE", "MATERIALIZED VIEW"];

/// What only constraints, defaults and code can depend on, so that `CASCADE` reaches no column.
const HARMLESS_CASCADE: [&str; 5] = ["INDEX", "TRIGGER", "RULE", "POLICY", "SEQUENCE"];

/// What the statement drops or overwrites that `made` does not have.
pub(super) fn of(tokens: Piece<'_>, made: &Made) -> Vec<Loss> {
    if tokens.is(0, "DROP") {
        drop_objects(tokens, made)
    } else if tokens.starts_with(&["ALTER", "TABLE"]) {
        drop_columns(tokens, made)
    } else if tokens.starts_with(&["ALTER", "TYPE"]) {
        drop_attributes(tokens)
    } else if tokens.is(0, "TRUNCATE") {
        truncate(tokens, made)
    } else if tokens.starts_with(&["DELETE", "FROM"]) {
        delete(tokens, made).into_iter().collect()
    } else if tokens.is(0, "UPDATE") {
        update(tokens, made).into_iter().collect()
    } else if tokens.is(0, "WITH") {
        with(tokens, made)
    } else {
        Vec::new()
    }
}

fn drop_objects(tokens: Piece<'_>, made: &Made) -> Vec<Loss> {
    if tokens.starts_with(&["DROP", "OWNED", "BY"]) {
        let what = format!("DROP OWNED BY {}", tokens.text(3));
        return vec![Loss::new(tokens, 0..4, what)];
    }
    let (kind, at) = kind(tokens, 1);
    let cascade = tokens.find(at, "CASCADE").is_some() && !HARMLESS_CASCADE.contains(&kind.as_str());
    if !cascade && !KINDS.contains(&kind.as_str()) {
        return Vec::new();
    }
    let is_remade =
        |name: &str| !cascade && matches!(kind.as_str(), "TYPE" | "MATERIALIZED VIEW") && made.is_remade(&kind, name);
    let suffix = if cascade { " CASCADE" } else { "" };
    let reach = if KINDS.contains(&kind.as_str()) { Reach::Named } else { Reach::Dependents };
    let loss = |what| Loss { reach, cascades: cascade, ..Loss::new(tokens, 0..tokens.len(), what) };
    let at = tokens.skip(at, &["IF", "EXISTS"]);
    let dropped = tokens.from(at).names();
    if dropped.is_empty() {
        // The name of a format string is a placeholder.
        return vec![loss(format!("DROP {kind}{suffix}"))];
    }
    let gone = dropped.into_iter().filter(|name| !made.has(&kind, &name.key) && !is_remade(&name.key));
    let data = |name: &Name<'_>| match (kind.as_str(), name.path.as_slice()) {
        ("TABLE" | "MATERIALIZED VIEW", [_, ..]) => Lost::Rows(name.path.clone()),
        // Without CASCADE these go only when nothing is in them, or needs them.
        ("SCHEMA" | "TYPE", _) if !cascade => Lost::Nothing,
        ("SCHEMA", [schema]) => Lost::Schema(schema.clone()),
        _ => Lost::Unknown,
    };
    gone.map(|name| loss(format!("DROP {kind} {}{suffix}", name.shown)).of(data(&name))).collect()
}

fn drop_columns(tokens: Piece<'_>, made: &Made) -> Vec<Loss> {
    // The table of a format string is a placeholder; its actions begin behind it all the same.
    let (table, at) = altered_table(tokens).unwrap_or((Name { shown: "…", ..Name::default() }, 4));
    if made.has("TABLE", &table.key) {
        return Vec::new();
    }
    let mut losses = Vec::new();
    for action in tokens.from(at).comma_parts() {
        // `DROP CONSTRAINT c`; `ALTER c DROP DEFAULT` and its like begin with ALTER.
        if !action.is(0, "DROP") || action.is(1, "CONSTRAINT") {
            continue;
        }
        let name = action.name(action.skip(action.skip(1, &["COLUMN"]), &["IF", "EXISTS"]));
        let column = name.map_or(Name { shown: "…", ..Name::default() }, |(name, _)| name);
        if !made.has_column(&table.key, &column.key) {
            let what = format!("ALTER TABLE {} DROP COLUMN {}", table.shown, column.shown);
            // With CASCADE constraints, views and generated columns go as well, which have nothing of their own.
            losses.push(Loss::new(action, 0..action.len(), what).of(values(&table, &column)));
        }
    }
    losses
}

fn rows(table: &Name<'_>) -> Lost {
    if table.path.is_empty() { Lost::Unknown } else { Lost::Rows(table.path.clone()) }
}

pub(super) fn values(table: &Name<'_>, column: &Name<'_>) -> Lost {
    match (table.path.is_empty(), column.path.as_slice()) {
        (false, [column]) => Lost::Values { table: table.path.clone(), column: column.clone() },
        _ => Lost::Unknown,
    }
}

fn drop_attributes(tokens: Piece<'_>) -> Vec<Loss> {
    let Some((name, at)) = tokens.name(2) else { return Vec::new() };
    let drops = tokens.from(at).comma_parts().into_iter().filter(|action| action.starts_with(&["DROP", "ATTRIBUTE"]));
    drops
        .map(|action| Loss::new(action, 0..action.len(), format!("ALTER TYPE {} DROP ATTRIBUTE", name.shown)))
        .collect()
}

fn truncate(tokens: Piece<'_>, made: &Made) -> Vec<Loss> {
    let at = tokens.skip(1, &["TABLE"]);
    let tables = tokens.from(at).names();
    if tables.is_empty() {
        return vec![Loss::new(tokens, 0..at, "TRUNCATE".to_owned())];
    }
    let lost = tables.into_iter().filter(|name| !made.has("TABLE", &name.key));
    let cascades = tokens.find(at, "CASCADE").is_some();
    let of = |name: &Name<'_>| match rows(name) {
        Lost::Rows(path) if cascades => Lost::RowsAndReferences(path),
        other => other,
    };
    lost.map(|name| Loss::new(tokens, 0..tokens.len(), format!("TRUNCATE {}", name.shown)).of(of(&name))).collect()
}

fn delete(tokens: Piece<'_>, made: &Made) -> Option<Loss> {
    if tokens.find(2, "WHERE").is_some() {
        return None;
    }
    let name = tokens.name(tokens.skip(2, &["ONLY"])).map(|(name, _)| name);
    if name.as_ref().is_some_and(|name| made.has("TABLE", &name.key)) {
        return None;
    }
    let name = name.unwrap_or(Name { shown: "…", ..Name::default() });
    Some(Loss::new(tokens, 0..tokens.len(), format!("DELETE FROM {} without WHERE", name.shown)).of(rows(&name)))
}

fn update(tokens: Piece<'_>, made: &Made) -> Option<Loss> {
    let set = tokens.find(1, "SET").filter(|set| *set > 1)?;
    if tokens.find(set, "WHERE").is_some() {
        return None;
    }
    let name = tokens.name(tokens.skip(1, &["ONLY"])).map(|(name, _)| name);
    if let Some(name) = &name
        && (made.has("TABLE", &name.key) || fills_new_columns(tokens.from(set + 1), &name.key, made))
    {
        return None;
    }
    let name = name.unwrap_or(Name { shown: "…", ..Name::default() });
    Some(Loss::new(tokens, 0..tokens.len(), format!("UPDATE {} without WHERE", name.shown)).of(rows(&name)))
}

/// `ADD COLUMN c; UPDATE t SET c = …` fills what is empty.
pub(super) fn fills_new_columns(assignments: Piece<'_>, table: &str, made: &Made) -> bool {
    let end = ["FROM", "RETURNING"].into_iter().filter_map(|word| assignments.find(0, word)).min();
    let end = end.unwrap_or(assignments.len());
    assignments.part(0..end).comma_parts().into_iter().all(|assignment| {
        let targets = match assignment.kind(0) {
            Some(TokenKind::Open) => assignment.part(1..assignment.behind_parenthesis(0).saturating_sub(1)),
            _ => assignment,
        };
        let targets = targets.names();
        !targets.is_empty() && targets.iter().all(|column| made.has_column(table, &column.key))
    })
}

/// The statements in the parentheses of a `WITH`, and the one behind them.
fn with(tokens: Piece<'_>, made: &Made) -> Vec<Loss> {
    let mut losses = Vec::new();
    let mut at = 1;
    while at < tokens.len() {
        if tokens.kind(at) == Some(TokenKind::Open) {
            let end = tokens.behind_parenthesis(at);
            let inside = tokens.part(at + 1..end.saturating_sub(1));
            if inside.is_any(0, &["DELETE", "UPDATE"]) {
                losses.extend(of(inside, made));
            }
            at = end;
            // A table of that name follows a comma or WITH; the statement itself follows a parenthesis.
        } else if tokens.kind(at - 1) == Some(TokenKind::Close)
            && tokens.is_any(at, &["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE"])
        {
            losses.extend(of(tokens.from(at), made));
            break;
        } else {
            at += 1;
        }
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::super::super::split;
    use super::super::{Lost, review};

    fn lost(text: &str) -> Vec<String> {
        review(text, &split(text).statements).losses.into_iter().map(|loss| loss.what).collect()
    }

    #[test]
    fn what_drops_or_overwrites_data_is_seen() {
        for (text, what) in [
            ("drop table users", "DROP TABLE users"),
            ("/* a */ Drop -- b\n Table if exists app.\"Users\" cascade", "DROP TABLE app.\"Users\" CASCADE"),
            ("drop schema app", "DROP SCHEMA app"),
            ("drop type mood", "DROP TYPE mood"),
            ("drop database shop", "DROP DATABASE shop"),
            ("drop materialized view v", "DROP MATERIALIZED VIEW v"),
            ("drop function f(int, text) cascade", "DROP FUNCTION f CASCADE"),
            ("drop view v cascade", "DROP VIEW v CASCADE"),
            ("drop extension postgis cascade", "DROP EXTENSION postgis CASCADE"),
            ("drop owned by app", "DROP OWNED BY app"),
            ("alter table t drop column a", "ALTER TABLE t DROP COLUMN a"),
            ("alter table if exists only app.t drop if exists a", "ALTER TABLE app.t DROP COLUMN a"),
            ("alter table t add b int check (b > 0), drop a cascade", "ALTER TABLE t DROP COLUMN a"),
            ("alter type pair drop attribute a", "ALTER TYPE pair DROP ATTRIBUTE"),
            ("truncate t", "TRUNCATE t"),
            ("truncate table only t restart identity cascade", "TRUNCATE t"),
            ("delete from t", "DELETE FROM t without WHERE"),
            ("delete from only t as x using u", "DELETE FROM t without WHERE"),
            ("delete from t returning (select 1 where true)", "DELETE FROM t without WHERE"),
            ("update t set a = (select 1 from u where u.i = t.i)", "UPDATE t without WHERE"),
            ("update only t x set (a, b) = (1, 2) from u", "UPDATE t without WHERE"),
            ("with x as (delete from t returning *) insert into u select * from x", "DELETE FROM t without WHERE"),
            ("with x as materialized (select 1 where true) delete from t using x", "DELETE FROM t without WHERE"),
            ("with a as (select 1), b (i) as (select 2) update t set a = 1", "UPDATE t without WHERE"),
        ] {
            assert_eq!(lost(text), [what], "{text}");
        }
        assert_eq!(
            lost("drop table a, b; alter table c drop d, drop e"),
            ["DROP TABLE a", "DROP TABLE b", "ALTER TABLE c DROP COLUMN d", "ALTER TABLE c DROP COLUMN e"]
        );
    }

    #[test]
    fn where_the_data_is_that_is_lost_is_told_by_the_names() {
        let lost = |text: &str| {
            let found = review(text, &split(text).statements);
            let all = found.losses.into_iter().chain(found.doubtful);
            all.map(|loss| (loss.lost, loss.cascades)).collect::<Vec<_>>()
        };
        let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let values = |table: &[&str], column: &str| Lost::Values { table: path(table), column: column.to_owned() };
        for (text, of, cascades) in [
            ("drop table App.\"Use\"\"rs\"", Lost::Rows(path(&["app", "Use\"rs"])), false),
            ("drop table t cascade", Lost::Rows(path(&["t"])), true),
            ("drop table U&\"t\"", Lost::Unknown, false),
            ("drop materialized view v", Lost::Rows(path(&["v"])), false),
            ("drop schema s", Lost::Nothing, false),
            ("drop schema s cascade", Lost::Schema("s".to_owned()), true),
            ("drop type m", Lost::Nothing, false),
            ("drop type m cascade", Lost::Unknown, true),
            ("drop function f() cascade", Lost::Unknown, true),
            ("drop owned by app", Lost::Unknown, false),
            ("alter table only a.t drop column if exists \"B\"", values(&["a", "t"], "B"), false),
            ("alter table t drop b cascade", values(&["t"], "b"), false),
            ("truncate t", Lost::Rows(path(&["t"])), false),
            ("truncate t cascade", Lost::RowsAndReferences(path(&["t"])), false),
            ("delete from only t", Lost::Rows(path(&["t"])), false),
            ("update t set a = 1", Lost::Rows(path(&["t"])), false),
            ("delete from t where i < 3", Lost::SomeRows(path(&["t"])), false),
            ("update only t set i = 1 where i = 2", Lost::SomeRows(path(&["t"])), false),
            ("alter table t alter column a set data type text", values(&["t"], "a"), false),
            ("alter table t add b int, alter a type int using a::int", values(&["t"], "a"), false),
            ("with x as (delete from t where i = 1 returning *) select 1", Lost::SomeRows(path(&["t"])), false),
            ("do $$ begin execute format('drop table app.%I', t); end $$", Lost::Unknown, true),
            ("do $$ begin execute 'drop table app.t'; end $$", Lost::Rows(path(&["app", "t"])), false),
        ] {
            assert_eq!(lost(text), [(of, cascades)], "{text}");
        }
        assert_eq!(lost("alter table t add b int; update t set b = a where a > 1"), []);
        assert_eq!(lost("create table t (i int); delete from t where i = 1; alter table t alter i type text"), []);
    }

    #[test]
    fn what_holds_no_data_or_only_looks_like_it_is_left_alone() {
        for text in [
            "drop index i; drop index i cascade; drop function f(); drop view v; drop trigger a on t cascade; drop policy p on t",
            "drop sequence s; drop sequence if exists s cascade; drop role r; drop user u; drop extension e; drop domain d; drop publication p; drop server s",
            "alter table t drop constraint c cascade; alter table t drop constraint if exists c, add d int",
            "alter table t alter a drop default, alter column b drop not null, alter c drop identity if exists, alter d drop expression",
            "alter view v alter column a drop default; alter domain d drop constraint c; alter index i set (fillfactor = 70)",
            "alter table t set (fillfactor = 70); alter table t detach partition p; alter table t alter a type text using lower(a)",
            "delete from t where true; update t set a = 1 where b; update t set a = s.a from s where s.i = t.i",
            "insert into t values (1) on conflict (i) do update set a = excluded.a",
            "with x as (select 1) insert into t select * from x on conflict do update set a = 1",
            "with x as (update t set a = 1 where b returning *) select * from x for update",
            "with update as (select 1), delete as (select 2) select * from update, delete",
            "create rule r as on insert to t do also delete from u",
            "create rule r as on insert to t do also (delete from u; update u set a = 1;)",
            "create function f() returns int begin atomic delete from t; update t set a = 1; select 1; end",
            "create function f() returns int language plpgsql as $$ begin drop table t; delete from t; end $$",
            "create table t (i int references u on delete cascade on update set null)",
            "create trigger a before update or delete or truncate on t for each row execute function f()",
            "grant truncate, delete, update on t to app; revoke delete on t from app",
            "select * from t for update; select 'drop table t'; select $$ delete from t $$; -- drop table t;\n",
            "/* truncate t; */ select \"drop\", 'it''s; delete from t;'; comment on table t is 'drop table t'",
            "select E'\\'; drop table t; --'; select U&'; truncate t;'",
            "merge into t using u on t.i = u.i when matched then delete",
            "prepare q as delete from t; explain update t set a = 1",
            "create policy p on t for delete using (true)",
            "alter default privileges grant delete on tables to app",
        ] {
            assert_eq!(lost(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_the_script_made_itself_is_no_data() {
        for text in [
            "create temp table x as select 1; drop table x",
            "create temporary table if not exists x (i int); truncate x; delete from x; drop table pg_temp.x",
            "create table app.x (i int); update app.x set i = 1; alter table app.x drop column i; drop table APP.X cascade",
            "create unlogged table x (i int); alter table x rename to y; drop table y",
            "select * into temp x from t; drop table x",
            "create schema s; drop schema s cascade",
            "create type m as enum ('a'); drop type m",
            "alter table t add column a int; update t set a = b; alter table t drop column a",
            "alter table t add a int, add column if not exists b int; update t set (a, b) = (1, 2), a = 3 from u",
            "alter table t add a int; alter table t rename column a to b; update t set b = 1 returning a, c",
            "drop materialized view v; create materialized view v as select 1",
            "drop type if exists m; create type m as enum ('b')",
        ] {
            assert_eq!(lost(text), [""; 0], "{text}");
        }
        for (text, what) in [
            ("create table if not exists x (i int); drop table x", "DROP TABLE x"),
            ("drop table if exists x; create table x (i int)", "DROP TABLE x"),
            ("create temp table x (i int); drop table x; drop table x", "DROP TABLE x"),
            ("create table a.x (i int); drop table b.x", "DROP TABLE b.x"),
            (
                "create table x (i int); alter table x rename to y; alter table t rename to x; drop table x",
                "DROP TABLE x",
            ),
            ("alter table t add a int; update t set a = 1, b = 2", "UPDATE t without WHERE"),
            ("alter table t add a int; update u set a = 1", "UPDATE u without WHERE"),
            ("create index x on t (i); drop table x", "DROP TABLE x"),
        ] {
            assert_eq!(lost(text), [what], "{text}");
        }
    }

    #[test]
    fn the_statement_and_its_words_are_named() {
        let text = "select 1;\n/* why */ alter table é add a int, drop column b;";
        let found = review(text, &split(text).statements);
        assert_eq!((found.losses[0].statement, &text[found.losses[0].span.clone()]), (1, "drop column b"));
    }
}
