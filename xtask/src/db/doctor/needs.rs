//! What scripts want of a database, as far as a lexer can tell: extensions, places to create in, objects to alter.

use std::collections::BTreeSet;

use stairwell::migration::{Mode, Script};
use stairwell::sql::{self, Statement, TokenKind};

/// The name of an object as Postgres understands it: without quotes, and in lower case where it had none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// `None` where the search path decides.
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

/// What may be altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A table, an index, a view or a sequence.
    Relation,
    /// A type or a domain.
    Type,
    Schema,
}

/// An extension that a script creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) name: String,
    /// The script's file.
    pub(super) file: String,
    /// Whether it says `IF NOT EXISTS`.
    pub(super) may_exist: bool,
}

/// What scripts want, in the order in which they run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Extensions, each where it is first created.
    pub(super) extensions: Vec<Extension>,
    /// Schemas in which they create something; `None` is the first of the search path.
    pub(super) creates_in: BTreeSet<Option<String>>,
    /// Whether they create a schema.
    pub(super) creates_schema: bool,
    /// What is there already and only its owner may alter.
    pub(super) alters: BTreeSet<(Kind, Name)>,
    /// Tables and the like that are there already and get an index, which is created in their schema.
    pub(super) indexed: BTreeSet<Name>,
    /// Tables and the like that they lock.
    pub(super) locks: BTreeSet<Name>,
    /// Indexes that they build concurrently.
    pub(super) builds: BTreeSet<String>,
    /// The files of scripts outside of a transaction.
    pub(super) outside: Vec<String>,
    made: Made,
    path: Vec<String>,
}

/// What they make themselves.
#[derive(Debug, Default, PartialEq, Eq)]
struct Made {
    schemas: BTreeSet<String>,
    objects: Vec<(Kind, Name)>,
}

impl Needs {
    /// Of scripts that find what has no schema along this path.
    pub(super) fn of<'a>(scripts: impl IntoIterator<Item = &'a Script>, path: &[String]) -> Self {
        let mut needs = Self { path: path.to_vec(), ..Self::default() };
        for script in scripts {
            if script.mode() == Mode::Statements {
                needs.outside.push(script.file().to_owned());
            }
            let text = script.text();
            for statement in &sql::split(text).statements {
                needs.read(&mut Words { text, statement, at: 0 }, script.file());
            }
        }
        // A schema of their own is theirs.
        needs.creates_in.retain(|schema| schema.as_ref().is_none_or(|schema| !needs.made.schemas.contains(schema)));
        needs
    }

    fn read(&mut self, words: &mut Words<'_>, file: &str) {
        if words.eat(&["CREATE"]) {
            self.read_create(words, file);
        } else if words.eat(&["ALTER"]) {
            let Some(kind) = words.kind() else { return };
            words.skip(&[&["IF", "EXISTS"], &["ONLY"]]);
            if let Some(name) = words.name() {
                self.alter(kind, name);
            }
        } else if words.eat(&["DROP"]) {
            let Some(kind) = words.kind() else { return };
            words.skip(&[&["CONCURRENTLY"], &["IF", "EXISTS"]]);
            while let Some(name) = words.name() {
                self.alter(kind, name);
                if !words.eat_sign(",") {
                    break;
                }
            }
        } else if words.eat(&["COMMENT", "ON", "TABLE"]) {
            if let Some(name) = words.name() {
                self.alter(Kind::Relation, name);
            }
        } else if words.eat(&["TRUNCATE"]) {
            words.skip(&[&["TABLE"], &["ONLY"]]);
            if let Some(name) = words.name() {
                self.lock(name);
            }
        }
    }

    fn read_create(&mut self, words: &mut Words<'_>, file: &str) {
        words.skip(&[&["OR", "REPLACE"]]);
        // A temporary one is in a schema of its session's own.
        if words.skip(&[&["GLOBAL"], &["LOCAL"], &["TEMP"], &["TEMPORARY"]]) {
            return;
        }
        words.skip(&[&["UNLOGGED"], &["RECURSIVE"], &["UNIQUE"], &["CONSTRAINT"]]);
        if words.eat(&["EXTENSION"]) {
            let may_exist = words.skip(&[&["IF", "NOT", "EXISTS"]]);
            if let Some(Name { name, .. }) = words.name()
                && !self.extensions.iter().any(|extension| extension.name == name)
            {
                self.extensions.push(Extension { name, file: file.to_owned(), may_exist });
            }
        } else if words.eat(&["SCHEMA"]) {
            self.creates_schema = true;
            words.skip(&[&["IF", "NOT", "EXISTS"], &["AUTHORIZATION"]]);
            self.made.schemas.extend(words.name().map(|name| name.name));
        } else if words.eat(&["INDEX"]) {
            let concurrently = words.eat(&["CONCURRENTLY"]);
            words.skip(&[&["IF", "NOT", "EXISTS"]]);
            if !words.is("ON")
                && let Some(index) = words.name()
                && concurrently
            {
                self.builds.insert(index.name);
            }
            if words.eat(&["ON"]) {
                words.skip(&[&["ONLY"]]);
                if let Some(table) = words.name() {
                    if !self.is_made(Kind::Relation, &table) {
                        self.indexed.insert(table.clone());
                    }
                    self.alter(Kind::Relation, table);
                }
            }
        } else if words.eat(&["TRIGGER"]) {
            while words.at < words.statement.head.len() && !words.eat(&["ON"]) {
                words.at += 1;
            }
            words.name().into_iter().for_each(|table| self.lock(table));
        } else if let Some(kind) = words.kind().filter(|kind| *kind != Kind::Schema) {
            words.skip(&[&["IF", "NOT", "EXISTS"]]);
            let Some(name) = words.name() else { return };
            self.creates_in.insert(name.schema.clone());
            let first = || self.path.iter().find(|schema| !schema.starts_with("pg_")).cloned();
            self.made.objects.push((kind, Name { schema: name.schema.or_else(first), name: name.name }));
        } else if words.eat(&["FUNCTION"]) || words.eat(&["PROCEDURE"]) || words.eat(&["AGGREGATE"]) {
            self.creates_in.extend(words.name().map(|name| name.schema));
        }
    }

    fn alter(&mut self, kind: Kind, name: Name) {
        let name = if kind == Kind::Schema { Name { schema: None, ..name } } else { name };
        let is_made = match kind {
            Kind::Schema => self.made.schemas.contains(&name.name),
            _ => self.is_made(kind, &name),
        };
        if !is_made {
            if kind == Kind::Relation {
                self.locks.insert(name.clone());
            }
            self.alters.insert((kind, name));
        }
    }

    fn lock(&mut self, name: Name) {
        if !self.is_made(Kind::Relation, &name) {
            self.locks.insert(name);
        }
    }

    fn is_made(&self, kind: Kind, name: &Name) -> bool {
        let is_it = |made: &Name| match (&name.schema, &made.schema) {
            (None, Some(schema)) => self.path.contains(schema),
            (own, made) => own == made,
        };
        self.made.objects.iter().any(|(of, made)| *of == kind && made.name == name.name && is_it(made))
    }
}

/// The words of a statement, one after the other.
struct Words<'a> {
    text: &'a str,
    statement: &'a Statement,
    at: usize,
}

impl Words<'_> {
    fn is(&self, word: &str) -> bool {
        self.statement.is(self.text, self.at, word)
    }

    /// Goes past these words, if they are next.
    fn eat(&mut self, words: &[&str]) -> bool {
        let are_next = (self.at..).zip(words).all(|(n, word)| self.statement.is(self.text, n, word));
        if are_next {
            self.at += words.len();
        }
        are_next
    }

    /// Goes past any of these, as often as one is next; false if none was.
    fn skip(&mut self, any: &[&[&str]]) -> bool {
        let before = self.at;
        while any.iter().any(|words| self.eat(words)) {}
        self.at > before
    }

    fn eat_sign(&mut self, sign: &str) -> bool {
        let is_next = self.statement.head.get(self.at).is_some_and(|token| token.text(self.text) == sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn kind(&mut self) -> Option<Kind> {
        const RELATIONS: [&[&str]; 6] =
            [&["TABLE"], &["FOREIGN", "TABLE"], &["INDEX"], &["VIEW"], &["MATERIALIZED", "VIEW"], &["SEQUENCE"]];
        if RELATIONS.iter().any(|words| self.eat(words)) {
            Some(Kind::Relation)
        } else if self.eat(&["TYPE"]) || self.eat(&["DOMAIN"]) {
            Some(Kind::Type)
        } else {
            self.eat(&["SCHEMA"]).then_some(Kind::Schema)
        }
    }

    /// A name, with a schema or without; of one with a database before it, the last two.
    fn name(&mut self) -> Option<Name> {
        let mut parts = vec![self.part()?];
        while self.eat_sign(".") {
            parts.push(self.part()?);
        }
        let name = parts.pop()?;
        Some(Name { schema: parts.pop(), name })
    }

    fn part(&mut self) -> Option<String> {
        let token = self.statement.head.get(self.at)?;
        let text = token.text(self.text);
        let part = match token.kind {
            TokenKind::Word => text.to_lowercase(),
            // `U&"…"` is left alone: its escapes would have to be read.
            TokenKind::QuotedWord => text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\""),
            _ => return None,
        };
        self.at += 1;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stairwell::migration::Direction;

    fn needs(text: &str) -> Needs {
        let script = Script::parse("1_a.up.sql".into(), text.as_bytes(), Direction::Up).0.unwrap();
        Needs::of([&script], &["pg_catalog".into(), "public".into()])
    }

    fn altered(text: &str) -> Vec<String> {
        let shown = |(_, name): &(Kind, Name)| match &name.schema {
            Some(schema) => format!("{schema}.{}", name.name),
            None => name.name.clone(),
        };
        needs(text).alters.iter().map(shown).collect()
    }

    #[test]
    fn extensions_are_named_once_each() {
        let needs = needs(
            "create extension if not exists \"uuid-ossp\" with schema x; CREATE EXTENSION PostGIS; create extension postgis;",
        );
        assert_eq!(
            needs.extensions.iter().map(|it| (it.name.as_str(), it.may_exist)).collect::<Vec<_>>(),
            [("uuid-ossp", true), ("postgis", false)]
        );
    }

    #[test]
    fn what_only_its_owner_may_alter_is_found_in_all_spellings() {
        for (text, expected) in [
            ("alter table if exists only s.\"T\" add x int", &["s.T"][..]),
            ("create unique index concurrently if not exists i on only a.b (c)", &["a.b"]),
            ("create index on t (x)", &["t"]),
            ("drop table a, b.c cascade", &["a", "b.c"]),
            ("drop index concurrently if exists i", &["i"]),
            ("alter type Mood add value 'new'", &["mood"]),
            ("comment on table t is 'x'", &["t"]),
            ("alter materialized view v rename to w", &["v"]),
            ("drop schema s", &["s"]),
            ("insert into t values (1); select 1; grant select on t to u", &[]),
        ] {
            assert_eq!(altered(text), expected, "{text}");
        }
    }

    #[test]
    fn what_the_scripts_make_themselves_is_theirs() {
        assert_eq!(altered("create table t (i int); alter table public.t add j int; create index on t (i);"), [""; 0]);
        let needs =
            needs("create schema s; create table s.t (i int); create temp table x (i int); create view v as select 1;");
        assert_eq!(needs.creates_in, BTreeSet::from([None]));
        assert!(needs.creates_schema && needs.locks.is_empty());
    }

    #[test]
    fn a_table_of_the_same_name_in_another_schema_is_not_theirs() {
        let text = "create table t (i int); create index on other.t (i); create index on public.t (i);";
        assert_eq!(altered(text), ["other.t"]);
        assert_eq!(needs(text).indexed.len(), 1);
    }

    #[test]
    fn locks_are_also_of_what_others_may_change() {
        let needs = needs("create trigger r after update of a, b on s.t execute function f(); truncate only u;");
        assert_eq!(needs.locks.iter().map(|name| name.name.as_str()).collect::<Vec<_>>(), ["u", "t"]);
        assert!(needs.alters.is_empty());
    }

    proptest! {
        #[test]
        fn any_script_can_be_read(
            words in prop::collection::vec(prop::sample::select(vec![
                "create", "alter", "drop", "table", "index", "concurrently", "on", "only", "if", "not", "exists", "extension", "schema", "type",
                "trigger", "temp", "or replace", "comment", "truncate", "\"", "\"a\"\"b\"", "U&\"x\"", "a", ".", ",", ";", "(", ")", "'x'", "é",
            ]), 0..20)
        ) {
            let script = Script::stored("1_a.up.sql", &words.join(" "), Direction::Up);
            let needs = Needs::of([&script], &["public".to_owned()]);
            prop_assert!(needs.alters.iter().all(|(kind, name)| *kind != Kind::Schema || name.schema.is_none()));
        }
    }

    #[test]
    fn scripts_outside_of_a_transaction_and_their_indexes_are_known() {
        let needs = needs("-- stairwell: no-transaction\ncreate index concurrently i on t (a);");
        assert_eq!((needs.outside.len(), needs.builds.contains("i")), (1, true));
    }
}
